import type { Clock } from '../model/clock.ts'
import { AppError, isCode } from '../model/error.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import { conflict, keyOf, notFound, titleOf } from './failure.ts'
import { isJsonObject, maxDepth, nestsDeeperThan, sameJson } from './json.ts'
import {
  checkClaim,
  checkDepth,
  checkFinalizers,
  checkUid,
  markRelease,
  storeMetadata,
  timestamp,
  userMetadata,
} from './metadata.ts'
import { asBorn, asEmptied, asMarked, asUpdated, isHeld } from './namespace.ts'
import type { Key, Store } from './store.ts'

/** Times that a write without an expected version is tried against newer and newer objects. */
const maxAttempts = 100

/**
 * A new object as it is stored: generation 1, no status, nothing in the metadata that only the store may set.
 * @throws AppError BadRequest when it names a resourceVersion; Invalid when labels and the like have the wrong shape
 */
export function newObject(object: NewObject, made: { uid: string; now: number }): NewObject {
  checkDepth(object)
  return born(object, made)
}

function born(object: NewObject, made: { uid: string; now: number }): NewObject {
  const { metadata, status: _, ...rest } = object
  if (metadata.resourceVersion) {
    throw new AppError('BadRequest', 'resourceVersion should not be set on objects to be created')
  }
  return asBorn({
    ...rest,
    metadata: {
      name: metadata.name,
      namespace: metadata.namespace,
      ...(metadata.generateName ? { generateName: metadata.generateName } : {}),
      uid: made.uid,
      generation: 1,
      creationTimestamp: timestamp(made.now),
      ...userMetadata(object),
    },
  })
}

/**
 * `stored` with the content of `next`: everything but status, identity and what the store sets. The generation grows
 * when anything outside metadata and status changed.
 * @throws AppError Conflict when `next` has another uid, or takes a Hardware that somebody else has claimed; Invalid
 *   when it adds finalizers to an object that is being deleted
 */
export function replaced(stored: KubeObject, next: KubeObject): KubeObject {
  checkDepth(next)
  checkUid(stored, next.metadata.uid)
  const { metadata: _m, status: _s, ...content } = next
  const { metadata: kept, status, ...before } = stored
  const after = asUpdated(stored, { ...content, apiVersion: stored.apiVersion, kind: stored.kind })
  const isSame = sameJson(JSON.parse(JSON.stringify(after)), before)
  const generation = kept.generation + (isSame ? 0 : 1)
  const object: KubeObject = {
    ...after,
    metadata: { ...storeMetadata(kept), generation, ...userMetadata(next) },
    ...(status === undefined ? {} : { status }),
  }
  checkFinalizers(stored, object)
  checkClaim(stored, object)
  return markRelease(stored, object)
}

/** `stored` with another status and nothing else changed; `undefined` removes it. */
export function withStatus(stored: KubeObject, status: unknown): KubeObject {
  const { status: _, ...rest } = stored
  return (status ?? undefined) === undefined ? rest : { ...rest, status }
}

/** `stored` marked as being deleted; the same object when it already is. */
export function markedDeleted(stored: KubeObject, now: number): KubeObject {
  if (stored.metadata.deletionTimestamp) return stored
  const { generation } = stored.metadata
  const marks = {
    generation: generation + 1,
    deletionTimestamp: timestamp(now),
    deletionGracePeriodSeconds: 0,
  }
  return asMarked({ ...stored, metadata: { ...stored.metadata, ...marks } })
}

/** `patch` applied to `target` (RFC 7396): null deletes, objects merge, all else replaces. Neither is changed. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch
  const merged = new Map(isJsonObject(target) ? Object.entries(target) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key)
    else merged.set(key, mergePatch(merged.get(key), value))
  }
  // Object.fromEntries defines keys; an assignment to `__proto__` would set the prototype.
  return Object.fromEntries(merged)
}

/** @throws AppError AlreadyExists, BadRequest, Invalid (nested too deep) */
export async function createObject(
  store: Store,
  object: NewObject,
  deps: { clock: Pick<Clock, 'now'>; newUid(): string },
): Promise<KubeObject> {
  return store.create(newObject(object, { uid: deps.newUid(), now: deps.clock.now() }))
}

/**
 * Many new objects, each group whole when none of its objects exists yet, else not at all.
 * @param groups plain JSON of at most `maxDepth`, handed over: nobody changes it any more
 * @returns for each group whether it was stored
 * @throws AppError BadRequest, Invalid, TooLarge: then nothing is stored
 */
export async function createObjects(
  store: Store,
  groups: readonly (readonly NewObject[])[],
  deps: { clock: Pick<Clock, 'now'>; newUid(): string },
): Promise<boolean[]> {
  const now = deps.clock.now()
  return store.createAll(
    groups.map((group) => group.map((object) => born(object, { uid: deps.newUid(), now }))),
  )
}

export type ModifyOptions = {
  /** what the write is about; the rest of the changed object is ignored */
  subresource?: 'status'
  /** version that the object must still have; without it, the change is made again on the newest object */
  expected?: string
  /** looks at the object before it is written in place of `stored`, and throws when it may not be */
  check?: (next: KubeObject, stored: KubeObject) => void | Promise<void>
  /** the object as it is written, once it may be; changes only what its user does not see as content */
  finish?: (next: KubeObject, stored: KubeObject) => KubeObject
  /** says what would be stored, and stores nothing */
  dryRun?: boolean
}

/**
 * Reads an object, changes it and writes it under the rules of `replaced` or `withStatus`. A change that removes the
 * last finalizer of an object that is being deleted deletes it.
 * @param change called with a copy; may be called several times
 * @throws AppError NotFound, Conflict, Invalid, and what `change` and `check` throw
 */
export async function modifyObject(
  store: Store,
  key: Key,
  change: (current: KubeObject) => KubeObject,
  options: ModifyOptions = {},
): Promise<KubeObject> {
  return readAndWrite(store, key, options.expected, async (stored) => {
    const changed = change(structuredClone(stored))
    const changedOnly = options.subresource ? withStatus(stored, changed.status) : replaced(stored, changed)
    await options.check?.(changedOnly, stored)
    const next = options.finish?.(changedOnly, stored) ?? changedOnly
    return async () => (options.dryRun ? next : save(store, key, next, stored.metadata.resourceVersion))
  })
}

async function save(store: Store, key: Key, next: KubeObject, version: string): Promise<KubeObject> {
  if (!next.metadata.deletionTimestamp || isHeld(next)) return store.update(next, version)
  const { metadata } = await store.delete(key, version)
  return { ...next, metadata: { ...next.metadata, resourceVersion: metadata.resourceVersion } }
}

/** @param decide its own failures are final; only a version that moved on before its write is tried again */
async function readAndWrite<T>(
  store: Store,
  key: Key,
  expected: string | undefined,
  decide: (stored: KubeObject) => Promise<() => Promise<T>>,
): Promise<T> {
  const work = () => readAndWriteNow(store, key, expected, decide)
  return expected === undefined ? inTurn(store, key, work) : work()
}

async function readAndWriteNow<T>(
  store: Store,
  key: Key,
  expected: string | undefined,
  decide: (stored: KubeObject) => Promise<() => Promise<T>>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const stored = await store.get(key)
    if (!stored) throw notFound(key)
    if (expected !== undefined && stored.metadata.resourceVersion !== expected) throw conflict(key)
    const write = await decide(stored)
    try {
      return await write()
    } catch (error) {
      if (expected !== undefined || attempt === maxAttempts || !isCode(error, 'Conflict')) throw error
    }
  }
}

const queues = new WeakMap<Store, Map<string, Promise<unknown>>>()

/** Changes to the newest object, whatever it is, wait for each other: of many that read it at once, one could write. */
function inTurn<T>(store: Store, { kind, namespace, name }: Key, work: () => Promise<T>): Promise<T> {
  const queue = queues.get(store) ?? new Map<string, Promise<unknown>>()
  queues.set(store, queue)
  const id = `${kind}/${namespace}/${name}`
  const turn = queue.get(id)?.then(work) ?? work()
  const over = turn
    .catch(() => {})
    .then(() => {
      if (queue.get(id) === over) queue.delete(id)
    })
  queue.set(id, over)
  return turn
}

/**
 * Replaces an object's content (PUT).
 * @param expected version it must still have; without it the newest object is replaced, whatever it says
 * @throws AppError NotFound, Conflict, Invalid
 */
export function updateObject(
  store: Store,
  object: KubeObject,
  expected?: string,
  options: Omit<ModifyOptions, 'expected' | 'subresource'> = {},
): Promise<KubeObject> {
  return modifyObject(store, keyOf(object), () => object, { ...options, ...(expected ? { expected } : {}) })
}

/**
 * Replaces an object's status, and nothing else.
 * @param target a key: the newest object gets the status; an object: it must not have changed since it was read
 * @param expected version it must still have, instead of the target's own
 * @throws AppError NotFound, Conflict
 */
export function updateStatus(
  store: Store,
  target: Key | KubeObject,
  status: unknown,
  expected?: string,
): Promise<KubeObject> {
  const isObject = 'metadata' in target
  const version = expected ?? (isObject ? target.metadata.resourceVersion : undefined)
  return modifyObject(store, isObject ? keyOf(target) : target, (current) => ({ ...current, status }), {
    subresource: 'status',
    ...(version ? { expected: version } : {}),
  })
}

/**
 * Applies a JSON merge patch. One that carries `metadata.resourceVersion` is applied to that version only.
 * @throws AppError NotFound, Conflict, Invalid; BadRequest when the patch is no object or renames the object
 */
export async function patchObject(
  store: Store,
  key: Key,
  patch: unknown,
  options: Omit<ModifyOptions, 'expected'> = {},
): Promise<KubeObject> {
  if (!isJsonObject(patch)) throw new AppError('BadRequest', 'a merge patch must be a JSON object')
  if (nestsDeeperThan(patch, maxDepth)) {
    throw new AppError('Invalid', `the patch is nested deeper than ${maxDepth} levels`)
  }
  const change = (current: KubeObject) => patched(key, current, patch)
  return modifyObject(store, key, change, { ...options, ...lockOf(patch) })
}

/** What became of a deletion: `gone`, or marked and held back by finalizers. */
export type Deletion = { object: KubeObject; gone: boolean }

/**
 * @param preconditions uid and version the object must have
 * @throws AppError NotFound, Conflict
 */
export async function deleteObject(
  store: Store,
  key: Key,
  preconditions: { uid?: string; resourceVersion?: string },
  deps: { clock: Pick<Clock, 'now'> },
): Promise<Deletion> {
  const expected = preconditions.resourceVersion
  return readAndWrite<Deletion>(store, key, expected, async (stored) => {
    checkUid(stored, preconditions.uid)
    const version = stored.metadata.resourceVersion
    if (!isHeld(stored)) return async () => ({ object: await store.delete(key, version), gone: true })
    const marked = markedDeleted(stored, deps.clock.now())
    return async () => ({ object: await store.update(marked, version), gone: false })
  })
}

/**
 * Lets a Namespace go in which nothing is left. A finalizer of its user still holds it.
 * @param namespace as it was read, marked for deletion
 * @throws AppError NotFound, Conflict
 */
export async function releaseNamespace(store: Store, namespace: KubeObject): Promise<void> {
  await save(store, keyOf(namespace), asEmptied(namespace), namespace.metadata.resourceVersion)
}

function patched(key: Key, current: KubeObject, patch: Record<string, unknown>): KubeObject {
  return checkIdentity(key, current, mergePatch(current, patch))
}

/**
 * What a patch made of `current`, when it is still the same object.
 * @throws AppError BadRequest when it has another name, namespace or kind; Conflict when it has another version
 */
export function checkIdentity(key: Key, current: KubeObject, result: unknown): KubeObject {
  const merged = (isJsonObject(result) ? result : {}) as Partial<KubeObject>
  const { metadata } = merged
  if (!isJsonObject(metadata) || metadata.name !== key.name || metadata.namespace !== key.namespace) {
    throw new AppError('BadRequest', `the patch of ${titleOf(key)} would change its name or namespace`)
  }
  if (merged.kind !== current.kind || merged.apiVersion !== current.apiVersion) {
    throw new AppError('BadRequest', `the patch of ${titleOf(key)} would change its kind or apiVersion`)
  }
  const version = metadata.resourceVersion
  if (version && version !== current.metadata.resourceVersion) throw conflict(key)
  return merged as KubeObject
}

function lockOf(patch: Record<string, unknown>): { expected?: string } {
  const metadata = patch['metadata']
  const version = isJsonObject(metadata) ? (metadata['resourceVersion'] ?? '') : ''
  if (typeof version !== 'string') throw new AppError('BadRequest', 'metadata.resourceVersion must be text')
  return version === '' ? {} : { expected: version }
}
