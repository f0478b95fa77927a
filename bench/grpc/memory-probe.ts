import { renameSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Loaded into the server before its own code. At each SIGUSR2 collects garbage and writes to $BENCH_PROBE what is left. */

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const path = process.env['BENCH_PROBE']!

export type MemoryReading = { residentMiB: number; heapMiB: number }

process.on('SIGUSR2', () => {
  for (let time = 0; time < 3; time++) collect()
  const { rss, heapUsed, external } = process.memoryUsage()
  const reading: MemoryReading = { residentMiB: rss / 2 ** 20, heapMiB: (heapUsed + external) / 2 ** 20 }
  writeFileSync(`${path}.new`, JSON.stringify(reading))
  renameSync(`${path}.new`, path)
})
