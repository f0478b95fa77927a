import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect } from '../../src/cli/client.ts'
import type { Client } from '../../src/cli/client.ts'

/** `ironwake serve` as a process of its own, on loopback and without DHCP. */
export type Running = AsyncDisposable & {
  kubeconfig: string
  client: Client
  ports: { api: number; http: number; tftp: number; metadata: number }
  /** SIGTERM; resolves when it has ended */
  stop(): Promise<void>
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const readyMs = 90_000

/**
 * Starts it and waits until it is ready.
 * @param flags more words for its command line
 * @throws Error with what it said, when it ends instead
 */
export async function startServer(...flags: string[]): Promise<Running> {
  const dir = await mkdtemp(join(tmpdir(), 'ironwake-metrics-'))
  const [api, http, tftp, metadata] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  const ports = { api: api!, http: http!, tftp: tftp!, metadata: metadata! }
  const words = Object.entries({
    'data-dir': dir,
    address: '127.0.0.1',
    'dhcp-mode': 'off',
    'api-port': ports.api,
    'http-port': ports.http,
    'tftp-port': ports.tftp,
    'metadata-ports': ports.metadata,
    'grpc-port': 0,
    'syslog-port': 0,
  }).map(([name, value]) => `--${name}=${value}`)
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('IRONWAKE_')),
  )
  const child = spawn(process.execPath, ['--import=tsx', main, 'serve', ...words, ...flags], { env })
  const exited = once(child, 'exit')
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += String(text)))
  const deadline = Date.now() + readyMs
  while (!said.includes('ironwake is ready')) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`the server is not ready: ${said}`)
    }
    await sleep(50)
  }
  const kubeconfig = join(dir, 'admin.kubeconfig')
  const client = connect(kubeconfig)
  const stop = async () => {
    client.close()
    child.kill('SIGTERM')
    await exited
  }
  return {
    kubeconfig,
    client,
    ports,
    stop,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}
