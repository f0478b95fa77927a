import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from 'better-sqlite3'
import { AppError } from '../model/error.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import { alreadyExists, conflict, keyOf, notFound, titleOf } from './failure.ts'
import type { Feed } from './feed.ts'
import { maxDepth, nestsDeeperThan, sameJson } from './json.ts'
import type { GroupCommit } from './sqlite-commit.ts'
import { decode } from './sqlite-history.ts'
import type { EventTable } from './sqlite-history.ts'
import { preparePages } from './sqlite-page.ts'
import type { Key, Store } from './store.ts'

/** Objects that `list` parses before it lets packets through. */
const parseSlice = 200

type Row = { version: number; json: string }
type Deps = { db: Database; events: EventTable; feed: Feed; write: GroupCommit['write'] }

/** The object store over the tables `objects` and `events`. */
export function createObjects({ db, events, feed, write }: Deps): Store {
  const rows = prepareRows(db)
  const pages = preparePages(db, events)

  function create(key: Key, json: string): KubeObject {
    if (rows.find(key)) throw alreadyExists(key)
    const version = events.append({ type: 'put', json, object: JSON.parse(json), previous: undefined })
    rows.insert(key, version, json)
    return decode(json, version)
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
    const version = events.append({ type: 'put', json, object, previous })
    rows.replace(key, version, json)
    return decode(json, version)
  }

  function remove(key: Key, expected: string | undefined): KubeObject {
    const stored = rows.find(key)
    if (!stored) throw notFound(key)
    const { json, version } = stored
    if (expected !== undefined && String(version) !== expected) throw conflict(key)
    const previous = { ...stored, object: decode(json, version) }
    const deletion = events.append({ type: 'delete', json, object: JSON.parse(json), previous })
    rows.remove(key)
    return decode(json, deletion)
  }

  return {
    async get(key) {
      const stored = rows.find(key)
      return stored && decode(stored.json, stored.version)
    },
    async list(kind, namespace) {
      const version = events.newest()
      const found = namespace === undefined ? rows.ofKind(kind) : rows.ofNamespace(kind, namespace)
      return { items: await parseAll(found), version }
    },
    page: async (kind, query) => {
      const { found, version, remaining } = pages(kind, query)
      return { items: await parseAll(found), version, remaining }
    },
    async create(object) {
      const [key, json] = [keyOf(object), encode(object)]
      return write(() => create(key, json))
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

function prepareRows(db: Database) {
  const where = 'WHERE kind = ? AND namespace = ? AND name = ?'
  const find = db.prepare<[string, string, string], Row>(`SELECT version, json FROM objects ${where}`)
  const insert = db.prepare(
    'INSERT INTO objects (kind, namespace, name, version, json) VALUES (?, ?, ?, ?, ?)',
  )
  const replace = db.prepare(`UPDATE objects SET version = ?, json = ? ${where}`)
  const remove = db.prepare(`DELETE FROM objects ${where}`)
  const some = (condition: string) =>
    db.prepare<string[], Row>(`SELECT version, json FROM objects WHERE ${condition} ORDER BY namespace, name`)
  const [ofKind, ofNamespace] = [some('kind = ?'), some('kind = ? AND namespace = ?')]
  return {
    find: ({ kind, namespace, name }: Key) => find.get(kind, namespace, name),
    insert: ({ kind, namespace, name }: Key, version: number, json: string) =>
      insert.run(kind, namespace, name, version, json),
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
  const json = JSON.stringify({ ...object, metadata })
  if (json.length <= maxSize) return json
  const title = titleOf(keyOf(object))
  throw new AppError('TooLarge', `${title} has ${json.length} characters, expected at most ${maxSize}`)
}
