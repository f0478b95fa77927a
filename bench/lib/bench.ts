import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { niceness } from './cores.ts'
import { jsonLine, resultOf, table } from './report.ts'
import type { Measure, Origin, Sample } from './report.ts'

/** The network that the runner has made: the bench runs where the server does, relays are next door. */
export type Site = {
  /** the server's address, on `device` */
  address: string
  device: string
  /** a network of its own, from where DHCP is relayed; `gateway` is its address as the router of the machines in 10.0.0.0/8 */
  relay: { namespace: string; address: string; gateway: string }
  /** for files, on disk; gone after the run */
  folder: string
  rounds: number
  /** whether a gate that is not met is a failure */
  gates: boolean
}

/** What one round measured, in the order in which it is shown; the same in each round. */
export type Figure = Measure & { sample: Sample }

/**
 * Runs the rounds and says what they came to: JSON lines on standard output, a table on standard error. The exit code is 1
 * when a round misses a gate.
 * @param round measures everything once, so that what is compared is measured by turns
 */
export async function runBench(name: string, round: (site: Site) => Promise<Figure[]>): Promise<void> {
  const site = JSON.parse(process.argv[2] ?? 'null') as Site | null
  if (!site) throw new Error(`run it with: npm run bench ${name}`)
  goFirst()
  const rounds: Figure[][] = []
  for (let number = 1; number <= site.rounds; number++) {
    const began = performance.now()
    rounds.push(await round(site))
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    const load = loadavg()[0]!.toFixed(1)
    console.error(
      `${name}: round ${number} of ${site.rounds} took ${seconds} s; load ${load} on ${cpus().length} cores`,
    )
  }
  const results = rounds[0]!.map((measure, at) =>
    resultOf(
      measure,
      rounds.map((figures) => figures[at]!.sample),
    ),
  )
  const origin = originOf()
  for (const result of results) console.log(jsonLine(name, result, origin))
  console.error(`\n${table(name, results)}\n`)
  if (site.gates && results.some(({ met }) => met === false)) process.exitCode = 1
}

/** A session of its own (run.ts) counts as one beside others where Linux groups by session: this one gets more (sched(7)). */
function goFirst(): void {
  const path = '/proc/self/autogroup'
  if (existsSync(path)) writeFileSync(path, String(niceness))
}

function originOf(): Origin {
  const [cpu] = cpus()
  return {
    node: process.version,
    commit: commit(),
    load: Number(loadavg()[0]!.toFixed(2)),
    cpu: `${cpus().length} x ${cpu?.model.trim() ?? 'unknown'}`,
  }
}

/** `-dirty` when files differ from it. */
function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--exclude=*'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}
