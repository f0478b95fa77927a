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

/** One state of an object: its text as stored, without resourceVersion, and what it means. */
export type Stored = { json: string; version: number; object: KubeObject }

/** A write as it goes into the history, which keeps the objects: nobody else may have them. */
export type Entry = { type: Write['type']; json: string; object: KubeObject; previous: Stored | undefined }

/** The object that a stored text and its version column mean. */
export function decode(json: string, version: number): KubeObject {
  const object: KubeObject = JSON.parse(json)
  object.metadata.resourceVersion = String(version)
  return object
}

/** An object as it was before it was changed. */
export type Earlier = { namespace: string; name: string; version: number | null; json: string | null }

type Row = {
  version: number
  type: Write['type']
  json: string
  previousVersion: number | null
  previousJson: string | null
}
type Extent = { newest: number; floor: number; bytes: number }

export type EventTable = History & {
  /**
   * Objects of `kind` that were written after `since`, as they were then; without text those that did not exist. In the
   * order of namespace and name.
   */
  before(kind: string, since: number): Earlier[]
  /** inside a transaction: the next version, which the caller stores with the object */
  append(entry: Entry): number
  /** inside a transaction: drops the oldest changes when the limits are passed */
  prune(): void
  /** after the commit: the changes of this transaction, frozen, and their characters of JSON */
  commit(): { changes: Write[]; bytes: number }
  rollback(): void
}

/** The `events` table. Versions have no gaps; the newest change is never dropped, so versions never start again. */
export function createEvents(db: Database, limits: HistoryLimits): EventTable {
  const insert = db.prepare(
    `INSERT INTO events (version, type, size, previousVersion, json, previousJson, kind, namespace, name)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const after = db.prepare<[number], Row>(
    `SELECT * FROM events WHERE version > ? ORDER BY version LIMIT ${pageSize}`,
  )
  const firstSince = db.prepare<[string, number], Earlier>(
    `SELECT events.namespace, events.name, previousVersion AS version, previousJson AS json
     FROM (SELECT min(version) AS first FROM events INDEXED BY eventsByObject
           WHERE kind = ? AND version > ? GROUP BY namespace, name)
     JOIN events ON events.version = first ORDER BY events.namespace, events.name`,
  )
  const sizeUpTo = db.prepare<[number], number>('SELECT total(size) FROM events WHERE version <= ?').pluck()
  const removeUpTo = db.prepare('DELETE FROM events WHERE version <= ?')

  let saved = extentOf(db)
  let now: Extent = { ...saved }
  let pending: Write[] = []
  let pendingBytes = 0

  function forget() {
    pending = []
    pendingBytes = 0
  }

  function dropUpTo(version: number) {
    now.bytes -= sizeUpTo.get(version) ?? 0
    removeUpTo.run(version)
    now.floor = version
  }

  return {
    newest: () => saved.newest,
    floor: () => saved.floor,
    page: (since) => after.all(since).map(readRow),
    before: (kind, since) => firstSince.all(kind, since),
    append({ type, json, object, previous }) {
      const version = ++now.newest
      const size = json.length + (previous?.json.length ?? 0)
      const before = [previous?.version ?? null, json, previous?.json ?? null] as const
      const { namespace, name } = object.metadata
      insert.run(version, type, size, ...before, object.kind, namespace, name)
      now.bytes += size
      pendingBytes += size
      object.metadata.resourceVersion = String(version)
      pending.push(toChange(type, version, object, previous?.object))
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
      const committed = { changes: deepFreeze(pending), bytes: pendingBytes }
      saved = { ...now }
      forget()
      return committed
    },
    rollback() {
      now = { ...saved }
      forget()
    },
  }
}

function extentOf(db: Database): Extent {
  const sql = 'SELECT max(version) AS newest, min(version) AS oldest, total(size) AS bytes FROM events'
  const found = db.prepare<[], { newest: number | null; oldest: number | null; bytes: number }>(sql).get()
  return { newest: found?.newest ?? 0, floor: (found?.oldest ?? 1) - 1, bytes: found?.bytes ?? 0 }
}

function readRow({ version, type, json, previousVersion, previousJson }: Row): Write {
  const hasPrevious = previousJson !== null && previousVersion !== null
  const previous = hasPrevious ? decode(previousJson, previousVersion) : undefined
  return deepFreeze(toChange(type, version, decode(json, version), previous))
}

function toChange(
  type: Write['type'],
  version: number,
  object: KubeObject,
  previous: KubeObject | undefined,
): Write {
  if (type === 'put') return { type, version, object, previous }
  return { type, version, object, previous: previous ?? object }
}
