/** What many single measurements come to; the unit is theirs. `p99` by nearest rank. */
export type Spread = { n: number; p50: number; p99: number; max: number }

/** @throws RangeError when there is nothing to summarise */
export function spreadOf(values: ArrayLike<number>): Spread {
  if (values.length === 0) throw new RangeError('no measurements')
  const sorted = Float64Array.from(values).sort()
  return { n: sorted.length, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), max: sorted.at(-1)! }
}

/** Nearest rank: always one of the values. */
function quantile(sorted: Float64Array, part: number): number {
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]!
}

/** Of an even number, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
