import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ImageLoad, ImageReading } from '../http/image-client.ts'
import { runBench } from '../lib/bench.ts'
import type { Figure, Site } from '../lib/bench.ts'
import { twoCores } from '../lib/cores.ts'
import { loadInventory, macOf } from '../lib/csv.ts'
import { startDhcp } from '../lib/dhcp.ts'
import type { DhcpReading } from '../lib/dhcp-client.ts'
import { makeFile } from '../lib/files.ts'
import { runLoad } from '../lib/load.ts'
import type { Sample } from '../lib/report.ts'
import { startServer } from '../lib/server.ts'

/** How long do machines wait for an address while eight others fetch an image as fast as they can? */

const gibibyte = 2 ** 30
const size = gibibyte / 2
const imageClients = 8
const machines = { first: 2, count: 100 }
const perSecond = 200
const idleMs = 3000
const loadedMs = 4000
/** the image's clients begin and end outside of what counts */
const marginMs = 1500
/** gate, docs/performance.md */
const mostMs = 20

async function measure(site: Site) {
  const folder = join(site.folder, 'images')
  await mkdir(folder, { recursive: true })
  await makeFile(join(folder, 'disk.img'), size)
  const cores = twoCores()
  await using server = await startServer(site, { flags: ['--image-dir', folder], core: cores.server })
  await loadInventory(server.api, join(server.folder, 'machines.csv'), { ...machines, withBmc: false })
  const macs = Array.from({ length: machines.count }, (_, at) => macOf(machines.first + at))
  await using clients = startDhcp(site, { macs, perSecond }, cores.client)
  await clients.reading()
  await sleep(marginMs)
  await clients.reading()
  await sleep(idleMs)
  const idle = await clients.reading()
  const told: ImageLoad = {
    warm: { seconds: 0.5, work: 0 },
    seconds: (loadedMs + 2 * marginMs) / 1000,
    pids: [server.pid],
    server: { ip: site.address, port: 7171 },
    path: '/images/disk.img',
    size,
    clients: imageClients,
  }
  const fetching = runLoad<ImageReading>(new URL('../http/image-client.ts', import.meta.url), told)
  const measuring = async () => {
    await sleep(marginMs)
    await clients.reading()
    await server.loop()
    await sleep(loadedMs)
    return { dhcp: await clients.reading(), loop: await server.loop() }
  }
  const [images, loaded] = await Promise.all([fetching, measuring()])
  return { ...loaded, idle, perSecond: images.work / gibibyte / images.seconds }
}

const p99Of = ({ n, p50, p99 }: DhcpReading): Sample => ({ value: p99, n, p50, p99 })

async function round(site: Site): Promise<Figure[]> {
  const { dhcp, idle, loop, perSecond: images } = await measure(site)
  return [
    { name: 'DISCOVER to OFFER, p99', unit: 'ms', sample: p99Of(dhcp), gate: { atMost: mostMs } },
    { name: 'DISCOVER to OFFER, p50', unit: 'ms', sample: dhcp.p50 },
    { name: 'DISCOVER to OFFER, longest', unit: 'ms', sample: dhcp.max },
    { name: 'DISCOVER to OFFER, p99 without images', unit: 'ms', sample: p99Of(idle) },
    { name: 'DISCOVERs without OFFER', unit: '', sample: dhcp.lost },
    { name: 'images', unit: 'GiB/s', sample: images },
    { name: 'longest hold of the event loop', unit: 'ms', sample: loop.maxMs },
    { name: 'longest hold, waits for a core included', unit: 'ms', sample: loop.wallMaxMs },
  ]
}

await runBench('dhcp/under-load', round)
