import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { AppError, messageOf } from '../model/error.ts'

const run = promisify(execFile)

/** A private network: one namespace with a bridge that holds the server's address, and taps for machines on it. */
export type LabNetwork = AsyncDisposable & {
  /** name of the namespace, as `ip netns` knows it */
  readonly name: string
  readonly bridge: string
  /** the server's address on the bridge, a /24 */
  readonly address: string
  /** the address with this last part: `host(10)` → 192.168.77.10 */
  host(last: number): string
  /** Makes a tap on the bridge and gives its name. */
  addTap(): Promise<string>
  /** Program and arguments that run `command` inside, and end it when this process ends. */
  inside(command: readonly string[]): [string, string[]]
}

/** `ironwake-<pid of the owner>-<number>[-<name>]`: what a dead owner left behind is told by its pid. */
const namePattern = /^ironwake-(\d+)-\d+(?:-.+)?$/
let created = 0

/**
 * Makes a network namespace with bridge `br0`; first removes those of owners that no longer live.
 * @param subnet the first three parts of its /24; namespaces do not see each other, so the same one may be in use twice
 * @throws AppError FailedPrecondition when it cannot be made (not root, no `ip`)
 */
export async function createNetwork(subnet = '192.168.77'): Promise<LabNetwork> {
  await removeLeftovers()
  created += 1
  const name = `ironwake-${process.pid}-${created}`
  const address = `${subnet}.1`
  try {
    await ip('netns', 'add', name)
    await ip('-n', name, 'link', 'set', 'lo', 'up')
    await ip('-n', name, 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0')
    await ip('-n', name, 'link', 'set', 'br0', 'up')
    await ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'br0')
    await ip('-n', name, 'addr', 'add', 'fd77::1/64', 'dev', 'br0', 'nodad')
  } catch (error) {
    await remove(name)
    throw new AppError('FailedPrecondition', `network namespace ${name}: ${messageOf(error)}`, {
      cause: error,
    })
  }
  let taps = 0
  return {
    name,
    bridge: 'br0',
    address,
    host: (last) => `${subnet}.${last}`,
    async addTap() {
      const tap = `tap${taps++}`
      await ip('-n', name, 'tuntap', 'add', tap, 'mode', 'tap')
      await ip('-n', name, 'link', 'set', tap, 'master', 'br0', 'up')
      return tap
    },
    inside: (command) => [
      'nsenter',
      [`--net=/run/netns/${name}`, 'setpriv', '--pdeathsig', 'KILL', ...command],
    ],
    [Symbol.asyncDispose]: () => remove(name),
  }
}

async function removeLeftovers(): Promise<void> {
  const { stdout } = await ip('netns', 'list')
  for (const line of stdout.split('\n')) {
    const name = line.split(' ')[0] ?? ''
    const owner = Number(namePattern.exec(name)?.[1])
    if (owner && !isAlive(owner)) await remove(name)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Ends what still runs in the namespace, then deletes it. A missing one is fine. */
async function remove(name: string): Promise<void> {
  const pids = await ip('netns', 'pids', name).then(
    ({ stdout }) => stdout.split(/\s+/).filter(Boolean),
    () => [],
  )
  for (const pid of pids) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  await ip('netns', 'del', name).catch(() => undefined)
}

const ip = (...args: string[]) => run('ip', args)
