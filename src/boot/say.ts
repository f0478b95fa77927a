import type { Clock } from '../model/clock.ts'
import { createLimiter } from '../model/limiter.ts'
import type { Logger } from '../log.ts'

/** Writes a line of the log, unless it was written just before. */
export type Say = (level: 'info' | 'warn' | 'error', facts: Record<string, unknown>, what: string) => void

/** The same line at most once in ten seconds, and 300 a minute in all: anyone on the network can cause them. */
export function createSay(log: Logger, clock: Clock): Say {
  const limiter = createLimiter({ everyMs: 10_000, perMinute: 300, maxKeys: 4096 })
  return (level, facts, what) => {
    if (limiter.allow(JSON.stringify([what, facts]), clock.now())) log[level](facts, what)
  }
}
