import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemClock } from '../../src/model/clock.ts'

const exec = promisify(execFile)

/** One network namespace. What runs in it ends with the test's process. */
export type Space = {
  readonly name: string
  ip(...words: string[]): Promise<void>
  /** Runs a command to its end, 30 s at most. @throws Error when it fails, with `stdout`, `stderr` and `code` */
  run(...command: string[]): Promise<{ stdout: string; stderr: string }>
  start(...command: string[]): ChildProcess
}

/** The far end of a link: a bridge of a namespace. */
export type Bridge = { space: Space; name: string }

/** The namespaces of one test file, and a folder for what runs in them. */
export type Site = AsyncDisposable & {
  readonly folder: string
  space(): Promise<Space>
  /** @param address with its prefix length */
  bridge(space: Space, name: string, address?: string): Promise<Bridge>
  /** Gives `space` an interface that is plugged into `bridge`. */
  plug(
    space: Space,
    device: string,
    bridge: Bridge,
    wanted?: { mac?: string; address?: string },
  ): Promise<void>
}

const ip = (...words: string[]) => exec('ip', words)
let spaces = 0

/**
 * Makes a site.
 * @param build puts into it what all of the file's tests need; when that fails, nothing is left of it
 */
export async function createSite(build: (site: Site) => Promise<void>): Promise<Site> {
  const names: string[] = []
  const folder = await mkdtemp(join(tmpdir(), 'interop-'))
  const site: Site = {
    folder,
    async space() {
      // the name of src/lab/netns.ts, which removes what a killed process leaves
      spaces += 1
      const name = `ironwake-${process.pid}-${spaces}-site`
      names.push(name)
      await ip('netns', 'add', name)
      await ip('-n', name, 'link', 'set', 'lo', 'up')
      return spaceOf(name)
    },
    ...cables(),
    async [Symbol.asyncDispose]() {
      for (const name of names.splice(0)) await remove(name)
      await rm(folder, { recursive: true, force: true })
    },
  }
  try {
    await build(site)
    return site
  } catch (error) {
    await site[Symbol.asyncDispose]()
    throw error
  }
}

function cables(): Pick<Site, 'bridge' | 'plug'> {
  let ports = 0
  return {
    async bridge(space, name, address) {
      await space.ip('link', 'add', name, 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0')
      await space.ip('link', 'set', name, 'up')
      if (address) await space.ip('addr', 'add', address, 'dev', name)
      return { space, name }
    },
    async plug(space, device, bridge, { mac, address } = {}) {
      const port = `port${ports++}`
      const peer = ['peer', 'name', port, 'netns', bridge.space.name]
      await space.ip('link', 'add', device, ...(mac ? ['address', mac] : []), 'type', 'veth', ...peer)
      await bridge.space.ip('link', 'set', port, 'master', bridge.name, 'up')
      if (address) await space.ip('addr', 'add', address, 'dev', device)
      await space.ip('link', 'set', device, 'up')
    },
  }
}

/** The namespace of this name, which is there already. */
export function spaceOf(name: string): Space {
  const inside = (command: readonly string[]) => [
    `--net=/run/netns/${name}`,
    'setpriv',
    '--pdeathsig',
    'KILL',
    ...command,
  ]
  return {
    name,
    ip: async (...words) => {
      await ip('-n', name, ...words)
    },
    run: (...command) => exec('nsenter', inside(command), { timeout: 30_000 }),
    start: (...command) => spawn('nsenter', inside(command)),
  }
}

/** Ends what runs in a namespace, then deletes it. */
async function remove(name: string): Promise<void> {
  const { stdout } = await ip('netns', 'pids', name).catch(() => ({ stdout: '' }))
  for (const pid of stdout.split(/\s+/).filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  await ip('netns', 'del', name).catch(() => undefined)
}

/** Ends a child and waits until it is gone. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

/**
 * Waits until `ready` gives something.
 * @throws Error with what `otherwise` says when it does not within 20 s
 */
export async function until<Found>(
  ready: () => Found | undefined | false | Promise<Found | undefined | false>,
  otherwise: () => string,
): Promise<Found> {
  for (let wait = 0; wait < 400; wait += 1) {
    const found = await ready()
    if (found !== undefined && found !== false) return found
    await systemClock.sleep(50)
  }
  throw new Error(otherwise())
}

/** Why tests that need these programs and namespaces cannot run, or `false`. */
export async function missing(...programs: string[]): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  return absent('ip', 'nsenter', 'setpriv', ...programs)
}

/** Which of the programs is not there, or `false`. */
export async function absent(...programs: string[]): Promise<string | false> {
  for (const program of programs) {
    const found = await exec('sh', ['-c', `command -v ${program}`]).catch(() => undefined)
    if (!found) return `${program} is not installed`
  }
  return false
}
