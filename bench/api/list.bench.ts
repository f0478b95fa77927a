import { join } from 'node:path'
import { accepted, allHardware, openConnection } from '../lib/api.ts'
import type { Connection } from '../lib/api.ts'
import { runBench } from '../lib/bench.ts'
import type { Figure, Site } from '../lib/bench.ts'
import { loadInventory } from '../lib/csv.ts'
import { startServer } from '../lib/server.ts'
import type { BenchServer } from '../lib/server.ts'
import { spreadOf } from '../lib/stats.ts'

/** How long does a list of 10,000 Hardware take, whole and in parts, and what does it cost? */

const count = 10_000
const times = 10
const partSize = 500

type List = { metadata: { continue?: string }; items: unknown[] }
type Listed = { objects: number; bytes: number }

async function whole(connection: Connection): Promise<Listed> {
  const { bytes, body } = accepted(await connection.request('GET', allHardware))
  return { objects: body.toString('latin1').split('"resourceVersion"').length - 2, bytes }
}

async function inParts(connection: Connection): Promise<Listed> {
  const listed = { objects: 0, bytes: 0 }
  let next = ''
  do {
    const path = `${allHardware}?limit=${partSize}${next === '' ? '' : `&continue=${encodeURIComponent(next)}`}`
    const { bytes, body } = accepted(await connection.request('GET', path))
    const { metadata, items } = JSON.parse(body.toString('utf8')) as List
    listed.objects += items.length
    listed.bytes += bytes
    next = metadata.continue ?? ''
  } while (next !== '')
  return listed
}

async function measure(server: BenchServer, list: (connection: Connection) => Promise<Listed>) {
  using connection = await openConnection(server.api)
  await list(connection)
  await server.loop()
  server.forgetPeak()
  const latencies: number[] = []
  let bytes = 0
  const cpu = server.cpuSeconds()
  for (let time = 0; time < times; time++) {
    const began = performance.now()
    const listed = await list(connection)
    latencies.push(performance.now() - began)
    if (listed.objects !== count) throw new Error(`${listed.objects} of ${count} objects were listed`)
    bytes = listed.bytes
  }
  const cpuSeconds = server.cpuSeconds() - cpu
  const { peakMiB } = server.memory()
  return { latency: spreadOf(latencies), cpuSeconds, bytes, peakMiB, loop: await server.loop() }
}

function figuresOf(kind: string, measured: Awaited<ReturnType<typeof measure>>): Figure[] {
  const { latency, cpuSeconds, bytes, peakMiB, loop } = measured
  const { n, p50, p99 } = latency
  return [
    { name: `${kind}: time`, unit: 'ms', sample: { value: p50, n, p50, p99 } },
    { name: `${kind}: objects per second`, unit: '/s', sample: (count / p50) * 1000 },
    { name: `${kind}: objects per CPU-second`, unit: '/s', sample: (count * times) / cpuSeconds },
    { name: `${kind}: size`, unit: 'MiB', sample: bytes / 2 ** 20 },
    { name: `${kind}: peak memory of the server`, unit: 'MiB', sample: peakMiB },
    { name: `${kind}: longest hold of the event loop`, unit: 'ms', sample: loop.maxMs },
  ]
}

async function round(site: Site): Promise<Figure[]> {
  await using server = await startServer(site)
  await loadInventory(server.api, join(server.folder, 'inventory.csv'), { first: 1, count, withBmc: false })
  const parts = await measure(server, inParts)
  const atOnce = await measure(server, whole)
  return [...figuresOf('whole', atOnce), ...figuresOf(`in parts of ${partSize}`, parts)]
}

await runBench('api/list', round)
