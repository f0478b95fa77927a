import type { Clock } from '../../src/model/clock.ts'

/** A clock that stands still until it is moved. */
export type FakeClock = Clock & { advance(ms: number): Promise<void> }

export function fakeClock(start: number): FakeClock {
  let now = start
  const sleepers = new Set<{ at: number; wake: () => void }>()
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve()
        const sleeper = { at: now + ms, wake: () => wake() }
        const wake = () => {
          sleepers.delete(sleeper)
          signal?.removeEventListener('abort', wake)
          resolve()
        }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', wake, { once: true })
      }),
    advance: async (ms) => {
      const end = now + ms
      for (;;) {
        await turns(3)
        const due = [...sleepers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
        if (!due[0]) break
        now = Math.max(now, due[0].at)
        due[0].wake()
      }
      now = end
      await turns(3)
    },
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Waits (in real time, at most 20 s) until `condition` gives something. */
export async function until<T>(what: string, condition: () => T | Promise<T>): Promise<NonNullable<T>> {
  const end = Date.now() + 20_000
  while (Date.now() < end) {
    const found = await condition()
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  throw new Error(`never happened: ${what}`)
}
