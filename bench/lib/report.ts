import { median } from './stats.ts'

export type Gate = { atLeast: number } | { atMost: number }

/** What a bench measures in each round. */
export type Measure = { name: string; unit: string; gate?: Gate }

/**
 * What one round gave: one figure, or the one that counts of many single measurements with their n, p50 and p99 (all
 * in the unit of the measure).
 */
export type Sample = number | { value: number; n: number; p50: number; p99: number }

export type Result = {
  measure: Measure
  /** median of the rounds */
  value: number
  /** single measurements of all rounds */
  n: number
  p50: number
  p99: number
  /** the figure of each round */
  rounds: readonly number[]
  /** whether every round meets the gate; `undefined` without one */
  met: boolean | undefined
}

/** Where and on what the figures were measured. `load`: the machine's, in the last minute, the bench's own included. */
export type Origin = { node: string; commit: string; cpu: string; load: number }

const valueOf = (sample: Sample) => (typeof sample === 'number' ? sample : sample.value)

/**
 * Medians over the rounds. A measure with one figure a round has the median as its p50, and as its p99 the round that does
 * worst by its gate; without a gate the highest.
 * @param samples at least one
 */
export function resultOf(measure: Measure, samples: readonly Sample[]): Result {
  const rounds = samples.map(valueOf)
  const many = samples.filter((sample) => typeof sample !== 'number')
  const isMany = many.length > 0
  const { gate } = measure
  const isFloor = gate !== undefined && 'atLeast' in gate
  const { name, unit } = measure
  return {
    measure: { name, unit, ...(gate ? { gate } : {}) },
    value: median(rounds),
    n: isMany ? many.reduce((sum, { n }) => sum + n, 0) : rounds.length,
    p50: isMany ? median(many.map(({ p50 }) => p50)) : median(rounds),
    p99: isMany ? median(many.map(({ p99 }) => p99)) : isFloor ? Math.min(...rounds) : Math.max(...rounds),
    rounds,
    met: gate && rounds.every((value) => meets(value, gate)),
  }
}

const meets = (value: number, gate: Gate): boolean =>
  'atLeast' in gate ? value >= gate.atLeast : value <= gate.atMost

/** One line of JSON, for programs. */
export function jsonLine(bench: string, result: Result, origin: Origin): string {
  const { measure, met, rounds, ...figures } = result
  const rounded = Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, toDigits(value)]))
  const gate = measure.gate ? { gate: measure.gate, met } : {}
  const { name, unit } = measure
  const each = rounds.map(toDigits)
  return JSON.stringify({ name: `${bench}: ${name}`, unit, ...rounded, rounds: each, ...gate, ...origin })
}

/** A table of all measures, for people. */
export function table(bench: string, results: readonly Result[]): string {
  const heads = [bench, 'median', 'rounds', 'gate', '']
  const rows = results.map(({ measure, value, rounds, met }) => [
    measure.name,
    `${shown(value)} ${measure.unit}`,
    rounds.map(shown).join(' '),
    measure.gate ? shownGate(measure.gate) : '',
    met === undefined ? '' : met ? 'met' : 'NOT MET',
  ])
  const widths = heads.map((head, at) => Math.max(head.length, ...rows.map((row) => row[at]!.length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd()
  return [line(heads), ...rows.map(line)].join('\n')
}

const shownGate = (gate: Gate): string =>
  'atLeast' in gate ? `≥ ${shown(gate.atLeast)}` : `≤ ${shown(gate.atMost)}`

/** Three digits at least, no more behind the point than say something. */
function shown(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { maximumFractionDigits: digits })
}

const toDigits = (value: number): number => Number(value.toPrecision(5))
