import { once } from 'node:events'
import { connect } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSecondsOf } from '../lib/process.ts'
import { spreadOf } from '../lib/stats.ts'
import { createAgent } from './agents.ts'
import type { Agent } from './agents.ts'
import type { Answer, Fleet, Order } from './orders.ts'

/** Plays many agents. Reads orders, one a line, and answers each with a line. */

const agents: Agent[] = []
/** agents that have an action, and that were told to go, in the order of their coming */
const [given, told] = [createCount(), createCount()]
const now = () => performance.timeOrigin + performance.now()
/** connections that are made at once */
const atOnce = 64
/** for all to be told */
const longestMs = 10_000

function createCount() {
  let count = 0
  let waiting: { least: number; wake: () => void } | undefined
  return {
    add: () => {
      count++
      if (waiting && count >= waiting.least) waiting.wake()
    },
    reaches: (least: number) =>
      new Promise<void>((resolve) => {
        if (count >= least) return resolve()
        waiting = { least, wake: resolve }
      }),
  }
}

async function openConnection({ place, ca }: Fleet): Promise<ClientHttp2Session> {
  const session = ca ? connect(`https://${place}`, { ca }) : connect(`http://${place}`)
  await once(session, 'connect')
  session.on('error', () => {})
  session.setMaxListeners(0)
  return session
}

/** Connections are made while earlier ones are used already. */
async function connectFleet(fleet: Fleet): Promise<void> {
  let next = 0
  const some = async () => {
    for (let first = next; first < fleet.agents.length; first = next) {
      next += fleet.perConnection
      const connection = await openConnection(fleet)
      const bases = fleet.agents.slice(first, first + fleet.perConnection)
      const here = bases.map((base) =>
        createAgent(fleet, connection, base, { action: given.add, drained: told.add }),
      )
      agents.push(...here)
      await Promise.all(here.map((agent) => agent.connect()))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, some))
}

/** Each of so many takes the next agent with an action and reports until that has none left. */
async function report({ state, seconds, atOnce: most, pids }: Extract<Order, { do: 'report' }>) {
  const serverCpu = () => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
  const busy = agents.filter((agent) => agent.hasAction())
  const latencies: number[] = []
  const [began, cpu, ownCpu] = [performance.now(), serverCpu(), process.cpuUsage()]
  const until = began + seconds * 1000
  let next = 0
  let ended = 0
  const some = async () => {
    for (let agent = busy[next++]; agent; agent = busy[next++]) {
      while (agent.hasAction()) {
        const sentAt = performance.now()
        if (sentAt >= until) return
        await agent.report(state)
        latencies.push(performance.now() - sentAt)
      }
      ended++
    }
  }
  await Promise.all(Array.from({ length: most }, some))
  const { user, system } = process.cpuUsage(ownCpu)
  const { n, p50, p99 } = spreadOf(latencies)
  return {
    seconds: (performance.now() - began) / 1000,
    work: n,
    cpuSeconds: serverCpu() - cpu,
    clientCpuSeconds: (user + system) / 1e6,
    latency: { n, p50, p99 },
    ended,
  }
}

/** All heartbeats of 10 s, a hundredth of them at a time. */
let turn = 0
setInterval(() => {
  for (let at = turn; at < agents.length; at += 100) agents[at]!.beat?.()
  turn = (turn + 1) % 100
}, 100)

async function allTold(count: number): Promise<void> {
  const isDone = await Promise.race([told.reaches(count).then(() => true), sleep(longestMs, false)])
  if (!isDone) throw new Error(`not all of ${count} agents were told that the server goes`)
}

async function obey(order: Order): Promise<Partial<Answer>> {
  if (order.do === 'report') return report(order)
  if (order.do === 'connect') await connectFleet(order.fleet)
  if (order.do === 'await-actions') await given.reaches(order.count)
  if (order.do === 'await-drain') await allTold(agents.filter((agent) => agent.isListening()).length)
  return {}
}

for await (const line of createInterface(process.stdin)) {
  const began = performance.now()
  const answer = await obey(JSON.parse(line) as Order)
  const whole: Answer = { at: now(), seconds: (performance.now() - began) / 1000, ...answer }
  console.log(JSON.stringify(whole))
}
process.exit()
