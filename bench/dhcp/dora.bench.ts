import { join } from 'node:path'
import { runBench } from '../lib/bench.ts'
import type { Figure, Site } from '../lib/bench.ts'
import { twoCores } from '../lib/cores.ts'
import { loadInventory } from '../lib/csv.ts'
import { runLoad } from '../lib/load.ts'
import { startPeer } from '../lib/peer.ts'
import type { PeerPlan } from '../lib/peer.ts'
import { startServer } from '../lib/server.ts'
import type { DoraLoad, DoraReading } from './dora-client.ts'
import { dhcpd, dnsmasq, kea } from './peers.ts'

/** How many machines get their address from a server with 10,000 reservations, through a relay? */

const machines = { first: 2, count: 10_000 }
const outstanding = 64
const seconds = 2.5
/** each machine has had its address before, twice: a server does not write its first lease, and its code is warm */
const warm = { seconds: 1, work: 2 * machines.count }
/** gate, docs/performance.md */
const leastRatio = 2

async function load(site: Site, pids: readonly number[], before = warm) {
  const { relay, address: server } = site
  const places = { server, relay: relay.gateway }
  const told: DoraLoad = { ...machines, ...places, outstanding, warm: before, seconds, pids }
  const client = new URL('dora-client.ts', import.meta.url)
  const { work, lost, ...cpu } = await runLoad<DoraReading>(client, told, relay.namespace)
  return {
    perSecond: work / cpu.seconds,
    perCpuSecond: work / cpu.cpuSeconds,
    clientShare: (cpu.clientCpuSeconds / cpu.seconds) * 100,
    lost,
  }
}

async function ours(site: Site) {
  await using server = await startServer(site, { core: twoCores().server, isProbed: false })
  const csv = join(server.folder, 'inventory.csv')
  await loadInventory(server.api, csv, { ...machines, withBmc: false })
  return await load(site, [server.pid])
}

async function theirs(site: Site, plan: PeerPlan, before = warm) {
  await using peer = await startPeer(site, plan)
  return await load(site, peer.pids(), before)
}

type Measured = Awaited<ReturnType<typeof load>>

function figuresOf(name: string, { perSecond, perCpuSecond, clientShare, lost }: Measured): Figure[] {
  return [
    { name: `${name}: DORA per CPU-second`, unit: '/s', sample: perCpuSecond },
    { name: `${name}: DORA per second`, unit: '/s', sample: perSecond },
    { name: `${name}: begun anew for want of an answer`, unit: '', sample: lost },
    { name: `${name}: core of the clients in use`, unit: '%', sample: clientShare },
  ]
}

async function round(site: Site): Promise<Figure[]> {
  const own = await ours(site)
  const ofKea = await theirs(site, kea(site, machines))
  const ofDhcpd = await theirs(site, dhcpd(site, machines))
  // it would take half a minute for as many, and becomes slower with each lease
  const ofDnsmasq = await theirs(site, dnsmasq(site, machines), { ...warm, work: 0 })
  const ratio = (peer: string, { perCpuSecond }: Measured) => ({
    name: `ratio to ${peer}, per CPU-second`,
    unit: '',
    sample: own.perCpuSecond / perCpuSecond,
  })
  return [
    { ...ratio('Kea', ofKea), gate: { atLeast: leastRatio } },
    { ...ratio('dhcpd', ofDhcpd), gate: { atLeast: leastRatio } },
    ratio('dnsmasq', ofDnsmasq),
    ...figuresOf('ironwake', own),
    ...figuresOf('Kea', ofKea),
    ...figuresOf('dhcpd', ofDhcpd),
    ...figuresOf('dnsmasq', ofDnsmasq),
  ]
}

await runBench('dhcp/dora', round)
