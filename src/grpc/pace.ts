import type { Clock } from '../model/clock.ts'

/** Calls that a connection may make at once, and then in each second: agents make three for each action. */
const burst = 200
const perSecond = 50

/** Lets a caller go on as soon as its connection has not called too often. */
export type Pace = () => Promise<void>

/** Who calls more often waits; since a connection has few calls open at a time, it then calls no faster than this. */
export function createPace(clock: Clock): Pace {
  let freeAt = Number.NEGATIVE_INFINITY
  const gapMs = 1000 / perSecond
  return async () => {
    const now = clock.now()
    freeAt = Math.max(freeAt, now - burst * gapMs) + gapMs
    if (freeAt > now) await clock.sleep(freeAt - now)
  }
}
