import { isJsonObject } from '../store/json.ts'

/**
 * A set of places in a document, as a tree. Each key is one path element in the spelling of FieldsV1 (metav1):
 * `f:name` a field, `v:"text"` an item of a set, `k:{"uid":"…"}` an item of a keyed list. A place is in the set when its
 * node is a member; its parents need not be.
 */
export type FieldSet = { readonly member: boolean; readonly children: ReadonlyMap<string, FieldSet> }

/** What FieldsV1 looks like in JSON. */
export type FieldsJson = { [element: string]: FieldsJson }

const none: ReadonlyMap<string, FieldSet> = new Map()

export const emptySet: FieldSet = { member: false, children: none }
/** One place and nothing below it. */
export const leafSet: FieldSet = { member: true, children: none }

/** A set of the places below one place; children that are empty are left out. */
export function setOf(member: boolean, children: Iterable<readonly [string, FieldSet]>): FieldSet {
  const kept = [...children].filter(([, child]) => !isEmptySet(child))
  return kept.length === 0 ? (member ? leafSet : emptySet) : { member, children: new Map(kept) }
}

export const isEmptySet = ({ member, children }: FieldSet): boolean => !member && children.size === 0

export const childOf = (set: FieldSet, element: string): FieldSet => set.children.get(element) ?? emptySet

/** Places that are in `a` or in `b`. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b
  if (isEmptySet(b)) return a
  const children = new Map(a.children)
  for (const [element, child] of b.children) children.set(element, union(childOf(a, element), child))
  return { member: a.member || b.member, children }
}

/** Places that are in `a` and not in `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a) || isEmptySet(b)) return a
  const children = [...a.children].map(
    ([element, child]) => [element, difference(child, childOf(b, element))] as const,
  )
  return setOf(a.member && !b.member, children)
}

/** Places that are in both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a) || isEmptySet(b)) return emptySet
  const children = [...a.children].map(
    ([element, child]) => [element, intersection(child, childOf(b, element))] as const,
  )
  return setOf(a.member && b.member, children)
}

/** Whether both hold the same places. */
export function sameSet(a: FieldSet, b: FieldSet): boolean {
  if (a.member !== b.member || a.children.size !== b.children.size) return false
  return [...a.children].every(([element, child]) => sameSet(child, childOf(b, element)))
}

/** The same set and the parents of its places, as far as they are fields: who has `spec.a` has `spec`. */
export function withParents(set: FieldSet, member = set.member): FieldSet {
  const children = [...set.children].map(
    ([element, child]) => [element, withParents(child, child.member || element.startsWith('f:'))] as const,
  )
  return setOf(member, children)
}

/** A set as FieldsV1: a leaf is `{}`, a member with children has `.` among them. */
export function toFieldsV1(set: FieldSet): FieldsJson {
  const own: [string, FieldsJson][] = set.member && set.children.size > 0 ? [['.', {}]] : []
  const elements = [...set.children].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries([
    ...own,
    ...elements.map(([element, child]): [string, FieldsJson] => [element, toFieldsV1(child)]),
  ])
}

/** @returns `undefined` when `json` is not FieldsV1 */
export function fromFieldsV1(json: unknown): FieldSet | undefined {
  if (!isJsonObject(json)) return undefined
  const children = new Map<string, FieldSet>()
  for (const [element, inner] of Object.entries(json)) {
    if (element === '.') continue
    const child = isElement(element) ? nodeOf(inner) : undefined
    if (!child) return undefined
    children.set(element, child)
  }
  return { member: false, children }
}

function nodeOf(json: unknown): FieldSet | undefined {
  const set = fromFieldsV1(json)
  const leaf = set?.children.size === 0 || Object.hasOwn(json as object, '.')
  return set && { ...set, member: leaf }
}

function isElement(element: string): boolean {
  if (element.startsWith('f:')) return true
  if (!/^[vki]:/.test(element)) return false
  try {
    const value: unknown = JSON.parse(element.slice(2))
    return element.startsWith('k:') ? isJsonObject(value) : true
  } catch {
    return false
  }
}

/** Every place of a set as messages write it: `.metadata.finalizers[="x"]`, in the order of the set. */
export function pathsOf(set: FieldSet, prefix = ''): string[] {
  return [...set.children].flatMap(([element, child]) => {
    const path = prefix + shown(element)
    return [...(child.member ? [path] : []), ...pathsOf(child, path)]
  })
}

function shown(element: string): string {
  const text = element.slice(2)
  if (element.startsWith('f:')) return `.${text}`
  if (element.startsWith('v:')) return `[=${text}]`
  if (element.startsWith('i:')) return `[${text}]`
  const keys = Object.entries(JSON.parse(text) as Record<string, unknown>)
  return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`
}
