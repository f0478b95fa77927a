import { openSync, readSync, renameSync, writeFileSync } from 'node:fs'
import { createHistogram, PerformanceObserver } from 'node:perf_hooks'

/**
 * Loaded into the server before its own code. Notes how long its event loop comes to no timer, and writes that to
 * $BENCH_PROBE at each SIGUSR2, where it begins anew.
 *
 * What the thread waited for a core is left out, since that is the machine's doing: the second figure of schedstat
 * (Linux, Documentation/scheduler/sched-stats.rst).
 */
export type LoopReading = {
  /** longest hold of the loop, ms; of all turns the 99th percentile */
  maxMs: number
  p99Ms: number
  /** the same with the time for which the machine gave it no core */
  wallMaxMs: number
  /** longest pause for garbage, which is part of a hold */
  gcMaxMs: number
}

/** Between two looks, ms: a hold shorter than this is not seen. */
const everyMs = 1

const path = process.env['BENCH_PROBE']!
const schedstat = openSync('/proc/thread-self/schedstat', 'r')
const text = Buffer.alloc(64)
const held = createHistogram()
const wall = createHistogram()
let gcMaxMs = 0

function waitedNs(): number {
  const length = readSync(schedstat, text, 0, text.length, 0)
  return Number(text.toString('latin1', 0, length).split(' ')[1])
}

let seenAt = process.hrtime.bigint()
let seenWaited = waitedNs()
function look(): void {
  const now = process.hrtime.bigint()
  const waited = waitedNs()
  const gap = Number(now - seenAt)
  wall.record(Math.max(1, gap))
  held.record(Math.max(1, Math.round(gap - (waited - seenWaited))))
  seenAt = now
  seenWaited = waited
}

new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) gcMaxMs = Math.max(gcMaxMs, duration)
}).observe({ entryTypes: ['gc'] })

function tell(): void {
  const reading: LoopReading = {
    maxMs: held.max / 1e6,
    p99Ms: held.percentile(99) / 1e6,
    wallMaxMs: wall.max / 1e6,
    gcMaxMs,
  }
  writeFileSync(`${path}.new`, JSON.stringify(reading))
  renameSync(`${path}.new`, path)
  held.reset()
  wall.reset()
  gcMaxMs = 0
}

setInterval(look, everyMs).unref()
process.on('SIGUSR2', tell)
