import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { systemClock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import type { Machine } from './actions/action.ts'
import { findAction, isNative } from './actions/registry.ts'
import { explainMissingIdentity, parseBootFile, parseCommandLine } from './boot.ts'
import type { BootIdentity } from './boot.ts'
import { createConsole } from './console.ts'
import { systemCommands } from './commands.ts'
import { provenTime } from './datefloor.ts'
import { attributesText } from './facts/attributes.ts'
import { memoryBytes, readFacts, uptimeMs } from './facts.ts'
import { systemDisks } from './image/device.ts'
import { systemLeave } from './leave.ts'
import { Ledger } from './ledger.ts'
import { systemMounts } from './mounts.ts'
import { registriesOfCommandLine } from './oci/settings.ts'
import { Outbox } from './outbox.ts'
import { Runner } from './runner.ts'
import { runSession } from './session.ts'
import { connector } from './wire.ts'

/** Folder of the package: this file is `src/agent/main.ts`, `dist/agent/main.js`, or the bundle at the latter's place. */
const home = new URL('../../', import.meta.url)
const protoFile = fileURLToPath(new URL('proto/ironwake/v1/agent.proto', home))

const clock = systemClock
const terminal = createConsole(process.stdout.fd)
process.once('exit', terminal.flush)
const say = (line: string) => terminal.say(`ironwake agent: ${line}`)
const readText = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').trim() : '')

/** A short text on the RAM disk that outlives the agent's process. */
function kept(file: string) {
  return { get: () => readText(file), set: (text: string) => writeFileSync(file, text, { mode: 0o600 }) }
}

/** A session key is good for one boot of the machine. */
function keptSession(file: string, bootId: string) {
  const store = kept(file)
  const read = () => {
    try {
      return JSON.parse(store.get() || '{}') as { bootId?: string; sessionKey?: string }
    } catch {
      return {}
    }
  }
  let key = read().bootId === bootId ? (read().sessionKey ?? '') : ''
  return {
    get: () => key,
    set: (sessionKey: string) => {
      key = sessionKey
      store.set(JSON.stringify({ bootId, sessionKey }))
    },
  }
}

function machineOf(identity: BootIdentity, folder: string): Machine {
  const installed = kept(join(folder, 'installed-disk'))
  return {
    disks: systemDisks({ commands: systemCommands, clock }),
    mounts: systemMounts(systemCommands, folder),
    commands: systemCommands,
    clock,
    uefi: existsSync('/sys/firmware/efi'),
    trusted: [identity.ca],
    registries: [
      ...registriesOfCommandLine(parseCommandLine(readText('/proc/cmdline'))),
      ...identity.registries,
    ],
    folder,
    installedDisk: { get: () => installed.get() || undefined, set: installed.set },
  }
}

/** A clock that lies before the server's certificate is set to its first moment. */
async function mendClock(identity: BootIdentity, why: string): Promise<void> {
  if (!/not yet valid/i.test(why)) return
  const time = await provenTime(identity.grpc, identity.ca)
  if (time === undefined || time <= clock.now()) return
  await systemCommands.run('date', ['-u', '-s', `@${Math.ceil(time / 1000)}`])
  say(`the clock was wrong; set to ${new Date(time).toISOString()} by the server's certificate`)
}

async function serve(identity: BootIdentity, folder: string, signal: AbortSignal): Promise<void> {
  const ledger = new Ledger(join(folder, 'actions.json'))
  const outbox = new Outbox({ ledger, clock })
  const leave = systemLeave(systemCommands, say)
  const runner = new Runner({
    ledger,
    outbox,
    machine: machineOf(identity, folder),
    findAction,
    isNative,
    leave,
    say,
  })
  runner.resume()
  const bootId = readText('/proc/sys/kernel/random/boot_id')
  const session = keptSession(join(folder, 'session.json'), bootId)
  const version = (JSON.parse(readFileSync(new URL('package.json', home), 'utf8')) as { version: string })
    .version
  say(`version ${version}, agent id ${identity.agentId}, server ${identity.grpc}`)
  await runSession(
    {
      connect: connector(protoFile, identity.grpc, identity.ca),
      identity,
      bootId,
      version,
      facts: async () => {
        const attributes = session.get() === '' ? await attributesText('') : ''
        return { ...(await readFacts('', process.arch)), attributes }
      },
      health: async () => ({
        uptimeMs: await uptimeMs(''),
        memoryAvailableBytes: await memoryBytes('', 'MemAvailable'),
      }),
      sessionKey: session,
      runner,
      outbox,
      clock,
      random: Math.random,
      say,
      onConnectFailure: (why) => mendClock(identity, why).catch((error: unknown) => say(messageOf(error))),
    },
    signal,
  )
}

/** A machine without identity waits for a person, who reads on its console what is wrong. */
async function waitInVain(lines: readonly string[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const line of lines) say(line)
    await clock.sleep(60_000, signal)
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      boot: { type: 'string', default: '/etc/ironwake/boot.json' },
      run: { type: 'string', default: '/run/ironwake' },
    },
  })
  const stop = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort())
  mkdirSync(values.run, { recursive: true, mode: 0o700 })
  const identity = readIdentity(values.boot)
  await ('lines' in identity
    ? waitInVain(identity.lines, stop.signal)
    : serve(identity.identity, values.run, stop.signal))
}

function readIdentity(file: string): { identity: BootIdentity } | { lines: string[] } {
  if (!existsSync(file)) return { lines: explainMissingIdentity(file, readText('/proc/cmdline')) }
  try {
    return { identity: parseBootFile(readFileSync(file, 'utf8')) }
  } catch (error) {
    return { lines: [messageOf(error)] }
  }
}

await main()
