import { isJsonObject, sameJson } from '../store/json.ts'
import { childOf, emptySet, isEmptySet, leafSet, setOf } from './fields.ts'
import type { FieldSet } from './fields.ts'

/**
 * How documents merge (structured-merge-diff): objects field by field; a list as one value, unless it is named here as
 * a set of texts or as a list whose items are told apart by the field `key`.
 */
type Shape = { list?: 'set' | { key: string }; fields?: Readonly<Record<string, Shape>> }

/** Kubernetes objects: finalizers are a set, owner references are told apart by uid. */
const objectShape: Shape = {
  fields: {
    metadata: { fields: { finalizers: { list: 'set' }, ownerReferences: { list: { key: 'uid' } } } },
  },
}

type Item = { value: unknown; shape: Shape | undefined }
/** What is inside a value, by path element; `undefined` for what merges as one value. */
type Items = ReadonlyMap<string, Item> | undefined

function itemsOf(value: unknown, shape: Shape | undefined): Items {
  if (isJsonObject(value)) {
    const fields = Object.entries(value)
    return new Map(
      fields.map(([name, inner]) => [`f:${name}`, { value: inner, shape: fieldOf(shape, name) }]),
    )
  }
  const list = shape?.list
  if (!Array.isArray(value) || list === undefined) return undefined
  const elements = value.map((item) => elementOf(item, list))
  if (elements.includes(undefined)) return undefined
  return new Map(value.map((item, at) => [elements[at]!, { value: item, shape: undefined }]))
}

function fieldOf(shape: Shape | undefined, name: string): Shape | undefined {
  return shape?.fields && Object.hasOwn(shape.fields, name) ? shape.fields[name] : undefined
}

function elementOf(item: unknown, list: NonNullable<Shape['list']>): string | undefined {
  if (list === 'set') return typeof item === 'string' ? `v:${JSON.stringify(item)}` : undefined
  const key = isJsonObject(item) ? item[list.key] : undefined
  return typeof key === 'string' ? `k:${JSON.stringify({ [list.key]: key })}` : undefined
}

const isListItem = (element: string) => !element.startsWith('f:')

/** Every place in `document` that a client who applies it owns: values, empty objects, items of sets. */
export function fieldsOf(document: unknown): FieldSet {
  return { ...ownedIn(document, objectShape), member: false }
}

function ownedIn(value: unknown, shape: Shape | undefined, member = false): FieldSet {
  const items = itemsOf(value, shape)
  if (!items || (items.size === 0 && isJsonObject(value))) return leafSet
  const children = [...items].map(
    ([element, item]) => [element, ownedIn(item.value, item.shape, isListItem(element))] as const,
  )
  return setOf(member, children)
}

/** Every place in a value, itself and all containers included. */
function allIn(value: unknown, shape: Shape | undefined): FieldSet {
  const items = itemsOf(value, shape) ?? new Map<string, Item>()
  return setOf(
    true,
    [...items].map(([element, item]) => [element, allIn(item.value, item.shape)] as const),
  )
}

/** Places where two documents differ. */
export type Comparison = { added: FieldSet; removed: FieldSet; modified: FieldSet }

const same: Comparison = { added: emptySet, removed: emptySet, modified: emptySet }

/** What changed from `before` to `after`. */
export function compare(before: unknown, after: unknown): Comparison {
  return compareAt({ value: before, shape: objectShape }, { value: after, shape: objectShape })
}

function compareAt(before: Item | undefined, after: Item | undefined): Comparison {
  if (!before) return { ...same, added: after ? allIn(after.value, after.shape) : emptySet }
  if (!after) return { ...same, removed: allIn(before.value, before.shape) }
  const [a, b] = [itemsOf(before.value, before.shape), itemsOf(after.value, after.shape)]
  if (!a && !b) return sameJson(before.value, after.value) ? same : { ...same, modified: leafSet }
  const elements = new Set([...(a?.keys() ?? []), ...(b?.keys() ?? [])])
  const inner = [...elements].map(
    (element) => [element, compareAt(a?.get(element), b?.get(element))] as const,
  )
  const gather = (part: keyof Comparison, member = false) =>
    setOf(
      member,
      inner.map(([element, found]) => [element, found[part]] as const),
    )
  // A value that became an object, or the other way round, is modified itself.
  return { added: gather('added'), removed: gather('removed'), modified: gather('modified', !a || !b) }
}

/** `live` with everything that `applied` says laid over it; neither is changed. */
export function mergeDocuments(live: unknown, applied: unknown): unknown {
  return mergeAt(live, applied, objectShape)
}

function mergeAt(live: unknown, applied: unknown, shape: Shape | undefined): unknown {
  if (applied === undefined) return live
  if (isJsonObject(live) && isJsonObject(applied)) {
    const merged = new Map(Object.entries(live))
    for (const [name, value] of Object.entries(applied))
      merged.set(name, mergeAt(merged.get(name), value, fieldOf(shape, name)))
    return Object.fromEntries(merged)
  }
  const [old, added] = [itemsOf(live, shape), itemsOf(applied, shape)]
  if (!Array.isArray(live) || !Array.isArray(applied) || !old || !added) return applied
  const merged = new Map([...old].map(([element, item]) => [element, item.value]))
  for (const [element, item] of added)
    merged.set(element, mergeAt(merged.get(element), item.value, item.shape))
  return [...merged.values()]
}

/** `document` without the places of `set`, each with all that is below it. */
export function removeFields(document: unknown, set: FieldSet): unknown {
  return removeAt(document, set, objectShape)
}

function removeAt(value: unknown, set: FieldSet, shape: Shape | undefined): unknown {
  const items = itemsOf(value, shape)
  if (!items || isEmptySet(set)) return value
  const kept = [...items].filter(([element]) => !childOf(set, element).member)
  const next = kept.map(
    ([element, item]) => [element, removeAt(item.value, childOf(set, element), item.shape)] as const,
  )
  if (Array.isArray(value)) return next.map(([, inner]) => inner)
  return Object.fromEntries(next.map(([element, inner]) => [element.slice(2), inner]))
}
