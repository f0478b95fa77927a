import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { AppError, messageOf } from '../../src/model/error.ts'

const folder = fileURLToPath(new URL('..', import.meta.url))
const ending = '.bench.ts'

/** Names of all benches, `topic/question`, sorted. */
export function allBenches(): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return files
    .filter((path) => path.endsWith(ending))
    .map((path) => path.slice(0, -ending.length))
    .toSorted()
}

export const pathOf = (bench: string): string => join(folder, bench + ending)

export const usage = `npm run bench -- [topic | topic/question]... [--rounds N] [--no-gates] [--list]
  --rounds N   measure everything this many times, by turns (3); a gate has to be met each time
  --no-gates   only measure: a gate that is not met is no failure
  --list       say what there is

  npm run bench                       all of them
  npm run bench api                   those of one topic
  npm run bench api/import            one
  npm run bench -- api --rounds 5     more rounds

Standard output has one JSON line for each figure, standard error a table. It needs root, for network namespaces.`

export type BenchOptions = { benches: string[]; rounds: number; gates: boolean }

/**
 * @returns what to run, or a text to show instead
 * @throws AppError BadRequest for an option or a name that there is not
 */
export function readOptions(argv: readonly string[], known: readonly string[]): BenchOptions | string {
  const { values, positionals } = parsed(argv)
  if (values.help) return usage
  if (values.list) return known.join('\n')
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
    throw new AppError('BadRequest', `--rounds is "${values.rounds}": expected 1 to 100\n${usage}`)
  for (const word of positionals) {
    if (!known.some(isMeant(word)))
      throw new AppError('BadRequest', `there is no bench "${word}"; there are ${known.join(', ')}`)
  }
  const isWanted = (bench: string) =>
    positionals.length === 0 || positionals.some((word) => isMeant(word)(bench))
  return { benches: known.filter(isWanted), rounds, gates: !values['no-gates'] }
}

const isMeant = (word: string) => (bench: string) => bench === word || bench.startsWith(`${word}/`)

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '3' },
        'no-gates': { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new AppError('BadRequest', `${messageOf(error)}\n${usage}`)
  }
}
