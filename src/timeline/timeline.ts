import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import type { Mac } from '../model/mac.ts'
import type { SideStore } from '../store/side.ts'
import { cleaned } from './facts.ts'
import { createLines } from './lines.ts'
import type { Bounds } from './lines.ts'
import { createSaver, readLines } from './saved.ts'
import type { Facts, RecordStage, Stage, TimelineEntry } from './stage.ts'

const defaultBounds: Bounds = { entries: 500, machines: 20_000, total: 500_000 }

/** How long a stage may be in memory only. */
const flushMs = 1000

export type Listener = (mac: Mac, entry: TimelineEntry) => void

export type Timeline = {
  record: RecordStage
  /** oldest first; the entries are frozen */
  entries(mac: Mac): TimelineEntry[]
  /** every known machine, the one seen last at the end */
  macs(): Mac[]
  /**
   * Tells `listener` each entry that is added or counted up, of one machine or of all.
   * @returns stops it
   */
  subscribe(mac: Mac | undefined, listener: Listener): () => void
  /** Reads what earlier runs recorded. Until then nothing is written to disk. */
  load(): Promise<void>
  /** Writes now what would be written within a second; the last thing before the store is closed. */
  flush(): Promise<void>
}

type Deps = { side: SideStore; clock: Clock; log: Pick<Logger, 'warn'>; bounds?: Bounds }

/** What each machine was seen to do. Kept in memory; gathered and written to the side table once a second. */
export function createTimeline({ side, clock, log, bounds = defaultBounds }: Deps): Timeline {
  const listeners = new Set<{ mac: Mac | undefined; listener: Listener }>()
  const lines = createLines(bounds, (mac) => saver.forget(mac))
  const saver = createSaver({ side, log, lineOf: (mac) => lines.all.get(mac) })
  let loaded = false
  let pause: AbortController | undefined
  let writing = Promise.resolve()

  function record(mac: Mac, stage: Stage, facts: Facts = {}) {
    try {
      const entry = lines.note(mac, clock.now(), stage, cleaned(facts))
      saver.changed(mac)
      flushSoon()
      tell(mac, entry)
    } catch (error) {
      log.warn({ mac, stage, why: messageOf(error) }, 'stage not recorded')
    }
  }

  function tell(mac: Mac, entry: TimelineEntry) {
    for (const subscriber of listeners) {
      if (subscriber.mac !== undefined && subscriber.mac !== mac) continue
      try {
        subscriber.listener(mac, entry)
      } catch (error) {
        log.warn({ mac, why: messageOf(error) }, 'timeline listener failed')
      }
    }
  }

  function flushSoon() {
    if (pause || !loaded) return
    pause = new AbortController()
    void clock.sleep(flushMs, pause.signal).then(flush)
  }

  function flush(): Promise<void> {
    pause?.abort()
    pause = undefined
    if (loaded) writing = writing.then(saver.write)
    return writing
  }

  async function load() {
    const saved = await readLines(side)
    lines.restore(saved)
    loaded = true
    flushSoon()
  }

  function subscribe(mac: Mac | undefined, listener: Listener) {
    const subscriber = { mac, listener }
    listeners.add(subscriber)
    return () => void listeners.delete(subscriber)
  }

  const entries = (mac: Mac) => [...(lines.all.get(mac)?.entries ?? [])]
  return { record, entries, macs: () => [...lines.all.keys()], subscribe, load, flush }
}
