import { readFileSync } from 'node:fs'

/** Numbers of a list as Linux writes it: `0-2,5` is 0, 1, 2 and 5. */
export function coresOf(list: string): number[] {
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number)
    return Array.from({ length: last! - first! + 1 }, (_, at) => first! + at)
  })
}

/**
 * Cores that what is loaded and what loads it have to themselves, so that neither takes time from the other. The same one
 * twice where there is no second.
 */
export function twoCores(): { server: number; client: number } {
  const status = readFileSync('/proc/self/status', 'utf8')
  const cores = coresOf(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)![1]!)
  return { server: cores[0]!, client: cores[1] ?? cores[0]! }
}

/** What a bench and all that it starts get before other work: as nice(1) counts. */
export const niceness = -10

/** Program and arguments that run `command` on one core, before what else wants that, and end it with who started it. */
export const onCore = (core: number, command: readonly string[]): [string, string[]] => [
  'taskset',
  [
    '--cpu-list',
    String(core),
    'nice',
    `--adjustment=${niceness}`,
    'setpriv',
    '--pdeathsig',
    'KILL',
    ...command,
  ],
]

/** The same on any core. */
export const anywhere = (command: readonly string[]): [string, string[]] => [
  'setpriv',
  ['--pdeathsig', 'KILL', ...command],
]
