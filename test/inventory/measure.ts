/**
 * Rows per second, event loop delay and memory of an import; run by hand:
 * `node --expose-gc --import=tsx test/inventory/measure.ts [rows] [bmc]`. One JSON line per step.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { importCsv } from '../../src/inventory/import.ts'
import { openInventory } from './inventory.ts'

const rows = Number(process.argv[2] ?? 100_000)
const withBmc = process.argv.includes('bmc')

const octets = (at: number) => [(at >> 16) & 255, (at >> 8) & 255, at & 255]
const hex = (at: number) => octets(at).map((octet) => octet.toString(16).padStart(2, '0'))

/** One row, about 145 bytes. */
function line(at: number): string {
  const ip = `10.${octets(at).join('.')}`
  const bmc = withBmc ? `172.${16 + (at >> 16)}.${octets(at).slice(1).join('.')},root,pass-${at}` : ',,'
  const mac = `52:54:00:${hex(at).join(':')}`
  return `node-${at},${bmc},${mac},${ip},255.0.0.0,10.0.0.1,8.8.8.8|1.1.1.1,"type=worker|rack=r${at % 500}|zone=europe-west-${at % 7}",/dev/nvme0n1,${(at % 4000) + 1}\n`
}

async function* body(): AsyncGenerator<Uint8Array> {
  yield Buffer.from(
    'hostname,bmc_ip,bmc_username,bmc_password,mac,ip_address,netmask,gateway,nameservers,labels,disk,vlan_id\n',
  )
  let text = ''
  for (let at = 1; at <= rows; at++) {
    text += line(at)
    if (text.length < 65_536 && at < rows) continue
    yield Buffer.from(text)
    text = ''
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const folder = await mkdtemp(join(tmpdir(), 'ironwake-measure-'))
const house = await openInventory(join(folder, 'ironwake.db'))

/** What the event loop looks like with nothing to do: the part of the delay that is the machine's. */
async function idle(): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await new Promise((resolve) => setTimeout(resolve, 2000))
  delay.disable()
  const figures = { delayMaxMs: delay.max / 1e6, delayP99Ms: delay.percentile(99) / 1e6 }
  console.log(JSON.stringify({ name: 'nothing', ...figures }))
}

async function step(name: string, dryRun: boolean): Promise<void> {
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  const heapBefore = process.memoryUsage().heapUsed
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  let peak = before
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20)
  const cpu = process.cpuUsage()
  const began = performance.now()
  let readMs = 0
  const onProgress = ({ phase }: { phase: string }) => {
    if (phase === 'reading') readMs = performance.now() - began
  }
  const report = await importCsv(house.deps, body(), { namespace: 'eksa-system', dryRun, onProgress })
  const ms = performance.now() - began
  const used = process.cpuUsage(cpu)
  clearInterval(watch)
  delay.disable()
  globalThis.gc?.()
  // The objects that the lookup keeps; told apart from what the import took only with --expose-gc.
  const keptMiB = Math.round((process.memoryUsage().heapUsed - heapBefore) / 1_048_576)
  if ('faults' in report) throw new Error(JSON.stringify(report.faults[0]))
  const { created, updated, unchanged } = report
  const figures = {
    name,
    rows,
    created,
    updated,
    unchanged,
    rowsPerSecond: Math.round((rows / ms) * 1000),
    rowsPerCpuSecond: Math.round(rows / ((used.user + used.system) / 1e6)),
    readMs: Math.round(readMs),
    totalMs: Math.round(ms),
    delayMaxMs: delay.max / 1e6,
    delayP99Ms: delay.percentile(99) / 1e6,
    delayP999Ms: delay.percentile(99.9) / 1e6,
    keptMiB,
    rssGrowthMiB: Math.round((peak - before) / 1_048_576),
    node: process.version,
  }
  console.log(JSON.stringify(figures))
}

await idle()
await step('dry run', true)
await step('import', false)
await step('import of the same', false)
await step('dry run of the same', true)
await house.close()
await rm(folder, { recursive: true, force: true })
