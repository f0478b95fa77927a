/** Time that runs out once, and can be stopped meanwhile. */
export type Countdown = {
  /** Counts `ms` from now on, whatever was left; 0 = without end. */
  start(ms: number): void
  stop(): void
}

/** Timers count to 2^31 ms at most; a longer deadline is the server's alone to hold. */
const longestMs = 2 ** 31 - 1

/** @param over is told how long it was that has run out, ms */
export function createCountdown(over: (ms: number) => void): Countdown {
  let timer: NodeJS.Timeout | undefined
  const stop = () => clearTimeout(timer)
  return {
    stop,
    start: (ms) => {
      stop()
      if (ms > 0 && ms <= longestMs) timer = setTimeout(() => over(ms), ms)
    },
  }
}
