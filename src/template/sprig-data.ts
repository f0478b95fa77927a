import { isEmpty, textOf, textsOf, toInt } from './cast.ts'
import { sliceOf } from './builtins.ts'
import { isDeepEqual } from './compare.ts'
import { fn, fnRest } from './func.ts'
import type { FuncTable, Spend } from './func.ts'
import { TemplateError, checkListLength, maxNesting } from './limits.ts'
import { fromJson, jsonText } from './serialize.ts'
import { GoStruct, sortedKeys, typeName } from './value.ts'
import type { Value, ValueMap } from './value.ts'

/** Sprig's functions on defaults, JSON and types. */
export const defaultFunctions: FuncTable = {
  default: fnRest(['any'], 'any', (otherwise, [given = null]) => (isEmpty(given) ? otherwise : given)),
  empty: fn(['any'], isEmpty),
  coalesce: fnRest([], 'any', (args) => args.find((arg) => !isEmpty(arg)) ?? null),
  all: fnRest([], 'any', (args) => !args.some(isEmpty)),
  any: fnRest([], 'any', (args) => args.some((arg) => !isEmpty(arg))),
  ternary: fn(['any', 'any', 'bool'], (yes, no, condition) => (condition ? yes : no)),
  toJson: fn(['any'], (value) => jsonText(value, { escapeHtml: true, indent: '' })),
  toRawJson: fn(['any'], (value) => jsonText(value, { escapeHtml: false, indent: '' })),
  toPrettyJson: fn(['any'], (value) => jsonText(value, { escapeHtml: true, indent: '  ' })),
  fromJson: fn(['string'], (text) => {
    try {
      return fromJson(text)
    } catch {
      return null
    }
  }),
  mustFromJson: fn(['string'], fromJson),
  deepCopy: fn(['any'], deepCopy),
  typeOf: fn(['any'], typeName),
  typeIs: fn(['string', 'any'], (type, value) => typeName(value) === type),
  typeIsLike: fn(['string', 'any'], (type, value) => [type, `*${type}`].includes(typeName(value))),
  kindOf: fn(['any'], kindOf),
  kindIs: fn(['string', 'any'], (kind, value) => kindOf(value) === kind),
  deepEqual: fn(['any', 'any'], isDeepEqual),
}

/** Sprig's functions on lists. */
export const listFunctions: FuncTable = {
  list: fnRest([], 'any', (items) => items),
  tuple: fnRest([], 'any', (items) => items),
  first: fn(['list'], (items) => items[0] ?? null),
  last: fn(['list'], (items) => items.at(-1) ?? null),
  rest: fn(['list'], (items) => items.slice(1)),
  initial: fn(['list'], (items) => items.slice(0, -1)),
  append: fn(['list', 'any'], appended),
  push: fn(['list', 'any'], appended),
  prepend: fn(['list', 'any'], (items, item) => checkedList([item, ...items])),
  concat: fnRest([], 'list', (lists) => {
    checkListLength(lists.reduce((sum, list) => sum + list.length, 0))
    return lists.flat(1)
  }),
  reverse: fn(['list'], (items) => items.toReversed()),
  compact: fn(['list'], (items) => items.filter((item) => !isEmpty(item))),
  chunk: fn(['int', 'list'], chunk),
  slice: fnRest(['any'], 'any', listSlice),
  has: fn(['any', 'list'], (item, items, spend) => includes(items, item, spend)),
  without: fnRest(['list'], 'any', (items, dropped, spend) =>
    items.filter((item) => !includes(dropped, item, spend)),
  ),
  uniq: fn(['list'], (items, spend) => {
    const kept: Value[] = []
    for (const item of items) if (!includes(kept, item, spend)) kept.push(item)
    return kept
  }),
}

/** Sprig's functions on maps; `keys` and `values` come sorted, where Go leaves the order open. */
export const mapFunctions: FuncTable = {
  dict: fnRest([], 'any', (args) => {
    const map: ValueMap = new Map()
    for (let i = 0; i < args.length; i += 2)
      map.set(textOf(args[i] ?? null), i + 1 < args.length ? (args[i + 1] ?? null) : '')
    return map
  }),
  get: fn(['map', 'string'], (map, key) => (map.has(key) ? (map.get(key) ?? null) : '')),
  set: fn(['map', 'string', 'any'], (map, key, value) => {
    checkListLength(map.size + 1)
    return map.set(key, value)
  }),
  unset: fn(['map', 'string'], (map, key) => {
    map.delete(key)
    return map
  }),
  hasKey: fn(['map', 'string'], (map, key) => map.has(key)),
  keys: fnRest([], 'map', (maps) => {
    checkListLength(maps.reduce((sum, map) => sum + map.size, 0))
    return maps.flatMap(sortedKeys)
  }),
  values: fn(['map'], (map) => sortedKeys(map).map((key) => map.get(key) ?? null)),
  pluck: fnRest(['string'], 'map', (key, maps) =>
    maps.flatMap((map) => (map.has(key) ? [map.get(key) ?? null] : [])),
  ),
  pick: fnRest(['map'], 'string', (map, names) => new Map([...map].filter(([key]) => names.includes(key)))),
  omit: fnRest(['map'], 'string', (map, names) => new Map([...map].filter(([key]) => !names.includes(key)))),
  dig: fnRest(['string'], 'any', dig),
  merge: fnRest(['map'], 'map', (target, sources, spend) => merged(target, sources, false, spend)),
  mergeOverwrite: fnRest(['map'], 'map', (target, sources, spend) => merged(target, sources, true, spend)),
}

/** A copy that shares nothing with `value`. */
function deepCopy(value: Value, spend: Spend, depth = 0): Value {
  spend(1)
  if (depth > maxNesting) throw new TemplateError(`value is nested deeper than ${maxNesting}`)
  const copy = (item: Value) => deepCopy(item, spend, depth + 1)
  if (Array.isArray(value)) return value.map(copy)
  return value instanceof Map ? new Map(Array.from(value, ([key, item]) => [key, copy(item)])) : value
}

/** Lists of `size` items; the last one may be shorter. */
function chunk(size: number, items: readonly Value[]): Value[] {
  if (size < 1) throw new TemplateError(`chunks of ${size} items, expected at least 1`)
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size))
}

/** Sprig's slice for lists, whose bounds may be of any type; Go's for texts, which Sprig refuses. */
function listSlice(list: Value, bounds: readonly Value[]): Value {
  if (!Array.isArray(list) || bounds.length > 2) return sliceOf(list, bounds)
  return list.length === 0 ? null : sliceOf(list, bounds.map(toInt))
}

function kindOf(value: Value): string {
  if (value === null) return 'invalid'
  if (value instanceof GoStruct) return value.goType.startsWith('*') ? 'ptr' : 'struct'
  if (value instanceof Map) return 'map'
  return Array.isArray(value) ? 'slice' : typeName(value)
}

function checkedList(items: Value[]): Value[] {
  checkListLength(items.length)
  return items
}

function appended(items: readonly Value[], item: Value): Value[] {
  return checkedList([...items, item])
}

function includes(items: readonly Value[], wanted: Value, spend: Spend): boolean {
  return items.some((item) => isDeepEqual(item, wanted, spend))
}

/** `dig "a" "b" otherwise map`: the value at a path of keys. */
function dig(firstKey: string, rest: readonly Value[]): Value {
  const map = rest.at(-1) ?? null
  const otherwise = rest.at(-2) ?? null
  if (rest.length < 2) throw new TemplateError('dig needs at least three arguments')
  let at: Value = map
  for (const key of [firstKey, ...textsOf(rest.slice(0, -2))]) {
    if (!(at instanceof Map)) throw new TemplateError(`dig: ${typeName(at)} where a map was expected`)
    const next: Value | undefined = at.get(key)
    if (next === undefined) return otherwise
    at = next
  }
  return at
}

/** Adds the entries of `sources` to `target`, nested maps too; what is set stays unless `overwrite`. */
function merged(target: ValueMap, sources: readonly ValueMap[], overwrite: boolean, spend: Spend): ValueMap {
  for (const source of sources) {
    spend(source.size)
    for (const [key, value] of source) {
      const old = target.get(key) ?? null
      if (old instanceof Map && value instanceof Map) merged(old, [value], overwrite, spend)
      else if (overwrite || isEmpty(old)) target.set(key, value)
    }
  }
  return target
}
