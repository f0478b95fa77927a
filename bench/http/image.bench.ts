import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { runBench } from '../lib/bench.ts'
import type { Figure, Site } from '../lib/bench.ts'
import { twoCores } from '../lib/cores.ts'
import { makeFile } from '../lib/files.ts'
import { runLoad } from '../lib/load.ts'
import { startPeer } from '../lib/peer.ts'
import type { Gate } from '../lib/report.ts'
import { startServer } from '../lib/server.ts'
import { median } from '../lib/stats.ts'
import type { Place } from '../lib/system.ts'
import type { ImageLoad, ImageReading } from './image-client.ts'
import { nginx } from './nginx.ts'

/** How fast does an image leave, and what does it cost? */

const gibibyte = 2 ** 30
const size = gibibyte / 2
const seconds = 2
/** our port for images, and any other for the peer */
const ports = { own: 7171, peer: 80 }
/** gates with eight clients, docs/performance.md */
const least = { wall: 0.95 }
const most = { cpu: 2 }

type Server = { place: Place; path: string; pids: readonly number[] }

async function measure({ place, path, pids }: Server, clients: number) {
  const warm = { seconds: 0.5, work: size }
  const told: ImageLoad = { warm, seconds, pids, server: place, path, size, clients }
  const reading = await runLoad<ImageReading>(new URL('image-client.ts', import.meta.url), told)
  const gibibytes = reading.work / gibibyte
  return {
    perSecond: gibibytes / reading.seconds,
    cpuSeconds: reading.cpuSeconds / gibibytes,
    clientShare: (reading.clientCpuSeconds / reading.seconds) * 100,
  }
}

type Measured = Awaited<ReturnType<typeof measure>>

/** times that each is measured in a round where there is a gate: what a host does within two seconds says little */
const turns = 5

/** The medians of several measurements, one of each by turns. */
async function byTurns(
  own: Server,
  peer: Server,
  clients: number,
): Promise<{ own: Measured; peer: Measured }> {
  const all: { own: Measured; peer: Measured }[] = []
  for (let turn = 0; turn < turns; turn++)
    all.push({ own: await measure(own, clients), peer: await measure(peer, clients) })
  const medians = (whose: 'own' | 'peer'): Measured => ({
    perSecond: median(all.map((both) => both[whose].perSecond)),
    cpuSeconds: median(all.map((both) => both[whose].cpuSeconds)),
    clientShare: median(all.map((both) => both[whose].clientShare)),
  })
  return { own: medians('own'), peer: medians('peer') }
}

/** @param gates of the two ratios */
function figuresOf(
  clients: number,
  { own, peer }: { own: Measured; peer: Measured },
  gates?: { wall: Gate; cpu: Gate },
): Figure[] {
  const named = (name: string) => `${clients} ${clients === 1 ? 'client' : 'clients'}: ${name}`
  const ratio = (name: string, sample: number, gate: Gate | undefined): Figure => ({
    name: named(name),
    unit: '',
    sample,
    ...(gate ? { gate } : {}),
  })
  const each = (name: string, { perSecond, cpuSeconds, clientShare }: Measured): Figure[] => [
    { name: named(name), unit: 'GiB/s', sample: perSecond },
    { name: named(`${name}, CPU time`), unit: 's/GiB', sample: cpuSeconds },
    { name: named(`${name}, core of the clients in use`), unit: '%', sample: clientShare },
  ]
  return [
    ratio('ratio to nginx by the clock', own.perSecond / peer.perSecond, gates?.wall),
    ratio('CPU time, ratio to nginx', own.cpuSeconds / peer.cpuSeconds, gates?.cpu),
    ...each('ironwake', own),
    ...each('nginx', peer),
  ]
}

async function round(site: Site): Promise<Figure[]> {
  const folder = join(site.folder, 'images')
  await mkdir(folder, { recursive: true })
  await makeFile(join(folder, 'disk.img'), size)
  const address = site.address.replace(/\d+$/, '2')
  await promisify(execFile)('ip', ['addr', 'replace', `${address}/24`, 'dev', site.device])
  const options = { flags: ['--image-dir', folder], core: twoCores().server, isProbed: false }
  await using server = await startServer(site, options)
  const place = { ip: address, port: ports.peer }
  await using peer = await startPeer(site, nginx(folder, place))
  const own: Server = {
    place: { ip: site.address, port: ports.own },
    path: '/images/disk.img',
    pids: [server.pid],
  }
  const other: Server = { place, path: '/disk.img', pids: peer.pids() }
  const one = { own: await measure(own, 1), peer: await measure(other, 1) }
  const eight = await byTurns(own, other, 8)
  const gates = { wall: { atLeast: least.wall }, cpu: { atMost: most.cpu } }
  return [...figuresOf(8, eight, gates), ...figuresOf(1, one)]
}

await runBench('http/image', round)
