import { join } from 'node:path'
import type { Mac } from '../../src/model/mac.ts'
import { openConnection } from '../lib/api.ts'
import { runBench } from '../lib/bench.ts'
import type { Figure, Site } from '../lib/bench.ts'
import { compiled } from '../lib/compiled.ts'
import { loadInventory, macOf } from '../lib/csv.ts'
import { startPeer } from '../lib/peer.ts'
import type { Gate } from '../lib/report.ts'
import { startAgentServer, startPlayers } from './fleet.ts'
import type { AgentServer, Players } from './fleet.ts'
import type { Answer, Fleet, Kind } from './orders.ts'
import { actions, createTemplate, createWorkflows } from './workflows.ts'

/** How many agents can be connected, what do they cost, and how many reports a second are saved? */

/** agents of each kind; fewer of them get a Workflow where 10,000 would only take longer */
const agentCount = 10_000
const workflowCounts: Record<Kind, number> = { own: 10_000, current: 1000, legacy: 1000 }
/** agents with a connection each, from which follows what 10,000 would need */
const aloneCount = 2000
/** as many calls as one connection may have */
const perConnection = 16
const seconds = 4
const atOnce = 512
/** gates, docs/performance.md */
const gates = {
  saved: { atLeast: 6000 },
  stream: { atMost: 20 },
  connection: { atMost: 40 },
  connect: { atMost: 3 },
  drain: { atMost: 300 },
} satisfies Record<string, Gate>

type Running = { server: AgentServer; players: Players }

/** epoch ms, with parts */
const now = () => performance.timeOrigin + performance.now()

const placeOf = (site: Site) => `${site.address}:42113`

function fleetOf(site: Site, server: AgentServer, kind: Kind, count: number, each: number): Fleet {
  const agents = Array.from({ length: count }, (_, at) => {
    const agentId = macOf(at)
    return kind === 'own' ? { agentId, token: server.token(agentId as Mac) } : { agentId }
  })
  const tls = kind === 'own' ? { ca: server.api.ca } : {}
  return { kind, place: placeOf(site), perConnection: each, actions, agents, ...tls }
}

async function prepare(site: Site, count: number): Promise<Running & AsyncDisposable> {
  const server = await startAgentServer(site)
  await loadInventory(server.api, join(server.folder, 'inventory.csv'), { first: 0, count, withBmc: false })
  const players = startPlayers()
  const dispose = async () => {
    await players[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  }
  return { server, players, [Symbol.asyncDispose]: dispose }
}

/** Connects a fleet. `kibibytes`: of memory of the server, for each agent. */
async function connect({ server, players }: Running, fleet: Fleet) {
  const before = await server.left()
  const cpu = server.cpuSeconds()
  const { seconds: took } = await players.obey({ do: 'connect', fleet })
  const cpuSeconds = server.cpuSeconds() - cpu
  const after = await server.left()
  const kibibytes = ((after.residentMiB - before.residentMiB) * 1024) / fleet.agents.length
  return { seconds: took, cpuSeconds, kibibytes, residentMiB: after.residentMiB }
}

async function handOut({ server, players }: Running, count: number) {
  using client = await openConnection(server.api)
  await createTemplate(client)
  const cpu = server.cpuSeconds()
  const given = players.obey({ do: 'await-actions', count })
  const creating = createWorkflows(server, count, agentCount).then((began) => ({ began, created: now() }))
  const [{ at }, { began, created }] = await Promise.all([given, creating])
  return {
    seconds: (at - began) / 1000,
    behindMs: Math.max(0, at - created),
    cpuSeconds: server.cpuSeconds() - cpu,
  }
}

const report = ({ server, players }: Running, state: 'RUNNING' | 'SUCCESS') =>
  players.obey({ do: 'report', state, seconds, atOnce, pids: [server.pid] })

/** The server is told to end, and tells its agents. @returns ms */
async function drain({ server, players }: Running): Promise<number> {
  const told = players.obey({ do: 'await-drain' })
  const began = now()
  process.kill(server.pid, 'SIGTERM')
  return (await told).at - began
}

function reportFigures(name: string, answer: Answer, gate?: Gate): Figure[] {
  const { work = 0, seconds: took, clientCpuSeconds = 0, latency } = answer
  const limit = gate ? { gate } : {}
  return [
    { name: `${name} per second`, unit: '/s', sample: work / took, ...limit },
    { name: `${name} per CPU-second`, unit: '/s', sample: perCpuSecond(answer) },
    { name: `${name}, answer after, p99`, unit: 'ms', sample: { value: latency!.p99, ...latency! } },
    { name: `${name}, core of the agents in use`, unit: '%', sample: (clientCpuSeconds / took) * 100 },
  ]
}

const titles: Record<Kind, string> = { own: 'own', current: 'tink-agent', legacy: 'tink-worker' }

const perCpuSecond = ({ work = 0, cpuSeconds = 0 }: Answer) => work / cpuSeconds

type OfKind = { figures: Figure[]; idle: Answer | undefined; saved: Answer }

async function measureKind(site: Site, kind: Kind): Promise<OfKind> {
  await using running = await prepare(site, agentCount)
  const count = workflowCounts[kind]
  const connected = await connect(running, fleetOf(site, running.server, kind, agentCount, perConnection))
  const given = await handOut(running, count)
  const idle = kind === 'legacy' ? undefined : await report(running, 'RUNNING')
  const saved = await report(running, 'SUCCESS')
  const peakMiB = running.server.memory().peakMiB
  const drainMs = kind === 'legacy' ? undefined : await drain(running)
  const named = (name: string) => `${titles[kind]}: ${name}`
  const figures: Figure[] = [
    { name: named('10,000 agents connect'), unit: 's', sample: connected.seconds, gate: gates.connect },
    { name: named('10,000 agents connect, CPU time'), unit: 's', sample: connected.cpuSeconds },
    {
      name: named('memory of an agent, 16 on a connection'),
      unit: 'KiB',
      sample: connected.kibibytes,
      gate: gates.stream,
    },
    { name: named(`${count} Workflows: first POST to last action`), unit: 's', sample: given.seconds },
    { name: named(`${count} Workflows: last answer to last action`), unit: 'ms', sample: given.behindMs },
    { name: named(`${count} Workflows, CPU time`), unit: 's', sample: given.cpuSeconds },
    ...(idle ? reportFigures(named('reports with nothing saved'), idle) : []),
    ...reportFigures(named('reports with the status saved'), saved, gates.saved),
    { name: named('peak memory of the server'), unit: 'MiB', sample: peakMiB },
    ...(drainMs === undefined
      ? []
      : [
          {
            name: named('all 10,000 told that the server goes'),
            unit: 'ms',
            sample: drainMs,
            gate: gates.drain,
          },
        ]),
  ]
  return { figures, idle, saved }
}

/** Reports with nothing saved, beside grpc-js that does nothing else, of as many agents as have an action above. */
async function measureBare(site: Site): Promise<Answer> {
  const place = { ip: site.address, port: 42114 }
  const at = `${place.ip}:${place.port}`
  const command = async () => [process.execPath, compiled(new URL('bare.ts', import.meta.url)), at]
  await using peer = await startPeer(site, { name: 'bare', command, listens: { protocol: 'tcp', place } })
  await using players = startPlayers()
  const agents = Array.from({ length: workflowCounts.current }, (_, number) => ({ agentId: macOf(number) }))
  await players.obey({ do: 'connect', fleet: { kind: 'current', place: at, perConnection, actions, agents } })
  await players.obey({ do: 'await-actions', count: agents.length })
  return await players.obey({ do: 'report', state: 'RUNNING', seconds, atOnce, pids: peer.pids() })
}

async function measureAlone(site: Site, kind: Kind): Promise<Figure[]> {
  await using running = await prepare(site, aloneCount)
  const { kibibytes, seconds: took } = await connect(
    running,
    fleetOf(site, running.server, kind, aloneCount, 1),
  )
  const named = (name: string) => `${titles[kind]}, own connection${kind === 'own' ? ' (TLS)' : ''}: ${name}`
  const thousands = aloneCount.toLocaleString('en-US')
  return [
    {
      name: named(`memory of an agent, ${thousands} of them`),
      unit: 'KiB',
      sample: kibibytes,
      gate: gates.connection,
    },
    { name: named('10,000 of them, extrapolated'), unit: 'MiB', sample: (kibibytes * agentCount) / 1024 },
    { name: named(`${thousands} agents connect`), unit: 's', sample: took },
  ]
}

/** Of tink-agent's reports, one call each, to calls of the bare server. */
function ratios({ idle, saved }: OfKind, bare: Answer): Figure[] {
  const ratio = (answer: Answer) => perCpuSecond(answer) / perCpuSecond(bare)
  const name = 'tink-agent: ratio to bare grpc-js per CPU-second'
  return [
    { name: `${name}, nothing saved`, unit: '', sample: idle ? ratio(idle) : 0 },
    { name: `${name}, status saved, two calls`, unit: '', sample: ratio(saved) },
  ]
}

async function round(site: Site): Promise<Figure[]> {
  const figures: Figure[] = []
  const kinds: OfKind[] = []
  for (const kind of ['own', 'current', 'legacy'] as const) kinds.push(await measureKind(site, kind))
  const bare = await measureBare(site)
  figures.push(...kinds.flatMap((measured) => measured.figures))
  figures.push(...reportFigures('bare grpc-js: reports with nothing saved', bare), ...ratios(kinds[1]!, bare))
  for (const kind of ['own', 'current'] as const) figures.push(...(await measureAlone(site, kind)))
  return figures
}

await runBench('grpc/agents', round)
