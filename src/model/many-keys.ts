/** A map with many keys: texts, or whole numbers from 0 below 2 ** 49. */
export type ManyKeys<K, V> = {
  get(key: K): V | undefined
  set(key: K, value: V): void
  delete(key: K): void
  values(): Iterable<V>
}

export function createManyKeys<K extends string | number, V>(): ManyKeys<K, V> {
  const texts = createTexts<V>()
  const numbers = createNumbers<V>()
  return {
    get: (key) => (typeof key === 'number' ? numbers.get(key) : texts.get(key)),
    set: (key, value) => (typeof key === 'number' ? numbers.set(key, value) : texts.set(key, value)),
    delete: (key) => (typeof key === 'number' ? numbers.delete(key) : texts.delete(key)),
    *values() {
      yield* texts.values()
      yield* numbers.values()
    },
  }
}

const shards = 64

/** Many small maps: a large one stops everything for a while each time it grows. */
function createTexts<V>(): ManyKeys<string, V> {
  const maps = Array.from({ length: shards }, () => new Map<string, V>())
  const mapOf = (key: string) => maps[shardOf(key)]!
  return {
    get: (key) => mapOf(key).get(key),
    set: (key, value) => void mapOf(key).set(key, value),
    delete: (key) => void mapOf(key).delete(key),
    *values() {
      for (const map of maps) yield* map.values()
    },
  }
}

/** The empty text has no character. */
const code = (key: string, at: number) => (at >= 0 && at < key.length ? key.charCodeAt(at) : 0)

const shardOf = (key: string): number =>
  (code(key, key.length - 1) * 7 + code(key, key.length >> 1) * 31 + key.length) % shards

/** so that both parts of a number are small integers, which V8 finds several times as fast as others */
const low = 2 ** 18

/** By the upper bits of a number, then the lower ones: neighbours, as the addresses of one maker are, share a map. */
function createNumbers<V>(): ManyKeys<number, V> {
  const maps = new Map<number, Map<number, V>>()
  const upper = (key: number) => Math.floor(key / low)
  return {
    get(key) {
      const high = upper(key)
      return maps.get(high)?.get(key - high * low)
    },
    set(key, value) {
      const high = upper(key)
      const map = maps.get(high) ?? new Map<number, V>()
      if (map.size === 0) maps.set(high, map)
      map.set(key - high * low, value)
    },
    delete(key) {
      const high = upper(key)
      const map = maps.get(high)
      map?.delete(key - high * low)
      if (map?.size === 0) maps.delete(high)
    },
    *values() {
      for (const map of maps.values()) yield* map.values()
    },
  }
}
