import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from 'better-sqlite3'
import { AppError } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import { alreadyExists, conflict, keyOf, notFound, titleOf } from './failure.ts'
import type { Feed } from './feed.ts'
import type { Shelf } from './hardware-index.ts'
import { maxDepth, nestsDeeperThan, sameJson } from './json.ts'
import type { GroupCommit } from './sqlite-commit.ts'
import { decode } from './sqlite-history.ts'
import type { EventTable } from './sqlite-history.ts'
import { preparePages } from './sqlite-page.ts'
import type { Key, Store } from './store.ts'

/** Objects that `list` parses before it lets packets through. */
const parseSlice = 200

type Row = { version: number; json: string }
type Deps = { db: Database; events: EventTable; feed: Feed; group: GroupCommit }

/** The object store over the tables `objects` and `events`. */
export function createObjects({ db, events, feed, group: { write, flushed } }: Deps): Store {
  const rows = prepareRows(db)
  const pages = preparePages(db, events)

  function create(key: Key, json: string): KubeObject {
    if (rows.find(key)) throw alreadyExists(key)
    return decode(json, add(key, json, JSON.parse(json)))
  }

  function add(key: Key, json: string, object: KubeObject): number {
    const version = events.append({ type: 'put', key, size: json.length, object, previous: undefined })
    rows.insert(key, version, json)
    return version
  }

  function createGroup(group: readonly Encoded[]): boolean {
    const [only] = group
    if (only && group.length === 1) return createOnly(only)
    if (group.some(({ key }) => rows.exists(key))) return false
    for (const { key, json, object } of group) add(key, json, object)
    return true
  }

  /** Without looking first whether it is there: most are not. */
  function createOnly({ key, json, object }: Encoded): boolean {
    if (rows.insertNew(key, events.next(), json) === 0) return false
    events.append({ type: 'put', key, size: json.length, object, previous: undefined })
    return true
  }

  function update(key: Key, json: string, expected: string): KubeObject {
    const stored = rows.find(key)
    if (!stored) throw notFound(key)
    if (String(stored.version) !== expected) throw conflict(key)
    if (stored.json === json) return decode(json, stored.version)
    const [before, object]: [KubeObject, KubeObject] = [JSON.parse(stored.json), JSON.parse(json)]
    if (sameJson(before, object)) return decode(stored.json, stored.version)
    before.metadata.resourceVersion = String(stored.version)
    const previous = { ...stored, object: before }
    const version = events.append({ type: 'put', key, size: json.length, object, previous })
    rows.replace(key, version, json)
    return decode(json, version)
  }

  function remove(key: Key, expected: string | undefined): KubeObject {
    const stored = rows.find(key)
    if (!stored) throw notFound(key)
    const { json, version } = stored
    if (expected !== undefined && String(version) !== expected) throw conflict(key)
    const previous = { ...stored, object: decode(json, version) }
    const object: KubeObject = JSON.parse(json)
    const deletion = events.append({ type: 'delete', key, size: json.length, object, previous })
    rows.remove(key)
    return decode(json, deletion)
  }

  return {
    async get(key) {
      const stored = rows.find(key)
      if (stored && stored.version > events.newest()) await flushed()
      return stored && decode(stored.json, stored.version)
    },
    async list(kind, namespace) {
      const version = events.written()
      const found = namespace === undefined ? rows.ofKind(kind) : rows.ofNamespace(kind, namespace)
      if (version > events.newest()) await flushed()
      return { items: await parseAll(found), version }
    },
    page: async (kind, query) => {
      const { found, version, remaining } = pages(kind, query)
      if (version > events.newest()) await flushed()
      return { items: await parseAll(found), version, remaining }
    },
    async create(object) {
      const [key, json] = [keyOf(object), encode(object)]
      return write(() => create(key, json))
    },
    async createAll(groups) {
      const encoded = groups.map((group) => group.map(encodedWhole))
      return write(() => encoded.map(createGroup))
    },
    async update(object, expected) {
      const [key, json] = [keyOf(object), encode(object)]
      return write(() => update(key, json, expected))
    },
    async delete({ kind, namespace, name }, expected) {
      return write(() => remove({ kind, namespace, name }, expected))
    },
    version: async () => events.newest(),
    watch: (since, signal) => feed.watch(since, signal),
  }
}

/** Rows that `all` reads at a time. */
const shelfSlice = 50

/**
 * Hardware as it is stored now, which may be ahead of what watchers were told by a write that is not on disk yet: for
 * those who answer packets, and acknowledge nothing.
 */
export function createShelf(db: Database): Shelf {
  const where = `WHERE kind = 'Hardware' AND`
  const find = db.prepare<[string, string], Row>(
    `SELECT version, json FROM objects ${where} namespace = ? AND name = ?`,
  )
  const slice = db.prepare<[string, string, number], Row>(
    `SELECT version, json FROM objects ${where} (namespace, name) > (?, ?) ORDER BY namespace, name LIMIT ?`,
  )
  const toHardware = ({ json, version }: Row) => decode(json, version) as Hardware
  return {
    get(namespace, name) {
      const row = find.get(namespace, name)
      return row && toHardware(row)
    },
    *all() {
      let last = { namespace: '', name: '' }
      for (;;) {
        const rows = slice.all(last.namespace, last.name, shelfSlice)
        for (const row of rows) {
          const hardware = toHardware(row)
          last = hardware.metadata
          yield hardware
        }
        if (rows.length < shelfSlice) return
      }
    },
  }
}

function prepareRows(db: Database) {
  const where = 'WHERE kind = ? AND namespace = ? AND name = ?'
  const find = db.prepare<[string, string, string], Row>(`SELECT version, json FROM objects ${where}`)
  const exists = db.prepare<[string, string, string], 1>(`SELECT 1 FROM objects ${where}`).pluck()
  const insert = db.prepare(
    'INSERT INTO objects (kind, namespace, name, version, json) VALUES (?, ?, ?, ?, ?)',
  )
  const insertNew = db.prepare(
    'INSERT INTO objects (kind, namespace, name, version, json) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  )
  const replace = db.prepare(`UPDATE objects SET version = ?, json = ? ${where}`)
  const remove = db.prepare(`DELETE FROM objects ${where}`)
  const some = (condition: string) =>
    db.prepare<string[], Row>(`SELECT version, json FROM objects WHERE ${condition} ORDER BY namespace, name`)
  const [ofKind, ofNamespace] = [some('kind = ?'), some('kind = ? AND namespace = ?')]
  return {
    find: ({ kind, namespace, name }: Key) => find.get(kind, namespace, name),
    exists: ({ kind, namespace, name }: Key) => exists.get(kind, namespace, name) === 1,
    insert: ({ kind, namespace, name }: Key, version: number, json: string) =>
      insert.run(kind, namespace, name, version, json),
    insertNew: ({ kind, namespace, name }: Key, version: number, json: string) =>
      insertNew.run(kind, namespace, name, version, json).changes,
    replace: ({ kind, namespace, name }: Key, version: number, json: string) =>
      replace.run(version, json, kind, namespace, name),
    remove: ({ kind, namespace, name }: Key) => remove.run(kind, namespace, name),
    ofKind: (kind: string) => ofKind.all(kind),
    ofNamespace: (kind: string, namespace: string) => ofNamespace.all(kind, namespace),
  }
}

async function parseAll(rows: readonly Row[]): Promise<KubeObject[]> {
  const items: KubeObject[] = []
  for (const { json, version } of rows) {
    if (items.length > 0 && items.length % parseSlice === 0) await nextTurn()
    items.push(decode(json, version))
  }
  return items
}

/** Characters of JSON that one object may have. */
const maxSize = 6 * 1024 * 1024

/** The stored text: the version is in its own column, so that equal content is equal text. */
function encode(object: KubeObject | NewObject): string {
  if (nestsDeeperThan(object, maxDepth)) {
    throw new AppError('Invalid', `${titleOf(keyOf(object))} is nested deeper than ${maxDepth} levels`)
  }
  const { resourceVersion: _, ...metadata } = object.metadata
  return checkSize(object, JSON.stringify({ ...object, metadata }))
}

function checkSize(object: KubeObject | NewObject, json: string): string {
  if (json.length <= maxSize) return json
  const title = titleOf(keyOf(object))
  throw new AppError('TooLarge', `${title} has ${json.length} characters, expected at most ${maxSize}`)
}

type Encoded = { key: Key; json: string; object: KubeObject }

/** An object that is handed over: it is plain JSON without a version, and nobody else changes it. */
function encodedWhole(object: NewObject): Encoded {
  return {
    key: keyOf(object),
    json: checkSize(object, JSON.stringify(object)),
    object: object as KubeObject,
  }
}
