import type { Event } from '../model/event.ts'
import type { Key } from '../store/store.ts'
import { keyOfObject } from './garbage.ts'

/** Events are kept for an hour after they were last seen, ms, and at most so many. */
export const eventLimits = { keepMs: 3_600_000, most: 10_000 }

/** Which Events have to go. */
export type EventBound = {
  put(event: Event): void
  remove(event: Event): void
  /** the oldest of those that are too many */
  surplus(): Key[]
  /** those whose time is over */
  expired(now: number): Key[]
}

export function createEventBound({ keepMs, most } = eventLimits): EventBound {
  /** in the order in which they were last written */
  const seen = new Map<string, { key: Key; at: number }>()
  const idOf = ({ metadata: { namespace, name } }: Event) => `${namespace}/${name}`
  return {
    put(event) {
      seen.delete(idOf(event))
      seen.set(idOf(event), { key: keyOfObject(event), at: lastSeen(event) })
    },
    remove: (event) => void seen.delete(idOf(event)),
    surplus() {
      const gone: Key[] = []
      for (const { key } of seen.values()) {
        if (gone.length >= seen.size - most) break
        gone.push(key)
      }
      return gone
    },
    expired: (now) =>
      [...seen.values()].filter(({ at }) => Math.min(at, now) + keepMs <= now).map(({ key }) => key),
  }
}

/** Clients write the times of their Events; one that makes no sense does not count. */
function lastSeen({ metadata, firstTimestamp, lastTimestamp, eventTime, series }: Event): number {
  const texts = [
    metadata.creationTimestamp,
    firstTimestamp,
    lastTimestamp,
    eventTime,
    series?.lastObservedTime,
  ]
  const times = texts.map((text) => Date.parse(text ?? '')).filter((time) => !Number.isNaN(time))
  return Math.max(0, ...times)
}
