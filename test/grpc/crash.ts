import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Workflow } from '../../src/model/workflow.ts'
import { openYard, runAgent, tasks, until } from './yard.ts'
import type { Kind, Yard } from './yard.ts'

export const crashPlan = { disk: ['stream', 'grow'], configure: ['write', 'finish'] }
export const crashMacs = ['52:54:00:00:00:01', '52:54:00:00:00:02', '52:54:00:00:00:03'] as const
const names = Object.values(crashPlan).flat()

/** Between every two messages of an agent: before it asks, and with each action as it gets it, begins, has run, has told. */
export const crashPoints = [
  'ask',
  ...names.flatMap((name) => ['given', 'begun', 'ran', 'ended'].map((point) => `${point} ${name}`)),
]

/** `between`: nothing is on its way; `during`: what the agent says next is. */
export type Moment = 'between' | 'during'
export type CrashCase = { kind: Kind; point: string; moment: Moment }

/** What an agent did: `run NAME`, and `ended NAME` once its SUCCESS was acknowledged. */
export type Journal = string[]

/** What is wrong with a journal and the Workflow that came of it; empty when nothing is. */
export function faultsOf(journal: Journal, workflow: Workflow): string[] {
  const { status } = workflow
  const done = (status?.tasks ?? []).flatMap(({ actions }) => actions)
  const order = [...new Set(journal.filter((line) => line.startsWith('run ')).map((line) => line.slice(4)))]
  return [
    ...(status?.state === 'SUCCESS' ? [] : [`the Workflow is ${status?.state}`]),
    ...done.flatMap(({ name, state }) => (state === 'SUCCESS' ? [] : [`${name} is ${state}`])),
    ...(order.join() === names.join() ? [] : [`ran ${order.join()}`]),
    ...names.flatMap((name) => {
      const told = journal.indexOf(`ended ${name}`)
      return told >= 0 && journal.lastIndexOf(`run ${name}`) > told ? [`${name} ran after its success`] : []
    }),
  ]
}

type Child = ChildProcessByStdio<Writable, Readable, null>
const start = (file: string, ...words: string[]): Child => {
  const path = fileURLToPath(new URL(file, import.meta.url))
  return spawn(process.execPath, ['--import=tsx', path, ...words], { stdio: ['pipe', 'pipe', 'inherit'] })
}

async function kill(child: Child): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** A server in a process of its own, over one database. */
export type CrashServer = {
  port: number
  start(): Promise<void>
  /** SIGKILL */
  kill(): Promise<void>
  workflow(name: string, mac: string): Promise<void>
  read(name: string): Promise<Workflow>
  close(): Promise<void>
}

export async function openCrashServer(): Promise<CrashServer> {
  const dir = await mkdtemp(join(tmpdir(), 'ironwake-crash-'))
  const port = await freePort()
  let child: Child | undefined
  const said = new Set<string>()
  let reads = 0
  const hears = (line: string) => until(line, () => said.has(line), 60_000)
  return {
    port,
    start: async () => {
      said.delete('listening')
      child = start('crash-server.ts', join(dir, 'db'), String(port))
      createInterface(child.stdout).on('line', (line) => said.add(line))
      await hears('listening')
    },
    kill: async () => child && kill(child),
    workflow: async (name, mac) => {
      child!.stdin.write(`workflow ${name} ${mac}\n`)
      await hears(`created ${name}`)
    },
    read: async (name) => {
      const begin = `read-${++reads} `
      const answer = () => [...said].find((line) => line.startsWith(begin))
      child!.stdin.write(`read-${reads} ${name}\n`)
      await until(`${begin}${name}`, answer, 60_000)
      return JSON.parse(answer()!.slice(begin.length)) as Workflow
    },
    close: async () => {
      if (child) await kill(child)
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

/** Long enough for a message to be anywhere between the two ends. */
const onTheWay = () => sleep(Math.random() * 4)

/**
 * The server dies at that point of the agent's work, and comes back.
 * @returns what is wrong afterwards
 */
export async function killServer(
  server: CrashServer,
  { kind, point, moment }: CrashCase,
  name: string,
): Promise<string[]> {
  const mac = crashMacs[0]
  const journal: Journal = []
  let restarted: Promise<void> | undefined
  const crash = async () => {
    await server.kill()
    await server.start()
  }
  await server.workflow(name, mac)
  const agent = runAgent(kind, server.port, mac, {
    run: async (work) => {
      journal.push(`run ${work.name}`)
      return 'SUCCESS'
    },
    at: async (here) => {
      if (here.startsWith('ended ')) journal.push(here)
      if (here !== point || restarted) return
      restarted = moment === 'between' ? crash() : onTheWay().then(crash)
      if (moment === 'between') await restarted
    },
  })
  try {
    await until('the crash', () => restarted !== undefined, 60_000)
    await restarted
    await until('the agent knows', () => journal.includes(`ended ${names.at(-1)}`), 60_000)
    return faultsOf(journal, await server.read(name))
  } finally {
    await agent.stop()
  }
}

export async function openCrashYard(): Promise<Yard> {
  const yard = await openYard({ holdMs: 5000 })
  for (const mac of crashMacs) await yard.machine({ name: `m-${mac.slice(-2)}`, mac })
  return yard
}

/** The agent dies at that point of its work, and another one of the same machine takes over. */
export async function killAgent(
  yard: Yard,
  { kind, point, moment }: CrashCase,
  name: string,
): Promise<string[]> {
  const mac = crashMacs[1]
  const journal: Journal = []
  await yard.workflow(name, tasks(crashPlan), mac)
  let isOver = false
  const work = async (until: string | undefined): Promise<void> => {
    const child = start('crash-agent.ts', kind, String(yard.site.port), mac)
    for await (const line of createInterface(child.stdout)) {
      const here = line.startsWith('at ') ? line.slice(3) : undefined
      if (here === undefined) journal.push(line)
      else if (here.startsWith('ended ')) journal.push(here)
      isOver ||= here === `ended ${names.at(-1)}`
      if (here !== undefined && here === until) {
        if (moment === 'during') {
          child.stdin.write('\n')
          await onTheWay()
        }
        return kill(child)
      }
      if (isOver) return kill(child)
      if (here !== undefined) child.stdin.write('\n')
    }
  }
  await work(point)
  const isDone = async () => (await yard.house.read(name)).status?.state === 'SUCCESS'
  if (!(await isDone())) await work(undefined)
  await until('the end', isDone)
  return faultsOf(journal, await yard.house.read(name))
}
