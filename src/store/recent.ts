/** A map that forgets what was not asked for in a long time. */
export type Recent<K, V> = { get(key: K): V | undefined; set(key: K, value: V): void }

/**
 * Keeps at least the `count` entries that were used last, and at most twice as many: what was used since the younger
 * half began goes to it, and the older half is dropped when that is full.
 */
export function createRecent<K, V>(count: number): Recent<K, V> {
  let younger = new Map<K, V>()
  let older = new Map<K, V>()

  function set(key: K, value: V) {
    if (younger.size >= count) {
      older = younger
      younger = new Map()
    }
    younger.set(key, value)
  }

  return {
    set,
    get(key) {
      const known = younger.get(key)
      if (known !== undefined) return known
      const before = older.get(key)
      if (before !== undefined) set(key, before)
      return before
    },
  }
}
