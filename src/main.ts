#!/usr/bin/env node
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { Option } from 'commander'
import type { Command } from 'commander'
import { stringify } from 'yaml'
import { withExamples } from './cli/command.ts'
import { runProgram } from './cli/program.ts'
import { loadConfig, settings } from './config.ts'
import type { Config } from './config.ts'
import { createLog } from './log.ts'
import { AppError, messageOf } from './model/error.ts'
import { version } from './version.ts'

/** How long an orderly end may take before the process ends all the same, ms. */
const backstopMs = 10_000

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => {
    stop.abort()
    setTimeout(() => process.exit(1), backstopMs).unref()
  })
// A reader such as `head` may close the pipe early.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
})

function serveCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('run the server: DHCP, TFTP, HTTP boot, metadata, agents, API')
    .action(async (options: Record<string, string>) => {
      const config = await readConfig(options)
      const log = createLog(config.log.level, process.stdout.isTTY)
      // Loaded here, so that the client commands start without the server's libraries.
      const { serve } = await import('./serve.ts')
      await serve(Object.freeze(config), log, stop.signal)
    })
  withSettings(command)
  withExamples(
    command,
    'serve --interface eth1',
    'serve --config /etc/ironwake.yaml --data-dir /var/lib/ironwake',
  )
}

function configCommand(program: Command): void {
  const config = program.command('config').description('settings of the server')
  const print = config
    .command('print')
    .description('print the settings that `serve` would run with')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['yaml', 'json']).default('yaml'))
    .action(async ({ output, ...options }: Record<string, string>) => {
      const found = await readConfig(options)
      process.stdout.write(output === 'json' ? `${JSON.stringify(found, null, 2)}\n` : stringify(found))
    })
  withSettings(print)
  withExamples(print, 'config print', 'config print --config /etc/ironwake.yaml -o json')
}

function withSettings(command: Command): void {
  command.option('--config <file>', 'settings as YAML (or $IRONWAKE_CONFIG)')
  for (const { flag, env, description, schema } of settings) {
    const value = (schema as { default?: unknown }).default
    const shown =
      value === '' || (Array.isArray(value) && value.length === 0) ? '' : `, default ${String(value)}`
    command.option(`${flag} <value>`, `${description} ($${env}${shown})`)
  }
}

/** commander keeps `--dhcp-mode` under `dhcpMode`. */
function optionName(flag: string): string {
  return flag.slice(2).replace(/-([a-z])/g, (_match, letter: string) => letter.toUpperCase())
}

async function readConfig(options: Record<string, string>): Promise<Config> {
  const name = options['config'] ?? process.env['IRONWAKE_CONFIG']
  const flags = settings.flatMap(({ key, flag }) => {
    const typed = options[optionName(flag)]
    return typed === undefined ? [] : [[key, typed]]
  })
  const file = name ? { file: { name, text: await readConfigFile(name) } } : {}
  return loadConfig({ ...file, env: process.env, flags: Object.fromEntries(flags) as Record<string, string> })
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

process.exitCode = await runProgram(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  readStdin: () => text(process.stdin),
  env: process.env,
  now: () => Date.now(),
  version,
  signal: stop.signal,
  extend: (program) => {
    serveCommand(program)
    configCommand(program)
  },
})
