import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import { createLimiter } from '../model/limiter.ts'
import type { Mac } from '../model/mac.ts'
import type { SideStore } from '../store/side.ts'
import { describe } from './describe.ts'
import { cleaned } from './facts.ts'
import { createLines } from './lines.ts'
import type { Bounds } from './lines.ts'
import { createSaver, readLines } from './saved.ts'
import type { Kind } from './saved.ts'
import type { Facts, RecordStage, Stage, TimelineEntry } from './stage.ts'

const defaultBounds: Bounds = { entries: 500, machines: 20_000, total: 500_000 }

/** What machines say by syslog has bounds of its own: however much it is, it takes no room from what they do. */
const wordBounds: Bounds = { entries: 100, machines: 5000, total: 50_000 }

/** How long a stage may be in memory only; that it came once more, `countsEvery` times as long (`saved.ts`). */
const flushMs = 1000

export type Listener = (mac: Mac, entry: TimelineEntry) => void

export type Timeline = {
  record: RecordStage
  /** oldest first; the entries are frozen */
  entries(mac: Mac): TimelineEntry[]
  /** every known machine, the one seen last at the end */
  macs(): Mac[]
  /**
   * Tells `listener` each entry that is added or counted up. That of one machine is a frozen copy; who hears all gets
   * entries that go on being counted up: what is to be kept of them is copied.
   * @returns stops it
   */
  subscribe(mac: Mac | undefined, listener: Listener): () => void
  /** Reads what earlier runs recorded. Until then nothing is written to disk. */
  load(): Promise<void>
  /** Writes now what would be written within a second; the last thing before the store is closed. */
  flush(): Promise<void>
}

type Deps = {
  side: SideStore
  clock: Clock
  log: Pick<Logger, 'warn' | 'info' | 'debug' | 'isLevelEnabled'>
  bounds?: Bounds
}

const copyOf = (entry: TimelineEntry): TimelineEntry => Object.freeze({ ...entry })

const kindOf = (stage: Stage): Kind => (stage === 'syslog' ? 'words' : 'stages')

/** What each machine was seen to do. Kept in memory; gathered and written to the side table once a second. */
export function createTimeline({ side, clock, log, bounds = defaultBounds }: Deps): Timeline {
  const mayLog = createLimiter({ everyMs: 1000, perMinute: 6000, maxKeys: 20_000 })
  const listeners = new Set<{ mac: Mac | undefined; listener: Listener }>()
  const shelf = (kind: Kind, limits: Bounds) => {
    const lines = createLines(limits, (mac) => saver.forget(mac))
    const saver = createSaver({ side, log, kind, lineOf: (mac) => lines.all.get(mac) })
    return { lines, saver }
  }
  const shelves = { stages: shelf('stages', bounds), words: shelf('words', wordBounds) }
  const clean = new WeakMap<Facts, Facts>()
  let loaded = false
  let pause: AbortController | undefined
  let writing = Promise.resolve(false)

  function record(mac: Mac, stage: Stage, facts: Facts = {}) {
    try {
      const { lines, saver } = shelves[kindOf(stage)]
      const entry = lines.note(mac, clock.now(), stage, cleanOnce(facts))
      if (entry.count > 1) saver.counted(mac)
      else {
        saver.changed(mac)
        logNew(mac, entry)
      }
      flushSoon()
      tell(mac, entry)
    } catch (error) {
      log.warn({ mac, stage, why: messageOf(error) }, 'stage not recorded')
    }
  }

  function cleanOnce(facts: Facts): Facts {
    const known = clean.get(facts)
    if (known) return known
    const made = cleaned(facts)
    if (Object.isFrozen(facts)) clean.set(facts, made)
    return made
  }

  /** A stage is a change; DHCP, which anyone can speak, is packets; what syslog brings is logged where it arrives. */
  function logNew(mac: Mac, entry: TimelineEntry) {
    const { at, stage, facts } = entry
    if (stage === 'syslog') return
    const isPacket = stage.startsWith('dhcp-') || !mayLog.allow(`${mac} ${stage}`, at)
    const level = isPacket ? 'debug' : 'info'
    if (log.isLevelEnabled(level)) log[level]({ mac, stage, ...facts }, describe(entry))
  }

  function tell(mac: Mac, entry: TimelineEntry) {
    for (const subscriber of listeners) {
      if (subscriber.mac !== undefined && subscriber.mac !== mac) continue
      try {
        subscriber.listener(mac, subscriber.mac === undefined ? entry : copyOf(entry))
      } catch (error) {
        log.warn({ mac, why: messageOf(error) }, 'timeline listener failed')
      }
    }
  }

  function flushSoon() {
    if (pause || !loaded) return
    pause = new AbortController()
    void clock.sleep(flushMs, pause.signal).then(() => flushSome(false))
  }

  /** @returns whether more waits; it is looked at within the next second */
  function flushSome(counts: boolean): Promise<boolean> {
    pause?.abort()
    pause = undefined
    const { stages, words } = shelves
    if (loaded)
      writing = writing.then(async () => {
        const isMore = [await stages.saver.write(counts), await words.saver.write(counts)].includes(true)
        if (isMore) flushSoon()
        return isMore
      })
    return writing
  }

  async function flush(): Promise<void> {
    while (await flushSome(true));
    pause?.abort()
    pause = undefined
  }

  async function load() {
    const saved = await readLines(side)
    for (const kind of ['stages', 'words'] as const) shelves[kind].lines.restore(saved[kind])
    loaded = true
    flushSoon()
  }

  function subscribe(mac: Mac | undefined, listener: Listener) {
    const subscriber = { mac, listener }
    listeners.add(subscriber)
    return () => void listeners.delete(subscriber)
  }

  function entries(mac: Mac): TimelineEntry[] {
    const [done = [], said = []] = [shelves.stages, shelves.words].map(({ lines }) =>
      lines.all.get(mac)?.entries.map(copyOf),
    )
    return said.length > 0 ? [...done, ...said].sort((a, b) => a.at - b.at) : done
  }

  return { record, entries, macs: () => [...shelves.stages.lines.all.keys()], subscribe, load, flush }
}
