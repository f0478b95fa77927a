/** Decides whether something that strangers cause may be noted again. Bounded in memory whatever keys come. */
export type Limiter = { allow(key: string, now: number): boolean }

const minuteMs = 60_000

/**
 * @param everyMs how long the same key stays quiet
 * @param perMinute how many keys in all may be noted in a minute
 * @param maxKeys how many keys are remembered; the oldest are forgotten first
 */
export function createLimiter(rules: { everyMs: number; perMinute: number; maxKeys: number }): Limiter {
  const noted = new Map<string, number>()
  let minute = { start: -minuteMs, count: 0 }
  return {
    allow: (key, now) => {
      const last = noted.get(key)
      if (last !== undefined && now - last < rules.everyMs) return false
      if (now - minute.start >= minuteMs) minute = { start: now, count: 0 }
      if (minute.count >= rules.perMinute) return false
      minute.count += 1
      noted.delete(key)
      noted.set(key, now)
      const oldest = noted.size > rules.maxKeys ? noted.keys().next().value : undefined
      if (oldest !== undefined) noted.delete(oldest)
      return true
    },
  }
}
