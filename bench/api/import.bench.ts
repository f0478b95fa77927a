import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { openConnection } from '../lib/api.ts'
import { runBench } from '../lib/bench.ts'
import type { Figure, Site } from '../lib/bench.ts'
import { compiled } from '../lib/compiled.ts'
import { loadInventory, macOf, uploadCsv, writeCsv } from '../lib/csv.ts'
import { startDhcp } from '../lib/dhcp.ts'
import type { DhcpReading } from '../lib/dhcp-client.ts'
import type { Gate, Sample } from '../lib/report.ts'
import { startServer } from '../lib/server.ts'
import type { RivalReading } from './import-rival.ts'

/** How fast does hardware.csv with 100,000 rows become inventory, and what does that hold up? */

const count = 100_000
/** machines that ask for addresses meanwhile */
const known = { first: count + 1, count: 100, withBmc: false }
const perSecond = 100
const idleMs = 2000
/** gates, docs/performance.md */
const leastRatio = 0.49
const mostMiB = 150
const mostMs = 20

async function importOnce(site: Site, csv: string) {
  await using server = await startServer(site)
  await loadInventory(server.api, join(server.folder, 'known.csv'), known)
  const macs = Array.from({ length: known.count }, (_, at) => macOf(known.first + at))
  await using clients = startDhcp(site, { macs, perSecond })
  await clients.reading()
  await sleep(idleMs)
  const idle = { dhcp: await clients.reading(), loop: await server.loop() }
  using connection = await openConnection(server.api)
  server.forgetPeak()
  const began = performance.now()
  const cpu = server.cpuSeconds()
  await uploadCsv(connection, csv)
  const seconds = (performance.now() - began) / 1000
  const cpuSeconds = server.cpuSeconds() - cpu
  const dhcp = await clients.reading()
  const loop = await server.loop()
  const { peakMiB } = server.memory()
  return { perSecond: count / seconds, perCpuSecond: count / cpuSeconds, peakMiB, dhcp, loop, idle }
}

async function rivalOnce(site: Site, csv: string) {
  const program = compiled(new URL('import-rival.ts', import.meta.url))
  const folder = await mkdtemp(join(site.folder, 'rival-'))
  const { stdout } = await promisify(execFile)(process.execPath, [program, csv, join(folder, 'rival.db')])
  await rm(folder, { recursive: true, force: true })
  const { rows, seconds, cpuSeconds, peakMiB } = JSON.parse(stdout) as RivalReading
  return { perSecond: rows / seconds, perCpuSecond: rows / cpuSeconds, peakMiB }
}

async function round(site: Site): Promise<Figure[]> {
  const [plainCsv, bmcCsv] = [join(site.folder, 'plain.csv'), join(site.folder, 'bmc.csv')]
  await writeCsv(plainCsv, { first: 1, count, withBmc: false })
  await writeCsv(bmcCsv, { first: 1, count, withBmc: true })
  const plain = await importOnce(site, plainCsv)
  const rival = await rivalOnce(site, plainCsv)
  const bmc = await importOnce(site, bmcCsv)
  const bmcRival = await rivalOnce(site, bmcCsv)
  return [...figuresOf('', 45_000, plain, rival), ...figuresOf('BMC: ', 20_000, bmc, bmcRival)]
}

type Imported = Awaited<ReturnType<typeof importOnce>>
type Rival = Awaited<ReturnType<typeof rivalOnce>>

const p99Of = ({ n, p50, p99 }: DhcpReading): Sample => ({ value: p99, n, p50, p99 })

/** @param kind what the figures are of, at the beginning of their names */
function figuresOf(kind: string, leastRows: number, ours: Imported, rival: Rival): Figure[] {
  const { dhcp, loop, idle } = ours
  const ratio = ours.perCpuSecond / rival.perCpuSecond
  const figure = (name: string, unit: string, sample: Sample, gate?: Gate): Figure => ({
    name: kind + name,
    unit,
    sample,
    ...(gate ? { gate } : {}),
  })
  return [
    figure('rows per CPU-second', 'rows/s', ours.perCpuSecond, { atLeast: leastRows }),
    figure('rows per second', 'rows/s', ours.perSecond),
    figure('bare pipeline, rows per CPU-second', 'rows/s', rival.perCpuSecond),
    figure('bare pipeline, rows per second', 'rows/s', rival.perSecond),
    figure(
      'ratio to the bare pipeline, per CPU-second',
      '',
      ratio,
      kind === '' ? { atLeast: leastRatio } : undefined,
    ),
    figure('peak memory', 'MiB', ours.peakMiB, { atMost: mostMiB }),
    figure('bare pipeline, peak memory', 'MiB', rival.peakMiB),
    figure('longest hold of the event loop', 'ms', loop.maxMs, { atMost: mostMs }),
    figure('longest hold, waits for a core included', 'ms', loop.wallMaxMs),
    figure('longest hold before the import', 'ms', idle.loop.maxMs),
    figure('longest garbage collection', 'ms', loop.gcMaxMs),
    figure('DISCOVER to OFFER, p99', 'ms', p99Of(dhcp), { atMost: mostMs }),
    figure('DISCOVER to OFFER, longest', 'ms', dhcp.max),
    figure('DISCOVER to OFFER, p99 before the import', 'ms', p99Of(idle.dhcp)),
    figure('DISCOVERs without OFFER', '', dhcp.lost),
  ]
}

await runBench('api/import', round)
