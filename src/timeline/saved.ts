import type { Logger } from '../log.ts'
import { messageOf } from '../model/error.ts'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import type { SideStore } from '../store/side.ts'
import { cleaned } from './facts.ts'
import type { Line } from './lines.ts'
import { stages } from './stage.ts'
import type { TimelineEntry } from './stage.ts'

export type Saver = {
  /** this machine's line has entries that are not on disk */
  changed(mac: Mac): void
  /** an entry of this machine's line was counted up, which may wait until so many writes have been */
  counted(mac: Mac): void
  /** this machine has no line any more */
  forget(mac: Mac): void
  /**
   * Writes what changed, the machines that wait longest first, so many that others can write too. Never throws: what
   * failed is written with the next call.
   * @param counts whether entries that were only counted up are written too; they are every `countsEvery` calls anyway
   * @returns whether more waits
   */
  write(counts: boolean): Promise<boolean>
}

/** What a machine did, or what it said: both lie in one table, told apart by what stands before the number. */
export type Kind = 'stages' | 'words'

type Deps = { side: SideStore; log: Pick<Logger, 'warn'>; kind: Kind; lineOf(mac: Mac): Line | undefined }

/** Machines whose entries are written by one call, and those of them that are put into words without a pause. */
const mostAtOnce = 1000
const partSize = 200

/** What a machine does again and again is written with every so manyth call: a crash takes the count, not the stage. */
const countsEvery = 60

export function createSaver({ side, log, kind, lineOf }: Deps): Saver {
  const dirty = new Set<Mac>()
  const counted = new Set<Mac>()
  const gone = new Set<Mac>()
  let calls = 0

  async function write(counts: boolean) {
    calls += 1
    if (counts || calls % countsEvery === 0) {
      for (const mac of counted) dirty.add(mac)
      counted.clear()
    }
    const [forgotten, changed] = [[...gone], [...dirty].slice(0, mostAtOnce)]
    gone.clear()
    for (const mac of changed) {
      dirty.delete(mac)
      counted.delete(mac)
    }
    const isMore = dirty.size > 0 || counted.size > 0
    // Deletions come first: a machine that came back keeps its new entries.
    const results = await Promise.allSettled(forgotten.map(remove))
    for (let from = 0; from < changed.length; from += partSize) {
      // one that was forgotten meanwhile is written after that is on disk, if it came back
      const part = changed.slice(from, from + partSize).filter((mac) => !gone.has(mac))
      results.push(...(await Promise.allSettled(part.map(save))))
    }
    const failed = results.find((result) => result.status === 'rejected')
    if (failed)
      log.warn({ why: messageOf(failed.reason) }, 'timeline not written: tried again with the next stage')
    return isMore
  }

  async function remove(mac: Mac) {
    try {
      await side.deleteRange('timeline', `${mac}/${marks[kind].first}`, `${mac}/${marks[kind].after}`)
    } catch (error) {
      if (!lineOf(mac)) gone.add(mac)
      throw error
    }
  }

  async function save(mac: Mac) {
    const line = lineOf(mac)
    if (!line) return
    const { onDisk, unsaved } = line
    const writes = writesOf(side, kind, mac, line)
    line.onDisk = line.first
    line.unsaved = line.first + line.entries.length
    try {
      await Promise.all(writes)
    } catch (error) {
      line.onDisk = Math.min(line.onDisk, onDisk)
      line.unsaved = Math.min(line.unsaved, unsaved)
      dirty.add(mac)
      throw error
    }
  }

  return {
    changed: (mac) => void dirty.add(mac),
    counted: (mac) => void counted.add(mac),
    forget(mac) {
      dirty.delete(mac)
      counted.delete(mac)
      gone.add(mac)
    },
    write,
  }
}

/** What stands before a number, the first character that a key of this kind has after the slash, and the next one. */
const marks: Readonly<Record<Kind, { before: string; first: string; after: string }>> = {
  stages: { before: '', first: '0', after: ':' },
  words: { before: 's', first: 's', after: 't' },
}

function writesOf(
  side: SideStore,
  kind: Kind,
  mac: Mac,
  { first, unsaved, onDisk, entries }: Line,
): Promise<void>[] {
  const key = (number: number) => entryKey(kind, mac, number)
  const from = Math.max(first, unsaved)
  const puts = entries
    .slice(from - first)
    .map((entry, index) => side.put('timeline', key(from + index), entry))
  if (onDisk >= first) return puts
  return [...puts, side.deleteRange('timeline', key(onDisk), key(first))]
}

/** Key of one entry in the side table: `aa:bb:cc:dd:ee:ff/0000000012`, of a word `…/s0000000012`. */
function entryKey(kind: Kind, mac: Mac, number: number): string {
  return `${mac}/${marks[kind].before}${String(number).padStart(10, '0')}`
}

/** Reads every machine's line, in 256 portions so that packets are answered meanwhile. */
export async function readLines(side: Pick<SideStore, 'list'>): Promise<Record<Kind, Map<Mac, Line>>> {
  const lines = { stages: new Map<Mac, Line>(), words: new Map<Mac, Line>() }
  for (let octet = 0; octet < 256; octet++) {
    const rows = await side.list('timeline', `${octet.toString(16).padStart(2, '0')}:`)
    for (const { key, value } of rows) addRow(/\/s/.test(key) ? lines.words : lines.stages, key, value)
  }
  return lines
}

function addRow(lines: Map<Mac, Line>, key: string, value: unknown): void {
  const [text = '', digits = ''] = key.split('/')
  const [mac, number] = [parseMac(text), Number(digits.replace(/^s/, ''))]
  if (!mac || !Number.isSafeInteger(number) || !isEntry(value)) return
  const line = lines.get(mac) ?? { first: number, unsaved: number, onDisk: number, entries: [] }
  line.entries.push({ ...value, facts: cleaned(value.facts) })
  // Numbers count back from the newest row, so that a missing one in between makes no later one collide.
  line.unsaved = number + 1
  line.first = line.unsaved - line.entries.length
  lines.set(mac, line)
}

function isEntry(value: unknown): value is TimelineEntry {
  const entry = value as Partial<TimelineEntry> | null
  const numbers = [entry?.at, entry?.lastAt, entry?.count]
  const isKnown = stages.some((stage) => stage === entry?.stage)
  return isKnown && numbers.every(Number.isFinite) && typeof entry?.facts === 'object' && entry.facts !== null
}
