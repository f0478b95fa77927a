import type { Database } from 'better-sqlite3'
import type { KubeObject } from '../model/object.ts'
import type { History, Write } from './feed.ts'
import { deepFreeze } from './json.ts'
import type { Key } from './store.ts'

/** Changes per read of the history: one page of large objects still fits in memory. */
const pageSize = 64

export type HistoryLimits = {
  /** ended states to keep, at least 1; a few more may be there until the next slice goes */
  historyEvents: number
  /** characters of their JSON to keep */
  historyBytes: number
}

/** One state of an object: its text as stored, without resourceVersion, and what it means. */
export type Stored = { json: string; version: number; object: KubeObject }

/** A write as it goes to the watchers, who keep the objects: nobody else may have them. */
export type Entry = {
  type: Write['type']
  key: Key
  /** characters of its JSON */
  size: number
  object: KubeObject
  previous: Stored | undefined
}

/** The object that a stored text and its version column mean. */
export function decode(json: string, version: number): KubeObject {
  const object: KubeObject = JSON.parse(json)
  object.metadata.resourceVersion = String(version)
  return object
}

/** An object as it was before it was changed. */
export type Earlier = { namespace: string; name: string; version: number | null; json: string | null }

type State = { version: number; json: string }
type Ended = State & { until: number; type: Write['type'] }
type Extent = { newest: number; floor: number; states: number; bytes: number }

export type EventTable = History & {
  /**
   * Objects of `kind` that were written after `since`, as they were then; without text those that did not exist. In the
   * order of namespace and name.
   */
  before(kind: string, since: number): Earlier[]
  /** inside a transaction: the version that `append` will give */
  next(): number
  /** inside a transaction: the next version, which the caller stores with the object */
  append(entry: Entry): number
  /** inside a transaction: drops the oldest states when the limits are passed */
  prune(): void
  /** version of the newest write that reads find, which may not be on disk yet */
  written(): number
  /** after the commit: the changes of this transaction, frozen, and their characters of JSON */
  commit(): { changes: Write[]; bytes: number }
  /** once they are on disk, before anybody is told: these are in the history now */
  flushed(changes: readonly Write[]): void
  rollback(): void
}

/** The `history` table. Versions have no gaps; the newest one is never dropped, so versions never start again. */
export function createEvents(db: Database, limits: HistoryLimits): EventTable {
  const statements = prepareStatements(db)
  let saved = extentOf(db)
  let now: Extent = { ...saved }
  let { newest } = saved
  let pending: Write[] = []
  let pendingBytes = 0

  function forget() {
    pending = []
    pendingBytes = 0
  }

  function dropUpTo(until: number) {
    now.bytes -= statements.sizeUpTo.get(until) ?? 0
    now.states -= statements.removeUpTo.run(until).changes
    now.floor = until
    statements.setFloor.run(until)
  }

  function dropOldest(count: number) {
    const until = Math.min(statements.nth.get(count - 1) ?? now.newest, now.newest - 1)
    dropUpTo(Math.max(until, now.floor))
  }

  return {
    newest: () => newest,
    written: () => saved.newest,
    floor: () => saved.floor,
    page: (since) => readPage(statements, since, Math.min(since + pageSize, newest)),
    before: (kind, since) => statements.before.all({ kind, since }),
    next: () => now.newest + 1,
    append({ type, key, size, object, previous }) {
      const version = ++now.newest
      pendingBytes += size
      if (previous) {
        const { json } = previous
        statements.insert.run(
          version,
          previous.version,
          type,
          json.length,
          key.kind,
          key.namespace,
          key.name,
          json,
        )
        now.states++
        now.bytes += json.length
        pendingBytes += json.length
      }
      object.metadata.resourceVersion = String(version)
      pending.push(toChange(type, version, object, previous?.object))
      return version
    },
    prune() {
      const slice = Math.min(500, Math.ceil(limits.historyEvents / 10))
      const surplus = now.states - limits.historyEvents
      if (surplus >= slice) dropOldest(surplus)
      while (now.bytes > limits.historyBytes && now.states > 1) {
        const before = now.states
        dropOldest(100)
        if (now.states === before) return
      }
    },
    commit() {
      const committed = { changes: deepFreeze(pending), bytes: pendingBytes }
      saved = { ...now }
      forget()
      return committed
    },
    flushed(changes) {
      newest = changes.at(-1)?.version ?? newest
    },
    rollback() {
      now = { ...saved }
      forget()
    },
  }
}

type Statements = ReturnType<typeof prepareStatements>

function prepareStatements(db: Database) {
  const states = (table: string) =>
    db.prepare<[number, number], State>(
      `SELECT version, json FROM ${table} WHERE version > ? AND version <= ?`,
    )
  return {
    insert: db.prepare(
      `INSERT INTO history (until, version, type, size, kind, namespace, name, json)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    ended: db.prepare<[number, number], Ended>(
      'SELECT until, version, type, json FROM history WHERE until > ? AND until <= ?',
    ),
    present: states('objects'),
    past: states('history'),
    before: db.prepare<{ kind: string; since: number }, Earlier>(
      `SELECT h.namespace, h.name, iif(h.version <= $since, h.version, NULL) AS version,
         iif(h.version <= $since, h.json, NULL) AS json
       FROM (SELECT min(until) AS first FROM history INDEXED BY historyByObject
             WHERE kind = $kind AND until > $since GROUP BY namespace, name)
       JOIN history h ON h.until = first
       UNION ALL
       SELECT namespace, name, NULL, NULL FROM objects o INDEXED BY objectsByVersion
       WHERE version > $since AND kind = $kind AND NOT EXISTS
         (SELECT 1 FROM history h
          WHERE h.kind = o.kind AND h.namespace = o.namespace AND h.name = o.name AND h.until > $since)
       ORDER BY 1, 2`,
    ),
    sizeUpTo: db.prepare<[number], number>('SELECT total(size) FROM history WHERE until <= ?').pluck(),
    removeUpTo: db.prepare('DELETE FROM history WHERE until <= ?'),
    setFloor: db.prepare('UPDATE historyFloor SET version = ?'),
    nth: db.prepare<[number], number>('SELECT until FROM history ORDER BY until LIMIT 1 OFFSET ?').pluck(),
  }
}

/** The changes after `since` up to `to`, put together from the states that they began and ended. */
function readPage({ ended, present, past }: Statements, since: number, to: number): Write[] {
  if (to <= since) return []
  const endings = new Map(ended.all(since, to).map((row) => [row.until, row]))
  const states = new Map([...past.all(since, to), ...present.all(since, to)].map((row) => [row.version, row]))
  const changes: Write[] = []
  for (let version = since + 1; version <= to; version++) {
    const ending = endings.get(version)
    const previous = ending && decode(ending.json, ending.version)
    const json = ending?.type === 'delete' ? ending.json : states.get(version)?.json
    if (json === undefined) throw new Error(`the history has no version ${version}`)
    changes.push(deepFreeze(toChange(ending?.type ?? 'put', version, decode(json, version), previous)))
  }
  return changes
}

function extentOf(db: Database): Extent {
  const sql = `SELECT max(coalesce((SELECT max(version) FROM objects), 0), coalesce(max(until), 0),
      (SELECT version FROM historyFloor)) AS newest,
    (SELECT version FROM historyFloor) AS floor, count(*) AS states, total(size) AS bytes FROM history`
  return db.prepare<[], Extent>(sql).get()!
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
