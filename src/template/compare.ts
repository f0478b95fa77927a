import { TemplateError } from './limits.ts'
import { GoStruct, compareText, typeName } from './value.ts'
import type { Value } from './value.ts'

/** Go's eq of two values: scalars of one type by value, nil only equal to nil; lists, maps and structs cannot be compared. */
export function isEqual(a: Value, b: Value): boolean {
  if (a === null || b === null) return a === b
  if (typeof a === 'object' || typeof b === 'object') {
    throw new TemplateError(`non-comparable type ${typeName(typeof a === 'object' ? a : b)}`)
  }
  if (typeof a !== typeof b) {
    throw new TemplateError(`incompatible types for comparison: ${typeName(a)} and ${typeName(b)}`)
  }
  return a === b
}

/** Go's lt: numbers of one type, and texts. */
export function isLess(a: Value, b: Value): boolean {
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b
  if (typeof a === 'number' && typeof b === 'number') return a < b
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b) < 0
  const bad = [a, b].find(
    (value) => value === null || typeof value === 'object' || typeof value === 'boolean',
  )
  if (bad !== undefined) throw new TemplateError(`invalid type for comparison: ${typeName(bad)}`)
  throw new TemplateError(`incompatible types for comparison: ${typeName(a)} and ${typeName(b)}`)
}

/** Whether two values are the same in type and content, to any depth (Go's reflect.DeepEqual). */
export function isDeepEqual(a: Value, b: Value, spend: (steps: number) => void): boolean {
  spend(1)
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => isDeepEqual(item, b[i] ?? null, spend))
  }
  if (a instanceof Map && b instanceof Map) {
    return (
      a.size === b.size &&
      [...a].every(([key, item]) => b.has(key) && isDeepEqual(item, b.get(key) ?? null, spend))
    )
  }
  if (a instanceof GoStruct && b instanceof GoStruct) {
    if (a.goType !== b.goType) return false
    return [...a.fields].every(([name, field]) =>
      isDeepEqual(field.value, b.fields.get(name)?.value ?? null, spend),
    )
  }
  return a === b
}
