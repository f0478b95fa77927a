/** Levels of nesting that a stored document may have: recursion over it stays far from the stack's end. */
export const maxDepth = 200

/** Whether containers in `value` nest deeper than `limit`; it looks no deeper, so `value` may be hostile. */
export function nestsDeeperThan(value: unknown, limit: number): boolean {
  if (!isContainer(value)) return false
  if (limit === 0) return true
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key]
    if (typeof item === 'object' && nestsDeeperThan(item, limit - 1)) return true
  }
  return false
}

/** Whether two parsed JSON documents say the same; the order of keys does not matter. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (!isContainer(a) || !isContainer(b) || Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
}

/** Freezes a parsed JSON document with everything in it. */
export function deepFreeze<T>(value: T): T {
  if (!isContainer(value) || Object.isFrozen(value)) return value
  // Indexes of an array as keys would be texts: all watched changes pass here.
  if (Array.isArray(value)) for (const item of value) deepFreeze(item)
  else
    for (const key in value) {
      const item = (value as Record<string, unknown>)[key]
      if (typeof item === 'object') deepFreeze(item)
    }
  return Object.freeze(value)
}

/** A JSON object: not null, not an array. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return isContainer(value) && !Array.isArray(value)
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
