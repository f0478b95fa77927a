#!/usr/bin/env node
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import { withExamples } from './cli/command.ts'
import { runProgram } from './cli/program.ts'
import { systemClock } from './model/clock.ts'
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

// The client commands start without the server's libraries.
const argv = process.argv.slice(2)
const isServer = ['serve', 'config', 'os'].some((word) => argv.includes(word))
const server = isServer ? await import('./server-commands.ts') : undefined

process.exitCode = await runProgram(argv, {
  stdout: process.stdout,
  stderr: process.stderr,
  readStdin: () => text(process.stdin),
  env: process.env,
  ...systemClock,
  version,
  signal: stop.signal,
  extend: serverCommands,
})

function serverCommands(program: Command): void {
  const serve = program
    .command('serve')
    .description('run the server: DHCP, TFTP, HTTP boot, metadata, agents, API')
  withExamples(
    serve,
    'serve --interface eth1',
    'serve --config /etc/ironwake.yaml --data-dir /var/lib/ironwake',
  )
  const config = program.command('config').description('settings of the server')
  const print = config.command('print').description('print the settings that `serve` would run with')
  withExamples(config, 'config print')
  withExamples(print, 'config print', 'config print --config /etc/ironwake.yaml -o json')
  const os = program.command('os').description('what machines boot from the network: the netboot OS and iPXE')
  withExamples(os, 'os build --data-dir /var/lib/ironwake')
  const build = os
    .command('build')
    .summary('make the netboot OS and fetch iPXE')
    .description(
      'make kernel and initramfs of the netboot OS, and fetch iPXE, from Debian packages. Needs a Debian or Ubuntu ' +
        'host, no root; what is up to date already is left alone.',
    )
  withExamples(
    build,
    'os build --data-dir /var/lib/ironwake',
    'os build --refresh',
    'os build --output /srv/boot --cache /var/cache/ironwake',
  )
  const ipxe = os.command('ipxe').description('fetch iPXE only, for a netboot OS of your own')
  withExamples(ipxe, 'os ipxe --data-dir /var/lib/ironwake')
  server?.completeServerCommands(
    { serve, print, build, ipxe },
    { env: process.env, stdout: process.stdout, signal: stop.signal },
  )
}
