import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Site } from './bench.ts'
import { onCore, twoCores } from './cores.ts'
import { familyOf } from './process.ts'
import type { Place } from './system.ts'

/** A server that ours is compared with, on the servers' core, with its own configuration and nothing of the machine's. */
export type Peer = AsyncDisposable & { name: string; pids(): number[] }

export type PeerPlan = {
  name: string
  /** Writes what it needs into an empty folder, and says how it is started there, in the foreground. */
  command(folder: string): Promise<readonly string[]>
  /** what shows that it listens */
  listens: { protocol: 'udp' | 'tcp'; place: Place }
  env?: Record<string, string>
}

const readyMs = 30_000
const endMs = 3000

/** @throws Error with the end of what it said when it does not come up */
export async function startPeer(site: Site, { name, command, listens, env = {} }: PeerPlan): Promise<Peer> {
  const folder = await mkdtemp(join(site.folder, `${name}-`))
  const logPath = join(folder, 'said')
  const [program, args] = onCore(twoCores().server, await command(folder))
  const log = openSync(logPath, 'a')
  const child = spawn(program, args, {
    cwd: folder,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...env, PATH: `/usr/sbin:/usr/bin:/sbin:/bin` },
  })
  closeSync(log)
  const ended = once(child, 'exit')
  const isRunning = () => child.exitCode === null && child.signalCode === null
  const dispose = async () => {
    if (isRunning()) child.kill()
    const hasEnded = await Promise.race([ended.then(() => true), sleep(endMs, false, { ref: false })])
    if (!hasEnded) child.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  const deadline = Date.now() + readyMs
  while (!isListening(listens)) {
    if (Date.now() > deadline || !isRunning()) {
      const said = readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-20).join('\n')
      await dispose()
      throw new Error(`${name} does not come up\n${said}`)
    }
    await sleep(20)
  }
  return { name, pids: () => familyOf(child.pid!), [Symbol.asyncDispose]: dispose }
}

/** Whether a socket is bound to a place, or to its port at every address. */
function isListening({ protocol, place: { ip, port } }: PeerPlan['listens']): boolean {
  const hex = (bytes: number[]) => Buffer.from(bytes).toString('hex').toUpperCase()
  // the address as a number in host order, so the other way round
  const address = hex(ip.split('.').map(Number).toReversed())
  const end = `:${hex([port >> 8, port & 255])}`
  const lines = readFileSync(`/proc/self/net/${protocol}`, 'utf8').split('\n').slice(1)
  return lines.some((line) => {
    const local = line.trim().split(/\s+/)[1]
    return local === address + end || local === `00000000${end}`
  })
}
