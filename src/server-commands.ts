import { readFile } from 'node:fs/promises'
import { Option } from 'commander'
import type { Command } from 'commander'
import { stringify } from 'yaml'
import { loadConfig, settings } from './config.ts'
import type { Config } from './config.ts'
import { createLog } from './log.ts'
import { AppError, messageOf } from './model/error.ts'

/** What the server's own commands need from the process. */
export type Surroundings = {
  env: Readonly<Record<string, string | undefined>>
  stdout: NodeJS.WriteStream
  signal: AbortSignal
}

type Options = Record<string, string>

/** Gives `serve` and `config print`, which exist already, their options and what they do. */
export function completeServerCommands(serve: Command, print: Command, around: Surroundings): void {
  withSettings(serve).action(async (options: Options) => {
    const config = await readConfig(options, around.env)
    const log = createLog(config.log.level, around.stdout.isTTY)
    const server = await import('./serve.ts')
    await server.serve(Object.freeze(config), log, around.signal)
  })
  withSettings(print)
    .addOption(new Option('-o, --output <format>', 'output format').choices(['yaml', 'json']).default('yaml'))
    .action(async ({ output, ...options }: Options) => {
      const config = await readConfig(options, around.env)
      around.stdout.write(output === 'json' ? `${JSON.stringify(config, null, 2)}\n` : stringify(config))
    })
}

function withSettings(command: Command): Command {
  command.option('--config <file>', 'settings as YAML (or $IRONWAKE_CONFIG)')
  for (const { flag, env, description, schema } of settings) {
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
