import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../src/model/error.ts'
import type { Site } from './lib/bench.ts'
import { allBenches, pathOf, readOptions } from './lib/catalogue.ts'
import type { BenchOptions } from './lib/catalogue.ts'
import { createBenchNetwork } from './lib/network.ts'
import { unpackAtftpd } from './tftp/atftpd.ts'

/** `npm run bench`: runs benches one after the other, each as a program in a network of its own. */

async function runOne(bench: string, { rounds, gates }: BenchOptions): Promise<boolean> {
  await using network = await createBenchNetwork()
  const folder = await mkdtemp(join(tmpdir(), 'ironwake-bench-'))
  const site: Site = { ...network.site, folder, rounds, gates }
  const program = [process.execPath, '--import=tsx', pathOf(bench), JSON.stringify(site)]
  const [command, args] = network.inside(program)
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], detached: true })
  const end = () => void child.kill()
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const name of signals) process.on(name, end)
  try {
    const [code] = (await once(child, 'exit')) as [number | null]
    return code === 0
  } finally {
    for (const name of signals) process.off(name, end)
    await rm(folder, { recursive: true, force: true })
  }
}

async function runAll(options: BenchOptions): Promise<void> {
  if (options.benches.some((bench) => bench.startsWith('tftp/'))) await unpackAtftpd()
  const failed: string[] = []
  for (const bench of options.benches) if (!(await runOne(bench, options))) failed.push(bench)
  if (failed.length === 0) return
  console.error(`failed, or a gate was not met: ${failed.join(', ')}`)
  process.exitCode = 1
}

try {
  const options = readOptions(process.argv.slice(2), allBenches())
  if (typeof options === 'string') console.log(options)
  else await runAll(options)
} catch (error) {
  console.error(messageOf(error))
  process.exitCode = 2
}
