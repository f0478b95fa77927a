import type { Database } from 'better-sqlite3'
import type { SideStore } from './side.ts'
import type { GroupCommit } from './sqlite-commit.ts'

/** The side tables: one SQL table, keyed by (side table, key). */
export function createSide(db: Database, { write }: Pick<GroupCommit, 'write'>): SideStore {
  const select = db
    .prepare<[string, string], string>('SELECT json FROM side WHERE side = ? AND key = ?')
    .pluck()
  const from = db.prepare<[string, string], { key: string; json: string }>(
    'SELECT key, json FROM side WHERE side = ? AND key >= ? ORDER BY key',
  )
  const upsert = db.prepare(
    'INSERT INTO side (side, key, json) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET json = excluded.json',
  )
  const remove = db.prepare('DELETE FROM side WHERE side = ? AND key = ?')
  const removeRange = db.prepare('DELETE FROM side WHERE side = ? AND key >= ? AND key < ?')
  return {
    async get(table, key) {
      const json = select.get(table, key)
      return json === undefined ? undefined : JSON.parse(json)
    },
    async list(table, prefix, limit = Number.POSITIVE_INFINITY) {
      const found: { key: string; value: unknown }[] = []
      if (limit <= 0) return found
      for (const { key, json } of from.iterate(table, prefix)) {
        if (!key.startsWith(prefix)) break
        found.push({ key, value: JSON.parse(json) })
        if (found.length >= limit) break
      }
      return found
    },
    async put(table, key, value) {
      const json = JSON.stringify(value) ?? 'null'
      await write(() => upsert.run(table, key, json))
    },
    async delete(table, key) {
      await write(() => remove.run(table, key))
    },
    async deleteRange(table, fromKey, toKey) {
      await write(() => removeRange.run(table, fromKey, toKey))
    },
  }
}
