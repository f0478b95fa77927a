import type { Database } from 'better-sqlite3'
import { AppError } from '../model/error.ts'
import type { EventTable } from './sqlite-history.ts'
import type { PageQuery } from './store.ts'

type Place = { namespace: string; name: string }
type Row = Place & { version: number; json: string }
type Found = { found: Row[]; version: number; remaining: number }

/**
 * Parts of lists. A part of an earlier version is the current one with what was written since put back: objects that
 * were changed or deleted as the history remembers them, without those that are newer.
 */
export function preparePages(
  db: Database,
  events: Pick<EventTable, 'written' | 'floor' | 'before'>,
): (kind: string, query: PageQuery) => Found {
  const where = (inNamespace: boolean) =>
    `FROM objects WHERE kind = ?${inNamespace ? ' AND namespace = ?' : ''} AND (namespace, name) > (?, ?)`
  const select = (inNamespace: boolean) =>
    db.prepare<unknown[], Row>(
      `SELECT namespace, name, version, json ${where(inNamespace)} ORDER BY namespace, name LIMIT ?`,
    )
  const count = (inNamespace: boolean) =>
    db.prepare<unknown[], number>(`SELECT count(*) ${where(inNamespace)}`).pluck()
  const [all, some] = [select(false), select(true)]
  const [countAll, countSome] = [count(false), count(true)]
  const exists = db
    .prepare<[string, string, string], 1>(
      'SELECT 1 FROM objects WHERE kind = ? AND namespace = ? AND name = ?',
    )
    .pluck()

  return (kind, { namespace, after, at, limit }) => {
    const newest = events.written()
    const version = at ?? newest
    if (version < events.floor() || version > newest)
      throw new AppError('Expired', `the objects at version ${version} are no longer known: list again`)
    const place = after ?? { namespace: '', name: '' }
    const behind = (from: Place) => [
      kind,
      ...(namespace === undefined ? [] : [namespace]),
      from.namespace,
      from.name,
    ]
    const isInScope = (row: Place) =>
      (namespace === undefined || row.namespace === namespace) && compare(row, place) > 0
    const changed = version === newest ? [] : events.before(kind, version).filter(isInScope)
    const ids = new Set(changed.map(idOf))
    const current = (namespace === undefined ? all : some).all(...behind(place), limit + ids.size)
    const past = changed.filter((row): row is Row => row.json !== null && row.version !== null)
    const merged = [...current.filter((row) => !ids.has(idOf(row))), ...past].toSorted(compare)
    const found = merged.slice(0, limit)
    const last = found.at(-1) ?? place
    const isBehind = (row: Place) => compare(row, last) > 0
    const now = (namespace === undefined ? countAll : countSome).get(...behind(last)) ?? 0
    const replaced = changed.filter((row) => isBehind(row) && exists.get(kind, row.namespace, row.name))
    return { found, version, remaining: now - replaced.length + past.filter(isBehind).length }
  }
}

const idOf = ({ namespace, name }: Place) => `${namespace}/${name}`

function compare(a: Place, b: Place): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1
  if (a.name === b.name) return 0
  return a.name < b.name ? -1 : 1
}
