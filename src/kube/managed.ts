import type { KubeObject, NewObject } from '../model/object.ts'
import { isJsonObject } from '../store/json.ts'
import { apply, idOf, update } from './apply.ts'
import type { Conflict, Managed, Managers, Owner } from './apply.ts'
import { compare, fieldsOf } from './field-walk.ts'
import { difference, fromFieldsV1, isEmptySet, pathsOf, setOf, toFieldsV1, union } from './fields.ts'
import type { FieldSet } from './fields.ts'
import { StatusError } from './status.ts'

type Json = Record<string, unknown>
type AnyObject = KubeObject | NewObject

/** Who writes, and when. */
export type Writer = Owner & {
  /** RFC 3339, seconds */
  now: string
}

/** Updaters that are listed one by one; of more, the oldest share one entry. */
const maxUpdaters = 10
const ancient = 'ancient-changes'
/** Owner of what an object held before anybody's writes were kept apart. */
const before = 'before-first-apply'

/** metav1.ManagedFieldsEntry list of an object; `undefined` when there is none, or it is none. */
export function readManagers(entries: unknown): Managers | undefined {
  if (!Array.isArray(entries) || entries.length === 0) return undefined
  const owners = entries.map(readEntry)
  if (owners.includes(undefined)) return undefined
  return new Map((owners as Managed[]).map((owner) => [idOf(owner), owner]))
}

function readEntry(entry: unknown): Managed | undefined {
  if (!isJsonObject(entry)) return undefined
  const { manager, operation, apiVersion, time, subresource = '' } = entry
  const fields = fromFieldsV1(entry['fieldsV1'] ?? {})
  const isOperation = operation === 'Apply' || operation === 'Update'
  if (!isOperation || !fields || typeof manager !== 'string' || typeof apiVersion !== 'string')
    return undefined
  if (typeof subresource !== 'string' || (time !== undefined && typeof time !== 'string')) return undefined
  return { manager, operation, apiVersion, subresource, time, fields }
}

/** Owners as an object lists them: those who apply first, then by time and name. */
function writeManagers(managers: Managers): Json[] {
  const owners = [...managers.values()].map(ownable).filter(({ fields }) => !isEmptySet(fields))
  return capped(owners)
    .toSorted((a, b) => compareText(sortKey(a), sortKey(b)))
    .map(({ manager, operation, apiVersion, time, fields, subresource }) => ({
      manager,
      operation,
      apiVersion,
      ...(time === undefined ? {} : { time }),
      fieldsType: 'FieldsV1',
      fieldsV1: toFieldsV1(fields),
      ...(subresource === '' ? {} : { subresource }),
    }))
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
const sortKey = ({ operation, time = '', manager, apiVersion, subresource }: Managed) =>
  [operation, time, manager, apiVersion, subresource].join('\0')

function capped(owners: readonly Managed[]): Managed[] {
  const updaters = owners.filter(({ operation }) => operation === 'Update')
  if (updaters.length <= maxUpdaters) return [...owners]
  const byAge = updaters.toSorted((a, b) => compareText(a.time ?? '', b.time ?? ''))
  const old = byAge.slice(0, updaters.length - maxUpdaters + 1)
  const groups = new Map<string, Managed>()
  for (const owner of old) {
    const shared = { ...owner, manager: ancient }
    const known = groups.get(idOf(shared))
    groups.set(idOf(shared), { ...shared, fields: known ? union(known.fields, owner.fields) : owner.fields })
  }
  return [...owners.filter((owner) => !old.includes(owner)), ...groups.values()]
}

/** Metadata that clients own; the rest identifies the object or is the server's. */
const ownedMetadata = ['labels', 'annotations', 'finalizers', 'ownerReferences', 'generateName'] as const

/** The part of an object that a write to `subresource` is about. */
function viewOf(object: AnyObject | Json | undefined, subresource: string): Json {
  const { apiVersion: _a, kind: _k, metadata, status, ...rest } = (object ?? {}) as Json
  if (subresource === 'status') return status === undefined ? {} : { status }
  const given = isJsonObject(metadata) ? metadata : {}
  const fields = ownedMetadata.filter((field) => (given[field] ?? undefined) !== undefined)
  if (fields.length === 0) return rest
  return { ...rest, metadata: Object.fromEntries(fields.map((field) => [field, given[field]])) }
}

/** Everybody's metadata is nobody's; what is in it has owners. */
function ownable(owner: Managed): Managed {
  const { fields } = owner
  const metadata = fields.children.get('f:metadata')
  if (!metadata?.member) return owner
  const children = [...fields.children].map(
    ([element, child]) => [element, child === metadata ? { ...child, member: false } : child] as const,
  )
  return { ...owner, fields: setOf(fields.member, children) }
}

/**
 * `next`, which `writer` is about to store in place of `live`, with the owners of its fields. A client may set the list
 * itself (kubectl takes over what it applied in the old way); what is no such list is as if it were not given. An object
 * whose owners nobody ever kept stays without.
 * @param live `undefined` when it is created
 */
export function withManagers<T extends AnyObject>(live: KubeObject | undefined, next: T, writer: Writer): T {
  const { managedFields: given, ...metadata } = next.metadata
  const isReset = Array.isArray(given) && given.length === 1 && isEmptyEntry(given[0])
  const stored = readManagers(live?.metadata.managedFields)
  const known = isReset
    ? new Map()
    : ((writer.subresource === '' ? readManagers(given) : undefined) ?? stored)
  if (live && !known) return { ...next, metadata }
  const managers = update(
    viewOf(live, writer.subresource),
    viewOf(next, writer.subresource),
    known ?? new Map(),
    writer,
    writer.now,
  )
  return withList({ ...next, metadata } as T, writeManagers(managers))
}

/** `object` with this list of owners, or without when there is none. */
export function withList<T extends AnyObject>(object: T, owners: unknown[] | undefined): T {
  const { managedFields: _, ...metadata } = object.metadata
  const list = owners && owners.length > 0 ? { managedFields: owners } : {}
  return { ...object, metadata: { ...metadata, ...list } }
}

const isEmptyEntry = (entry: unknown) => isJsonObject(entry) && Object.keys(entry).length === 0

/**
 * `live` with the configuration `config` of `writer` applied.
 * @param live `undefined` when applying creates the object
 * @throws StatusError 409 with every field that another owner holds
 */
export function applied(
  live: KubeObject | undefined,
  config: NewObject,
  writer: Writer,
  force: boolean,
): KubeObject | NewObject {
  const { subresource, now } = writer
  const view = viewOf(live, subresource)
  const allowed = lastApplied(live, writer)
  const result = apply(view, viewOf(config, subresource), managersBefore(live, view, writer), writer, {
    now,
    force,
    ...(allowed ? { allowed } : {}),
  })
  if (result.conflicts) throw conflictsOf(result.conflicts)
  const managedFields = writeManagers(result.managers)
  const { metadata, ...content } = result.document as Json
  if (live && subresource === 'status') return withList({ ...live, ...content }, managedFields)
  const { apiVersion, kind } = config
  const identity = live ? identityOf(live.metadata) : config.metadata
  const next = {
    ...content,
    apiVersion,
    kind,
    metadata: { ...identity, ...(metadata as Json) },
    ...(live?.status === undefined ? {} : { status: live.status }),
  } as KubeObject
  return withList(allowed ? withLastApplied(next, config) : next, managedFields)
}

function identityOf(metadata: KubeObject['metadata']): KubeObject['metadata'] {
  const kept = Object.entries(metadata).filter(([field]) => !ownedMetadata.some((owned) => owned === field))
  return Object.fromEntries(kept) as KubeObject['metadata']
}

function managersBefore(live: KubeObject | undefined, view: Json, { apiVersion, now }: Writer): Managers {
  const known = readManagers(live?.metadata.managedFields)
  if (known || !live) return known ?? new Map()
  const first: Owner = { manager: before, operation: 'Update', apiVersion, subresource: '' }
  return update({}, view, new Map(), first, now)
}

const lastAppliedKey = 'kubectl.kubernetes.io/last-applied-configuration'

/**
 * What `kubectl apply` had applied in the old way, and nobody has changed since, is its own: `kubectl apply --server-side`
 * may change it.
 */
function lastApplied(live: KubeObject | undefined, { manager, subresource }: Writer): FieldSet | undefined {
  const text = live?.metadata.annotations?.[lastAppliedKey]
  if (manager !== 'kubectl' || subresource !== '' || text === undefined) return undefined
  try {
    const config = viewOf(JSON.parse(text) as Json, '')
    const { removed, modified } = compare(config, viewOf(live, ''))
    return difference(fieldsOf(config), union(removed, modified))
  } catch {
    return undefined
  }
}

/** Keeps what `kubectl apply` reads in step, so that it can still be used in the old way. */
function withLastApplied(next: KubeObject, config: NewObject): KubeObject {
  const { annotations } = next.metadata
  if (annotations?.[lastAppliedKey] === undefined) return next
  const { [lastAppliedKey]: _, ...others } = config.metadata.annotations ?? {}
  const text = `${JSON.stringify({ ...config, metadata: { ...config.metadata, annotations: others } })}\n`
  return { ...next, metadata: { ...next.metadata, annotations: { ...annotations, [lastAppliedKey]: text } } }
}

function conflictsOf(conflicts: readonly Conflict[]): StatusError {
  const all = conflicts.flatMap(({ owner, fields }) =>
    pathsOf(fields).map((field) => ({ owner: ownerText(owner), field })),
  )
  const causes = all.map(({ owner, field }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${owner}`,
    field,
  }))
  return new StatusError(409, 'Conflict', conflictMessage(all), { causes })
}

function conflictMessage(all: readonly { owner: string; field: string }[]): string {
  const [first] = all
  if (all.length === 1 && first)
    return `Apply failed with 1 conflict: conflict with ${first.owner}: ${first.field}`
  const owners = [...new Set(all.map(({ owner }) => owner))].toSorted()
  const lines = owners.flatMap((owner) => [
    `conflicts with ${owner}:`,
    ...all.filter((conflict) => conflict.owner === owner).map(({ field }) => `- ${field}`),
  ])
  return `Apply failed with ${all.length} conflicts: ${lines.join('\n')}`
}

function ownerText({ manager, operation, apiVersion, subresource, time }: Managed): string {
  const named = JSON.stringify(manager) + (subresource === '' ? '' : ` with subresource "${subresource}"`)
  if (operation === 'Apply') return named
  return `${named} using ${apiVersion}${time === undefined ? '' : ` at ${time}`}`
}
