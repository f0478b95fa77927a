/** Decides which lines of whom are kept. Bounded in memory whoever sends how much. */
export type Budget = {
  /** @returns how many were left out before this one, or `undefined`: leave this one out too */
  spend(key: string, now: number): number | undefined
}

export type BudgetRules = {
  /** lines a minute that are kept all the time */
  perMinute: number
  /** lines that are kept at once */
  burst: number
  /** keys that are remembered; the one used least recently is forgotten first */
  maxKeys: number
}

export function createBudget({ perMinute, burst, maxKeys }: BudgetRules): Budget {
  const purses = new Map<string, { left: number; at: number; leftOut: number }>()
  return {
    spend(key, now) {
      const purse = purses.get(key) ?? { left: burst, at: now, leftOut: 0 }
      purses.delete(key)
      purses.set(key, purse)
      const oldest = purses.size > maxKeys ? purses.keys().next().value : undefined
      if (oldest !== undefined) purses.delete(oldest)
      purse.left = Math.min(burst, purse.left + (Math.max(0, now - purse.at) * perMinute) / 60_000)
      purse.at = now
      if (purse.left < 1) {
        purse.leftOut += 1
        return undefined
      }
      const { leftOut } = purse
      purse.left -= 1
      purse.leftOut = 0
      return leftOut
    },
  }
}
