import type { Mac } from '../model/mac.ts'
import { sameFacts } from './facts.ts'
import type { Facts, Stage, TimelineEntry } from './stage.ts'

/** Entries per machine, machines, and entries of all machines together. */
export type Bounds = { entries: number; machines: number; total: number }

/**
 * What is known of one machine. Its entries are numbered from the first one ever: `first` is the oldest one kept,
 * `unsaved` the oldest one not yet on disk, `onDisk` the oldest one that may be on disk.
 */
export type Line = { first: number; unsaved: number; onDisk: number; entries: TimelineEntry[] }

/** Every machine's line, bounded: the machines seen least recently go first. */
export type Lines = {
  /** machine seen least recently first */
  readonly all: ReadonlyMap<Mac, Line>
  /** Adds an entry, or counts the newest one up when it says the same. */
  note(mac: Mac, at: number, stage: Stage, facts: Facts): TimelineEntry
  /** Puts what was on disk before what was noted meanwhile. */
  restore(saved: ReadonlyMap<Mac, Line>): void
}

/** @param forgotten told each machine that had to make room */
export function createLines(bounds: Bounds, forgotten: (mac: Mac) => void): Lines {
  const all = new Map<Mac, Line>()
  let total = 0

  function note(mac: Mac, at: number, stage: Stage, facts: Facts): TimelineEntry {
    const line = all.get(mac) ?? { first: 0, unsaved: 0, onDisk: 0, entries: [] }
    all.delete(mac)
    all.set(mac, line)
    const newest = line.entries.at(-1)
    if (newest?.stage === stage && sameFacts(newest.facts, facts)) return countUp(line, newest, at)
    const entry = Object.freeze({ at, lastAt: at, count: 1, stage, facts })
    line.entries.push(entry)
    total++
    trim(mac, line)
    return entry
  }

  function trim(mac: Mac, line: Line) {
    const surplus = Math.max(line.entries.length - bounds.entries, 0)
    line.entries.splice(0, surplus)
    line.first += surplus
    total -= surplus
    for (const [oldest, { entries }] of all) {
      if ((all.size <= bounds.machines && total <= bounds.total) || oldest === mac) return
      all.delete(oldest)
      total -= entries.length
      forgotten(oldest)
    }
  }

  function restore(saved: ReadonlyMap<Mac, Line>) {
    const early = new Map(all)
    all.clear()
    total = 0
    const byAge = [...saved].sort(([, a], [, b]) => lastSeen(a) - lastSeen(b))
    for (const [mac, line] of [...byAge, ...early]) {
      const before = line === early.get(mac) ? saved.get(mac) : undefined
      if (before) total -= before.entries.length
      const joined = before ? { ...before, entries: [...before.entries, ...line.entries] } : line
      all.delete(mac)
      all.set(mac, joined)
      total += joined.entries.length
      trim(mac, joined)
    }
  }

  return { all, note, restore }
}

function countUp(line: Line, newest: TimelineEntry, at: number): TimelineEntry {
  const entry = Object.freeze({ ...newest, lastAt: at, count: newest.count + 1 })
  const last = line.entries.length - 1
  line.entries[last] = entry
  line.unsaved = Math.min(line.unsaved, line.first + last)
  return entry
}

function lastSeen({ entries }: Line): number {
  return entries.at(-1)?.lastAt ?? 0
}
