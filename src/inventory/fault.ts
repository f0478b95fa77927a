/** One fault: `line` as in the file (the header is 1); `value` is empty or `***` for what is secret. */
export type CsvFault = { line: number; column: string; value: string; expected: string }

/** A list that stays short: the first ones, and how many there are in all. */
export type Bounded<T> = {
  add(item: T): void
  readonly items: readonly T[]
  readonly count: number
}

export function createBounded<T>(limit: number): Bounded<T> {
  const items: T[] = []
  let count = 0
  return {
    add(item) {
      count++
      if (items.length < limit) items.push(item)
    },
    items,
    get count() {
      return count
    },
  }
}

const longestValue = 100

/** The value of a cell as a fault repeats it: never a secret, long ones are cut. */
export function shownValue(value: string, isSecret: boolean): string {
  if (isSecret) return value === '' ? '' : '***'
  return value.length > longestValue ? `${value.slice(0, longestValue)}…` : value
}
