import { createHash } from 'node:crypto'
import { AppError } from '../model/error.ts'
import type { Fault } from '../model/error.ts'
import { ownerNameLabel, ownerNamespaceLabel, releasedAnnotation } from '../model/hardware.ts'
import type { KubeObject, NewObject, ObjectMeta } from '../model/object.ts'
import { conflict, keyOf, titleOf } from './failure.ts'
import { isJsonObject, maxDepth, nestsDeeperThan } from './json.ts'

type AnyObject = KubeObject | NewObject

const isText = (value: unknown) => typeof value === 'string'
const isTextMap = (value: unknown) => isJsonObject(value) && Object.values(value).every(isText)
const isTextList = (value: unknown) => Array.isArray(value) && value.every(isText)
const isObjectList = (value: unknown) => Array.isArray(value) && value.every(isJsonObject)

/** What a user may set in `metadata` besides the identity, with its shape; the rest is the store's. */
const userFields = {
  labels: { fits: isTextMap, shape: 'a map of texts' },
  annotations: { fits: isTextMap, shape: 'a map of texts' },
  finalizers: { fits: isTextList, shape: 'a list of texts' },
  ownerReferences: { fits: isObjectList, shape: 'a list of objects' },
  managedFields: { fits: isObjectList, shape: 'a list of objects' },
} as const satisfies Partial<Record<keyof ObjectMeta, { fits(value: unknown): boolean; shape: string }>>

/** RFC 3339 with seconds, Z. Many objects are made in one second. */
export function timestamp(epochMs: number): string {
  const second = Math.floor(epochMs / 1000)
  if (second !== last.second)
    last = { second, text: new Date(second * 1000).toISOString().replace('.000Z', 'Z') }
  return last.text
}

let last = { second: Number.NaN, text: '' }

/**
 * The fields of the metadata that its user may set; empty ones are left out, as Kubernetes does.
 * @throws AppError Invalid
 */
export function userMetadata(object: AnyObject): Partial<ObjectMeta> {
  const metadata: Readonly<Record<string, unknown>> = object.metadata
  const given = Object.entries(userFields).filter(([field]) => (metadata[field] ?? undefined) !== undefined)
  const faults = given
    .filter(([field, { fits }]) => !fits(metadata[field]))
    .map(([field, { shape }]) => ({ path: `metadata.${field}`, message: `must be ${shape}` }))
  if (faults.length > 0) throw invalid(object, faults)
  const filled = given.filter(([field]) => Object.keys(metadata[field] as object).length > 0)
  return Object.fromEntries(filled.map(([field]) => [field, metadata[field]]))
}

/** The fields of the metadata that only the store sets. */
export function storeMetadata(metadata: ObjectMeta): ObjectMeta {
  const kept = Object.entries(metadata).filter(([field]) => !Object.hasOwn(userFields, field))
  return Object.fromEntries(kept) as ObjectMeta
}

/** @throws AppError Conflict when `uid` is given and is not the stored one */
export function checkUid(stored: KubeObject, uid: string | undefined): void {
  const found = stored.metadata.uid
  if (!uid || uid === found) return
  throw conflict(
    keyOf(stored),
    `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${found}`,
  )
}

/** @throws AppError Invalid when finalizers are added while the object is being deleted */
export function checkFinalizers(stored: KubeObject, next: KubeObject): void {
  if (!stored.metadata.deletionTimestamp) return
  const known = stored.metadata.finalizers ?? []
  const added = (next.metadata.finalizers ?? []).filter((finalizer) => !known.includes(finalizer))
  if (added.length === 0) return
  const what = 'Forbidden: no new finalizers can be added if the object is being deleted, found'
  const message = `${what} ${JSON.stringify(added)}`
  throw invalid(stored, [{ path: 'metadata.finalizers', message }])
}

/**
 * Of two controllers that claim one Hardware at the same time, the second is told to look again.
 * @throws AppError Conflict
 */
export function checkClaim(stored: KubeObject, next: KubeObject): void {
  if (stored.kind !== 'Hardware') return
  const isTaken = (label: string) => {
    const [owner, claimant] = [stored.metadata.labels?.[label], next.metadata.labels?.[label]]
    return Boolean(owner) && Boolean(claimant) && owner !== claimant
  }
  if (![ownerNameLabel, ownerNamespaceLabel].some(isTaken)) return
  const owner = `${stored.metadata.labels?.[ownerNamespaceLabel] ?? ''}/${stored.metadata.labels?.[ownerNameLabel]}`
  throw conflict(keyOf(stored), `the hardware is claimed by ${owner}`)
}

/**
 * A Hardware that its owner lets go is marked with what userData it was left with: clients take their labels away and
 * leave the userData, which holds the secrets to join a cluster.
 */
export function markRelease(stored: KubeObject, next: KubeObject): KubeObject {
  const owner = ({ metadata }: KubeObject) => metadata.labels?.[ownerNameLabel]
  if (stored.kind !== 'Hardware' || !owner(stored) || owner(next)) return next
  const { userData } = (next.spec ?? {}) as { userData?: unknown }
  if (typeof userData !== 'string') return next
  const sha256 = createHash('sha256').update(userData).digest('hex')
  const annotations = { ...next.metadata.annotations, [releasedAnnotation]: sha256 }
  return { ...next, metadata: { ...next.metadata, annotations } }
}

/** @throws AppError Invalid */
export function checkDepth(object: AnyObject): void {
  if (!nestsDeeperThan(object, maxDepth)) return
  throw invalid(object, [{ path: '', message: `nested deeper than ${maxDepth} levels` }])
}

function invalid(object: AnyObject, faults: readonly Fault[]): AppError {
  const text = faults.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; ')
  return new AppError('Invalid', `${titleOf(keyOf(object))} is invalid: ${text}`, { faults })
}
