import { join } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import type { Clock } from '../model/clock.ts'
import type { Client } from './client.ts'
import type { Sink } from './output.ts'

/** What the commands need from the process. */
export type CliDeps = Clock & {
  stdout: Sink
  stderr: Sink
  /** text of standard input, read when a command asks for `-` */
  readStdin(): Promise<string>
  env: Readonly<Record<string, string | undefined>>
  version: string
  /** aborts on Ctrl-C; ends what follows or watches */
  signal: AbortSignal
  /** adds commands of the server itself: `serve`, `config print` */
  extend?: (program: Command) => void
}

/** 1 failed, 2 wrongly called, 130 interrupted. */
export type ExitCode = 1 | 2 | 130

/** A command's own way to fail: the message is printed, the process exits with `exitCode`. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
  readonly exitCode: ExitCode

  constructor(message: string, exitCode: ExitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

export type ConnectOptions = { kubeconfig?: string; dataDir?: string }

/** Adds the options that say which server is meant. */
export function withConnection(command: Command): Command {
  return command
    .option(
      '--kubeconfig <file>',
      'credentials of the server (default: $KUBECONFIG, else <data dir>/admin.kubeconfig)',
    )
    .option('--data-dir <dir>', 'data directory of the server (default: $IRONWAKE_DATA_DIR, else ./data)')
}

/** `--kubeconfig`, then $KUBECONFIG, then `admin.kubeconfig` in the data directory. */
export function kubeconfigPath(options: ConnectOptions, env: CliDeps['env']): string {
  const fromEnv = env['KUBECONFIG']?.split(':').find((path) => path !== '')
  if (options.kubeconfig) return options.kubeconfig
  if (fromEnv && !options.dataDir) return fromEnv
  return join(options.dataDir ?? env['IRONWAKE_DATA_DIR'] ?? './data', 'admin.kubeconfig')
}

/** Runs `work` with a client and closes it afterwards, or at once when the process is told to stop. */
export async function withClient<T>(
  options: ConnectOptions,
  deps: CliDeps,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const { connect } = await import('./client.ts')
  const client = connect(kubeconfigPath(options, deps.env))
  deps.signal.addEventListener('abort', client.close)
  try {
    return await work(client)
  } catch (error) {
    if (deps.signal.aborted) throw new CommandFailed('interrupted', 130)
    throw error
  } finally {
    deps.signal.removeEventListener('abort', client.close)
    client.close()
  }
}

/** `-o` with the formats that a command knows; the first one is the default. */
export function withOutput(command: Command, ...formats: [string, ...string[]]): Command {
  const option = new Option('-o, --output <format>', 'output format').choices(formats).default(formats[0])
  return command.addOption(option)
}

/** Adds an Examples section to a command's help. */
export function withExamples(command: Command, ...lines: string[]): Command {
  return command.addHelpText(
    'after',
    `\nExamples:\n${lines.map((line) => `  $ ironwake ${line}`).join('\n')}`,
  )
}

/** `namespace/name`, or `name` in the namespace asked for. */
export function placeOf(text: string, namespace: string): { namespace: string; name: string } {
  const slash = text.indexOf('/')
  if (slash === -1) return { namespace, name: text }
  return { namespace: text.slice(0, slash), name: text.slice(slash + 1) }
}
