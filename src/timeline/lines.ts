import type { Mac } from '../model/mac.ts'
import { sameFacts } from './facts.ts'
import { repeated } from './repeat.ts'
import type { Facts, Stage, TimelineEntry } from './stage.ts'

/** Entries per machine, machines, and entries of all machines together. */
export type Bounds = { entries: number; machines: number; total: number }

/**
 * What is known of one machine. Its entries are numbered from the first one ever: `first` is the oldest one kept,
 * `unsaved` the oldest one not yet on disk, `onDisk` the oldest one that may be on disk.
 */
export type Line = { first: number; unsaved: number; onDisk: number; entries: TimelineEntry[] }

/** Every machine's line, bounded: machines that never got an answer go first, then those seen least recently. */
export type Lines = {
  /** machine seen least recently first */
  readonly all: ReadonlyMap<Mac, Line>
  /**
   * Adds an entry, or counts up the one that it repeats. @returns the entry, which goes on being counted up: who keeps
   * it copies it
   */
  note(mac: Mac, at: number, stage: Stage, facts: Facts): TimelineEntry
  /** Puts what was on disk before what was noted meanwhile. */
  restore(saved: ReadonlyMap<Mac, Line>): void
}

/** @param forgotten told each machine that had to make room */
export function createLines(bounds: Bounds, forgotten: (mac: Mac) => void): Lines {
  const all = new Map<Mac, Line>()
  const strangers = new Set<Mac>()
  /** the last one of `all` */
  let latest: Mac | undefined
  let total = 0

  function note(mac: Mac, at: number, stage: Stage, facts: Facts): TimelineEntry {
    const line = all.get(mac) ?? { first: 0, unsaved: 0, onDisk: 0, entries: [] }
    moveToEnd(mac, line)
    markStranger(mac, line, stage)
    const index = repeated(line.entries, at, stage, facts)
    if (index !== undefined) return countUp(line, index, at, facts)
    const entry = { at, lastAt: at, count: 1, stage, facts }
    line.entries.push(entry)
    total++
    trim(mac, line)
    return entry
  }

  function moveToEnd(mac: Mac, line: Line) {
    if (latest === mac) return
    all.delete(mac)
    all.set(mac, line)
    latest = mac
  }

  function markStranger(mac: Mac, { entries }: Line, stage: Stage) {
    const isStranger = isUnanswered(stage) && (entries.length === 0 || strangers.has(mac))
    if (strangers.size > 0) strangers.delete(mac)
    if (isStranger) strangers.add(mac)
  }

  function trim(mac: Mac, line: Line) {
    const surplus = Math.max(line.entries.length - bounds.entries, 0)
    line.entries.splice(0, surplus)
    line.first += surplus
    total -= surplus
    while (all.size > bounds.machines || total > bounds.total) {
      const victim = firstBut(mac, strangers.keys()) ?? firstBut(mac, all.keys())
      if (victim === undefined) return
      total -= all.get(victim)!.entries.length
      all.delete(victim)
      strangers.delete(victim)
      forgotten(victim)
    }
  }

  function restore(saved: ReadonlyMap<Mac, Line>) {
    const early = new Map(all)
    all.clear()
    strangers.clear()
    latest = undefined
    total = 0
    const byAge = [...saved].sort(([, a], [, b]) => lastSeen(a) - lastSeen(b))
    for (const [mac, line] of [...byAge, ...early]) {
      const before = line === early.get(mac) ? saved.get(mac) : undefined
      if (before) total -= before.entries.length
      const joined = before ? { ...before, entries: [...before.entries, ...line.entries] } : line
      all.delete(mac)
      all.set(mac, joined)
      strangers.delete(mac)
      if (joined.entries.every(({ stage }) => isUnanswered(stage))) strangers.add(mac)
      total += joined.entries.length
      trim(mac, joined)
    }
  }

  return { all, note, restore }
}

function countUp(line: Line, index: number, at: number, facts: Facts): TimelineEntry {
  const entry = line.entries[index]!
  entry.lastAt = at
  entry.count += 1
  // what comes with the same object again is compared at once
  if (entry.facts !== facts && sameFacts(entry.facts, facts)) entry.facts = facts
  if (line.unsaved > line.first + index) line.unsaved = line.first + index
  return entry
}

/** What a machine that nobody knows leaves behind: anyone on the network can make as many of them as it likes. */
const isUnanswered = (stage: Stage): boolean =>
  stage === 'dhcp-discover' || stage === 'dhcp-request' || stage === 'dhcp-silent'

/** The first of `macs` that is not `kept`: at most two are looked at. */
function firstBut(kept: Mac, macs: Iterable<Mac>): Mac | undefined {
  for (const mac of macs) if (mac !== kept) return mac
  return undefined
}

function lastSeen({ entries }: Line): number {
  return entries.reduce((latest, { lastAt }) => Math.max(latest, lastAt), 0)
}
