/** A map with many keys. */
export type ManyKeys<K, V> = {
  get(key: K): V | undefined
  set(key: K, value: V): void
  delete(key: K): void
  values(): Iterable<V>
}

const shards = 64

/** Many small maps: a large one stops everything for a while each time it grows. */
export function createManyKeys<K extends string | number, V>(): ManyKeys<K, V> {
  const maps = Array.from({ length: shards }, () => new Map<K, V>())
  const mapOf = (key: K) => maps[shardOf(key)]!
  return {
    get: (key) => mapOf(key).get(key),
    set: (key, value) => void mapOf(key).set(key, value),
    delete: (key) => void mapOf(key).delete(key),
    *values() {
      for (const map of maps) yield* map.values()
    },
  }
}

function shardOf(key: string | number): number {
  if (typeof key === 'number') return key & (shards - 1)
  if (key === '') return 0
  return (key.charCodeAt(key.length - 1) * 7 + key.charCodeAt(key.length >> 1) * 31 + key.length) % shards
}
