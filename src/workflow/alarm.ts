import type { Clock } from '../model/clock.ts'

/** Longest single wait: timers count to 2^31 ms. */
const longestMs = 24 * 3600 * 1000

/** One timer for many deadlines. */
export type Alarm = {
  /** calls for a round at `time` (epoch ms), or earlier */
  at(time: number): void
  /** `round` does what is due and says when it is to be called next; runs until `signal` aborts */
  run(signal: AbortSignal, round: (now: number) => Promise<number | undefined>): Promise<void>
}

export function createAlarm(clock: Clock): Alarm {
  let target = Number.POSITIVE_INFINITY
  let nap = new AbortController()
  return {
    at: (time) => {
      if (time >= target) return
      target = time
      // With a reason: an error is made where there is none.
      nap.abort('earlier')
    },
    run: async (signal, round) => {
      signal.addEventListener('abort', () => nap.abort(), { once: true })
      while (!signal.aborted) {
        nap = new AbortController()
        target = Number.POSITIVE_INFINITY
        const next = await round(clock.now())
        target = Math.min(target, next ?? Number.POSITIVE_INFINITY)
        const wait = Math.min(target - clock.now(), longestMs)
        if (wait > 0 && !signal.aborted && !nap.signal.aborted) await clock.sleep(wait, nap.signal)
      }
    },
  }
}
