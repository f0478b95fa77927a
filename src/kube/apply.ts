import { sameJson } from '../store/json.ts'
import { compare, fieldsOf, mergeDocuments, removeFields } from './field-walk.ts'
import { difference, emptySet, intersection, isEmptySet, sameSet, union, withParents } from './fields.ts'
import type { FieldSet } from './fields.ts'

/** Who owns fields: one client, by its name, for one way of writing. */
export type Owner = {
  manager: string
  operation: 'Apply' | 'Update'
  apiVersion: string
  /** empty for the object itself */
  subresource: string
}

export type Managed = Owner & {
  /** RFC 3339, seconds; when its fields last changed */
  time: string | undefined
  fields: FieldSet
}

/** Owners of the fields of one object, by `idOf`. */
export type Managers = ReadonlyMap<string, Managed>

/** Applying twice under another version of the API is the same owner; updating is not. */
export function idOf({ manager, operation, apiVersion, subresource }: Owner): string {
  return JSON.stringify([operation, subresource, manager, operation === 'Apply' ? '' : apiVersion])
}

export type Conflict = { owner: Managed; fields: FieldSet }

export type Applied =
  | { document: unknown; managers: Managers; conflicts?: never }
  | { conflicts: readonly Conflict[] }

export type ApplyOptions = {
  /** RFC 3339, seconds */
  now: string
  /** takes fields from those who own them */
  force: boolean
  /** fields that may be taken without `force` */
  allowed?: FieldSet
}

/**
 * Server-side apply: lays `config` over `live`; drops what `self` applied the last time, does not apply now, and nobody
 * else owns. A field of another owner that would change is a conflict.
 */
export function apply(
  live: unknown,
  config: unknown,
  managers: Managers,
  self: Owner,
  { now, force, allowed }: ApplyOptions,
): Applied {
  const id = idOf(self)
  const last = managers.get(id)
  const fields = fieldsOf(config)
  const next = new Map(managers).set(id, { ...self, time: last?.time, fields })
  const merged = mergeDocuments(live, config)
  const document = last ? pruned(merged, next, last.fields) : merged
  const { added, removed, modified } = compare(live, document)
  const changed = union(added, modified)
  const conflicts = conflictsOf(next, id, allowed ? difference(changed, allowed) : changed)
  if (!force && conflicts.length > 0) return { conflicts }
  const others = withoutFields(next, union(changed, removed), id)
  const isSame = last !== undefined && sameSet(last.fields, fields) && sameJson(live, document)
  const mine = { ...self, time: isSame ? last.time : now, fields }
  if (isEmptySet(fields)) others.delete(id)
  else others.set(id, mine)
  return { document, managers: others }
}

/** Owners after `self` wrote `after` in place of `before` in any way but apply: what it changed is its own now. */
export function update(
  before: unknown,
  after: unknown,
  managers: Managers,
  self: Owner,
  now: string,
): Managers {
  const { added, removed, modified } = compare(before, after)
  const changed = union(added, modified)
  const left = withoutFields(managers, union(changed, removed))
  if (isEmptySet(changed)) return left
  const id = idOf(self)
  const fields = union(left.get(id)?.fields ?? changed, changed)
  return left.set(id, { ...self, time: now, fields })
}

function conflictsOf(managers: Managers, self: string, changed: FieldSet): Conflict[] {
  return [...managers]
    .filter(([id]) => id !== self)
    .map(([, owner]) => ({ owner, fields: intersection(owner.fields, changed) }))
    .filter(({ fields }) => !isEmptySet(fields))
}

/** @param except an owner who keeps its fields */
function withoutFields(managers: Managers, gone: FieldSet, except?: string): Map<string, Managed> {
  const left = [...managers].map(([id, owner]): [string, Managed] =>
    id === except ? [id, owner] : [id, { ...owner, fields: difference(owner.fields, gone) }],
  )
  return new Map(left.filter(([, { fields }]) => !isEmptySet(fields)))
}

/** `merged` without what `last` applied and no owner of `managers`, the new applier included, has any more. */
function pruned(merged: unknown, managers: Managers, last: FieldSet): unknown {
  const gone = withParents(last)
  const owned = [...managers.values()].reduce((set, { fields }) => union(set, withParents(fields)), emptySet)
  const whole = withParents(fieldsOf(merged))
  const rest = withParents(fieldsOf(removeFields(merged, gone)))
  const unowned = difference(whole, union(rest, owned))
  const kept = withParents(fieldsOf(removeFields(merged, unowned)))
  return removeFields(merged, intersection(difference(whole, kept), gone))
}
