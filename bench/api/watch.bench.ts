import { once } from 'node:events'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { accepted, hardwarePath, mergePatch, openConnection } from '../lib/api.ts'
import type { Api, Connection } from '../lib/api.ts'
import { runBench } from '../lib/bench.ts'
import type { Figure, Site } from '../lib/bench.ts'
import { loadInventory, nameOf } from '../lib/csv.ts'
import { startServer } from '../lib/server.ts'
import type { BenchServer } from '../lib/server.ts'
import { spreadOf } from '../lib/stats.ts'

/** How soon do 1,000 watchers see a change, and what does each of them cost? */

const watcherCount = 1000
/** of HTTP/2, as many watchers on each as it takes; with HTTP/1.1 each watcher has its own */
const connectionCount = 20
const hardwareCount = 100
const warmUp = 5
const changes = 30
/** after which what has been used once is not used any more, ms */
const settleMs = 2000

type Watchers = Disposable & { streams: Readable[] }

async function overHttp2(api: Api, path: string): Promise<Watchers> {
  const connections = await Promise.all(Array.from({ length: connectionCount }, () => openConnection(api)))
  const streams = Array.from({ length: watcherCount }, (_, at) =>
    connections[at % connectionCount]!.stream(path),
  )
  await Promise.all(streams.map((stream) => once(stream, 'response')))
  return { streams, [Symbol.dispose]: () => connections.forEach((one) => one[Symbol.dispose]()) }
}

/** Connections that are opened at a time. */
const batch = 50

async function overHttp1({ url, ca, token }: Api, path: string): Promise<Watchers> {
  const streams: Readable[] = []
  const headers = { authorization: `Bearer ${token}` }
  const open = async () => {
    const request = httpsRequest(new URL(path, url), { ca, agent: false, headers }).end()
    const [response] = (await once(request, 'response')) as [Readable]
    streams.push(response)
  }
  while (streams.length < watcherCount) await Promise.all(Array.from({ length: batch }, open))
  return { streams, [Symbol.dispose]: () => streams.forEach((stream) => stream.destroy()) }
}

/** Calls `onLine` at the end of each line of each stream. */
function listen(streams: readonly Readable[], onLine: () => void): void {
  for (const stream of streams) {
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) onLine()
    })
  }
}

async function measure(server: BenchServer, open: (api: Api, path: string) => Promise<Watchers>) {
  using writer = await openConnection(server.api)
  const list = accepted(await writer.request('GET', `${hardwarePath}?limit=1`))
  const { metadata } = JSON.parse(list.body.toString('utf8')) as { metadata: { resourceVersion: string } }
  const before = server.memory().rssMiB
  using watchers = await open(
    server.api,
    `${hardwarePath}?watch=1&resourceVersion=${metadata.resourceVersion}`,
  )
  await sleep(settleMs)
  const kibEach = ((server.memory().rssMiB - before) * 1024) / watcherCount
  let sentAt = 0
  let arrivals: number[] = []
  let all = () => {}
  listen(watchers.streams, () => {
    arrivals.push(performance.now() - sentAt)
    if (arrivals.length === watcherCount) all()
  })
  const change = async (number: number) => {
    arrivals = []
    const everywhere = new Promise<void>((resolve) => (all = resolve))
    sentAt = performance.now()
    await patch(writer, number)
    await everywhere
    return arrivals
  }
  for (let number = 0; number < warmUp; number++) await change(number)
  await server.loop()
  const cpu = server.cpuSeconds()
  const latencies: number[] = []
  for (let number = 0; number < changes; number++) latencies.push(...(await change(warmUp + number)))
  const perCpuSecond = latencies.length / (server.cpuSeconds() - cpu)
  return { latency: spreadOf(latencies), perCpuSecond, kibEach, loop: await server.loop() }
}

let patched = 0
async function patch(writer: Connection, number: number): Promise<void> {
  const body = JSON.stringify({ metadata: { labels: { bench: `change-${++patched}` } } })
  accepted(
    await writer.request('PATCH', `${hardwarePath}/${nameOf(number % hardwareCount)}`, body, mergePatch),
  )
}

function figuresOf(kind: string, measured: Awaited<ReturnType<typeof measure>>): Figure[] {
  const { latency, perCpuSecond, kibEach, loop } = measured
  const { n, p50, p99, max } = latency
  return [
    { name: `${kind}: PATCH to arrival, p99`, unit: 'ms', sample: { value: p99, n, p50, p99 } },
    { name: `${kind}: PATCH to arrival, p50`, unit: 'ms', sample: p50 },
    { name: `${kind}: PATCH to arrival, longest`, unit: 'ms', sample: max },
    { name: `${kind}: events per CPU-second`, unit: '/s', sample: perCpuSecond },
    { name: `${kind}: memory of a watcher`, unit: 'KiB', sample: kibEach },
    { name: `${kind}: longest hold of the event loop`, unit: 'ms', sample: loop.maxMs },
  ]
}

/** A server of its own for each: memory that one has used is there for the next. */
async function measureFresh(site: Site, open: (api: Api, path: string) => Promise<Watchers>) {
  await using server = await startServer(site)
  const rows = { first: 0, count: hardwareCount, withBmc: false }
  await loadInventory(server.api, join(server.folder, 'inventory.csv'), rows)
  return await measure(server, open)
}

async function round(site: Site): Promise<Figure[]> {
  const http2 = await measureFresh(site, overHttp2)
  const http1 = await measureFresh(site, overHttp1)
  return [...figuresOf('HTTP/2', http2), ...figuresOf('HTTP/1.1', http1)]
}

await runBench('api/watch', round)
