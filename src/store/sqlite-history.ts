import type { Database } from 'better-sqlite3'
import type { KubeObject } from '../model/object.ts'
import type { History, Write } from './feed.ts'
import { deepFreeze } from './json.ts'

/** Changes per read of the history: one page of large objects still fits in memory. */
const pageSize = 64

export type HistoryLimits = {
  /** changes to keep, at least 1; a few more may be there until the next slice goes */
  historyEvents: number
  /** characters of JSON to keep */
  historyBytes: number
}

/** A write as it goes into the history: JSON texts without resourceVersion. */
export type Entry = {
  type: Write['type']
  json: string
  previous: { json: string; version: number } | undefined
}

/** The object that a stored text and its version column mean. */
export function decode(json: string, version: number): KubeObject {
  const object: KubeObject = JSON.parse(json)
  object.metadata.resourceVersion = String(version)
  return object
}

type Row = {
  version: number
  type: Write['type']
  json: string
  previousVersion: number | null
  previousJson: string | null
}
type Extent = { newest: number; floor: number; bytes: number }

export type EventTable = History & {
  /** inside a transaction: the next version, which the caller stores with the object */
  append(entry: Entry): number
  /** inside a transaction: drops the oldest changes when the limits are passed */
  prune(): void
  /** after the commit: the changes of this transaction, frozen */
  commit(): Write[]
  rollback(): void
}

/** The `events` table. Versions have no gaps; the newest change is never dropped, so versions never start again. */
export function createEvents(db: Database, limits: HistoryLimits): EventTable {
  const insert = db.prepare(
    'INSERT INTO events (version, type, size, previousVersion, json, previousJson) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const after = db.prepare<[number], Row>(
    `SELECT * FROM events WHERE version > ? ORDER BY version LIMIT ${pageSize}`,
  )
  const sizeUpTo = db.prepare<[number], number>('SELECT total(size) FROM events WHERE version <= ?').pluck()
  const removeUpTo = db.prepare('DELETE FROM events WHERE version <= ?')

  let saved = extentOf(db)
  let now: Extent = { ...saved }
  let pending: Row[] = []

  function dropUpTo(version: number) {
    now.bytes -= sizeUpTo.get(version) ?? 0
    removeUpTo.run(version)
    now.floor = version
  }

  return {
    newest: () => saved.newest,
    floor: () => saved.floor,
    page: (since) => after.all(since).map(toChange),
    append({ type, json, previous }) {
      const version = ++now.newest
      const size = json.length + (previous?.json.length ?? 0)
      const [previousVersion, previousJson] = [previous?.version ?? null, previous?.json ?? null]
      insert.run(version, type, size, previousVersion, json, previousJson)
      now.bytes += size
      pending.push({ version, type, json, previousVersion, previousJson })
      return version
    },
    prune() {
      const slice = Math.min(500, Math.ceil(limits.historyEvents / 10))
      const surplus = now.newest - now.floor - limits.historyEvents
      if (surplus >= slice) dropUpTo(now.floor + surplus)
      while (now.bytes > limits.historyBytes && now.floor < now.newest - 1) {
        dropUpTo(Math.min(now.floor + 100, now.newest - 1))
      }
    },
    commit() {
      const changes = pending.map(toChange)
      pending = []
      saved = { ...now }
      return changes
    },
    rollback() {
      pending = []
      now = { ...saved }
    },
  }
}

function extentOf(db: Database): Extent {
  const sql = 'SELECT max(version) AS newest, min(version) AS oldest, total(size) AS bytes FROM events'
  const found = db.prepare<[], { newest: number | null; oldest: number | null; bytes: number }>(sql).get()
  return { newest: found?.newest ?? 0, floor: (found?.oldest ?? 1) - 1, bytes: found?.bytes ?? 0 }
}

function toChange({ version, type, json, previousVersion, previousJson }: Row): Write {
  const object = deepFreeze(decode(json, version))
  const previous =
    previousJson === null || previousVersion === null
      ? undefined
      : deepFreeze(decode(previousJson, previousVersion))
  if (type === 'put') return { type, version, object, previous }
  return { type, version, object, previous: previous ?? object }
}
