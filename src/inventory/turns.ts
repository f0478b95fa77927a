import type { Clock } from '../model/clock.ts'

/** Longest work between two turns of the event loop, ms: packets and agents are served meanwhile. */
const longestMs = 4

/** A pause that lets others in, when the last one is long enough ago. */
export function createTurns({ now }: Pick<Clock, 'now'>): () => Promise<void> {
  let began = now()
  return async () => {
    if (now() - began < longestMs) return
    await new Promise((resolve) => setImmediate(resolve))
    began = now()
  }
}
