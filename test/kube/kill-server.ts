import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect } from '../../src/cli/client.ts'
import type { Client } from '../../src/cli/client.ts'
import { isCode } from '../../src/model/error.ts'

/** `ironwake serve` as a process of its own, on loopback and without DHCP. */
export type KillServer = AsyncDisposable & {
  kubeconfig: string
  /** starts it on the data that are there; does not wait for it */
  start(): void
  /** waits until it is ready. @throws when it ends instead */
  ready(): Promise<void>
  /** SIGKILL; resolves when the process is gone */
  kill(): Promise<void>
  /** a client of its own connections, once it was ready */
  client(): Client
}

const projectDir = fileURLToPath(new URL('../..', import.meta.url))
const readyMs = 120_000

/** Nothing is started yet; disposing kills it and removes its data. */
export async function openKillServer(): Promise<KillServer> {
  const dir = await mkdtemp(join(tmpdir(), 'ironwake-killed-'))
  const kubeconfig = join(dir, 'admin.kubeconfig')
  const logPath = join(dir, 'server.log')
  const argv = [...program(), 'serve', ...flags({ dir, port: await freePort() })]
  const clients: Client[] = []
  let child: ChildProcess | undefined

  const start = () => {
    const log = openSync(logPath, 'a')
    child = spawn(process.execPath, argv, { stdio: ['ignore', log, log], env: foreignEnvironment() })
    closeSync(log)
  }
  const client = () => {
    const made = connect(kubeconfig)
    clients.push(made)
    return made
  }
  const isReady = async () => {
    if (!existsSync(kubeconfig)) return false
    const asking = connect(kubeconfig)
    try {
      return (await asking.request('GET', '/readyz')).status === 200
    } catch (error) {
      if (isCode(error, 'Unavailable')) return false
      throw error
    } finally {
      asking.close()
    }
  }
  const ready = async () => {
    const deadline = Date.now() + readyMs
    while (!(await isReady())) {
      const hasEnded = !child || child.exitCode !== null || child.signalCode !== null
      if (hasEnded || Date.now() > deadline)
        throw new Error(`not ready:\n${readFileSync(logPath, 'utf8').slice(-4000)}`)
      await sleep(100)
    }
  }
  const kill = async () => {
    const victim = child
    if (!victim || victim.exitCode !== null || victim.signalCode !== null) return
    const gone = once(victim, 'exit')
    victim.kill('SIGKILL')
    await gone
  }
  // A test that is cut off leaves nothing behind either.
  const abandon = () => {
    child?.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  }
  process.once('exit', abandon)
  const dispose = async () => {
    for (const made of clients) made.close()
    await kill()
    process.off('exit', abandon)
    rmSync(dir, { recursive: true, force: true })
  }
  return { kubeconfig, start, ready, kill, client, [Symbol.asyncDispose]: dispose }
}

/** Arguments of Node: the built server when it is of the present source (it starts faster), else the source. */
function program(): string[] {
  const built = join(projectDir, 'dist/main.js')
  const source = join(projectDir, 'src')
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  const newest = Math.max(...files.map((file) => statSync(join(source, file)).mtimeMs))
  const isFresh = existsSync(built) && statSync(built).mtimeMs > newest
  return isFresh ? [built] : ['--import=tsx', join(source, 'main.ts')]
}

function flags({ dir, port }: { dir: string; port: number }): string[] {
  const loopback = { address: '127.0.0.1', 'dhcp-mode': 'off', 'api-port': String(port) }
  const anywhere = { 'tftp-port': '0', 'http-port': '0', 'grpc-port': '0', 'metadata-ports': '' }
  const all = Object.entries({ 'data-dir': dir, ...loopback, ...anywhere })
  return all.flatMap(([name, value]) => [`--${name}`, value])
}

/**
 * A port that stays the same over restarts. It is below those that outgoing connections get, or a client that tries
 * again while the server is down could be given it, and be connected with itself.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const probe = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => resolve(true))
    })
    await new Promise((resolve) => probe.close(resolve))
    if (isFree) return port
  }
}

/** The server takes every IRONWAKE_ name as a setting. */
function foreignEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('IRONWAKE_')))
}
