import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { createSeal } from '../../src/boot/seal.ts'
import type { Mac } from '../../src/model/mac.ts'
import type { Site } from '../lib/bench.ts'
import { compiled } from '../lib/compiled.ts'
import { onCore, twoCores } from '../lib/cores.ts'
import { startServer } from '../lib/server.ts'
import type { BenchServer } from '../lib/server.ts'
import type { MemoryReading } from './memory-probe.ts'
import type { Answer, Order } from './orders.ts'

/** A program that plays agents, on the clients' core. */
export type Players = AsyncDisposable & { obey(order: Order): Promise<Answer> }

export function startPlayers(): Players {
  const program = [process.execPath, compiled(new URL('agents-client.ts', import.meta.url))]
  const [command, args] = onCore(twoCores().client, program)
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  return {
    async obey(order) {
      child.stdin.write(`${JSON.stringify(order)}\n`)
      const line = await lines.next()
      if (line.done) throw new Error('the agents have ended')
      return JSON.parse(line.value) as Answer
    },
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
    },
  }
}

export type AgentServer = BenchServer & {
  /** what is in memory once garbage is gone */
  left(): Promise<MemoryReading>
  /** the one-time token of a machine's first boot */
  token(mac: Mac): string
}

/** The server on its core, with agents believed who they say they are. */
export async function startAgentServer(site: Site): Promise<AgentServer> {
  process.env['NODE_OPTIONS'] = `--import=${compiled(new URL('memory-probe.ts', import.meta.url))}`
  const flags = ['--grpc-tinkerbell-agents', 'id']
  const server = await startServer(site, { flags, core: twoCores().server, isProbed: false })
  delete process.env['NODE_OPTIONS']
  const seal = createSeal(await secretOf(server.folder))
  return { ...server, left: () => leftIn(server), token: (mac) => seal.token(mac, 0) }
}

async function leftIn({ pid, folder }: BenchServer): Promise<MemoryReading> {
  const path = join(folder, 'probe.json')
  await rm(path, { force: true })
  process.kill(pid, 'SIGUSR2')
  for (;;) {
    process.kill(pid, 0)
    const text = await readFile(path, 'utf8').catch(() => undefined)
    if (text !== undefined) return JSON.parse(text) as MemoryReading
    await sleep(20)
  }
}

/** What the server signs tokens with, out of a copy of its database, which it keeps to itself. */
async function secretOf(folder: string): Promise<Buffer> {
  const copy = await mkdtemp(join(folder, 'copy-'))
  for (const name of ['ironwake.db', 'ironwake.db-wal']) {
    const path = join(folder, 'data', name)
    if (existsSync(path)) copyFileSync(path, join(copy, name))
  }
  const db = new Sqlite(join(copy, 'ironwake.db'))
  const json = db.prepare(`SELECT json FROM side WHERE side = 'bootSession' AND key = 'secret'`).pluck().get()
  db.close()
  return Buffer.from(JSON.parse(String(json)) as string, 'hex')
}
