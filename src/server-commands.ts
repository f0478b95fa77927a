import { mkdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { Option } from 'commander'
import type { Command } from 'commander'
import { stringify } from 'yaml'
import { CommandFailed } from './cli/command.ts'
import { loadConfig, settings, withoutSecrets } from './config.ts'
import type { Config } from './config.ts'
import { createLog } from './log.ts'
import { AppError, messageOf } from './model/error.ts'
import { makeBootPart, osArchs } from './netboot-os.ts'
import type { BootPart, OsArch } from './netboot-os.ts'

/** What the server's own commands need from the process. */
export type Surroundings = {
  env: Readonly<Record<string, string | undefined>>
  stdout: NodeJS.WriteStream
  signal: AbortSignal
}

export type ServerCommands = { serve: Command; print: Command; build: Command; ipxe: Command }

type Options = Record<string, string>

/** Gives the commands of the server, which exist already, their options and what they do. */
export function completeServerCommands(commands: ServerCommands, around: Surroundings): void {
  withSettings(commands.serve).action(async (options: Options) => {
    const config = await readConfig(options, around.env)
    const log = createLog(config.log.level, around.stdout.isTTY)
    // V8 lets a small heap grow to four times what lives before it looks for garbage: the rest would stay resident.
    setFlagsFromString('--heap-growing-percent=100')
    const server = await import('./serve.ts')
    await server.serve(Object.freeze(config), log, around.signal, around.env)
  })
  withSettings(commands.print)
    .addOption(new Option('-o, --output <format>', 'output format').choices(['yaml', 'json']).default('yaml'))
    .action(async ({ output, ...options }: Options) => {
      const config = withoutSecrets(await readConfig(options, around.env))
      around.stdout.write(output === 'json' ? `${JSON.stringify(config, null, 2)}\n` : stringify(config))
    })
  completeBuild(commands.build, ['dataDir', 'osDir', 'ipxeDir'], ['os', 'ipxe'], around)
  completeBuild(commands.ipxe, ['dataDir', 'ipxeDir'], ['ipxe'], around)
}

type BuildOptions = Options & { refresh?: boolean; arch?: OsArch }

/** `os build` and `os ipxe`: the files go where `serve` with the same settings looks for them. */
function completeBuild(
  command: Command,
  keys: readonly string[],
  parts: readonly BootPart[],
  around: Surroundings,
): void {
  command
    .option(
      '--output <dir>',
      `folder for all that is made (default: ${parts.join(' and ')} in the data directory, where serve looks)`,
    )
    .option('--cache <dir>', 'folder for Debian packages (default: $IRONWAKE_CACHE, else ~/.cache/ironwake)')
    .option('--refresh', 'look for newer Debian packages; without it the versions of the first build stay')
  if (parts.includes('os'))
    command.addOption(
      new Option('--arch <arch>', 'machines that the netboot OS is for').choices(osArchs).default('x86_64'),
    )
  withSettings(command, keys).action(async ({ output, cache, refresh, arch, ...options }: BuildOptions) => {
    const { dataDir, osDir, ipxeDir } = await readConfig(options, around.env)
    if (output === undefined) await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const defaults = { os: osDir || join(dataDir, 'os'), ipxe: ipxeDir || join(dataDir, 'ipxe') }
    for (const part of parts) {
      const folders = {
        arch: arch ?? 'x86_64',
        output: resolve(output ?? defaults[part]),
        cache: resolve(cache ?? around.env['IRONWAKE_CACHE'] ?? join(homedir(), '.cache/ironwake')),
      }
      await makeBootPart(part, { ...folders, refresh: refresh === true }, around).catch((error: unknown) => {
        throw around.signal.aborted ? new CommandFailed('interrupted', 130) : error
      })
    }
  })
}

/** Adds an option for each setting, or for those of `keys`. */
function withSettings(command: Command, keys?: readonly string[]): Command {
  command.option('--config <file>', 'settings as YAML (or $IRONWAKE_CONFIG)')
  for (const { key, flag, env, description, schema } of settings) {
    if (keys && !keys.includes(key)) continue
    const value = (schema as { default?: unknown }).default
    const shown =
      value === '' || (Array.isArray(value) && value.length === 0) ? '' : `, default ${String(value)}`
    command.option(`${flag} <value>`, `${description} ($${env}${shown})`)
  }
  return command
}

/** commander keeps `--dhcp-mode` under `dhcpMode`. */
function optionName(flag: string): string {
  return flag.slice(2).replace(/-([a-z])/g, (_match, letter: string) => letter.toUpperCase())
}

async function readConfig(options: Options, env: Surroundings['env']): Promise<Config> {
  const name = options['config'] ?? env['IRONWAKE_CONFIG']
  const flags = settings.flatMap(({ key, flag }) => {
    const typed = options[optionName(flag)]
    return typed === undefined ? [] : [[key, typed]]
  })
  const file = name ? { file: { name, text: await readConfigFile(name) } } : {}
  return loadConfig({ ...file, env, flags: Object.fromEntries(flags) as Options })
}

async function readConfigFile(name: string): Promise<string> {
  try {
    return await readFile(name, 'utf8')
  } catch (cause) {
    throw new AppError('NotFound', `cannot read the configuration file ${name}: ${messageOf(cause)}`, {
      cause,
    })
  }
}
