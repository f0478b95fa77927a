import type { Part } from '../lifecycle.ts'
import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { isCode } from '../model/error.ts'
import type { Event } from '../model/event.ts'
import type { KindName } from '../model/kinds.ts'
import type { KubeObject } from '../model/object.ts'
import { pagesOf } from '../store/pages.ts'
import { deleteObject, releaseNamespace } from '../store/resource.ts'
import type { Change, Key, Store } from '../store/store.ts'
import { servedKinds } from './discovery.ts'
import { createEventBound, eventLimits } from './event-bound.ts'
import { createOwnership, keyOfObject, ownersOf } from './garbage.ts'
import { ensureNamespace } from './namespaces.ts'
import { createQueue } from './queue.ts'
import type { Queue } from './queue.ts'

export type CollectorDeps = {
  store: Store
  clock: Clock
  newUid(): string
  log: Pick<Logger, 'info' | 'warn' | 'error'>
  /** default: an hour, 10,000 */
  events?: typeof eventLimits
}

/** Objects that are deleted at a time. */
const atOnce = 50
/** How often Events are looked through, ms. */
const roundMs = 60_000
/** What the collector knows of the store, from one list of everything on. */
type View = {
  ownership: ReturnType<typeof createOwnership>
  events: ReturnType<typeof createEventBound>
  namespaces: Set<string>
  terminating: Set<string>
  /** namespaces in which something is, or was */
  used: Set<string>
}

/**
 * Deletes what nobody else does: objects whose owners are all gone, what is in a namespace that is being deleted and
 * then the namespace, Events that are old or too many. Makes the Namespace of what others write straight into the store.
 * It begins from a list of everything, so that nothing is missed that happened while it did not run.
 */
export function collector(deps: CollectorDeps): Part {
  return async (signal) => {
    const queue = createQueue(deps, signal)
    const working = queue.run()
    try {
      while (!signal.aborted) await listAndWatch(deps, queue, signal)
    } finally {
      queue.end()
      await working
    }
  }
}

async function listAndWatch(deps: CollectorDeps, queue: Queue, signal: AbortSignal): Promise<void> {
  try {
    const since = await deps.store.version()
    const view = await survey(deps)
    await follow(deps, view, queue, deps.store.watch(since, signal))
  } catch (error) {
    if (!isCode(error, 'Expired')) throw error
    deps.log.info({ why: error.message }, 'collector lists again')
  }
}

async function survey(deps: CollectorDeps): Promise<View> {
  const view = createView(deps)
  for (const { kind } of servedKinds)
    for await (const { items } of pagesOf(deps.store, kind as KindName))
      for (const object of items) putObject(view, object)
  return view
}

async function follow(
  deps: CollectorDeps,
  view: View,
  queue: Queue,
  changes: AsyncIterable<Change>,
): Promise<void> {
  const timer = setInterval(() => drop(deps, queue, view.events.expired(deps.clock.now())), roundMs).unref()
  let inStep = false
  try {
    for await (const change of changes) {
      if (change.type !== 'synced') note(view, change)
      if (change.type === 'synced') {
        inStep = true
        lookAtEverything(deps, view, queue)
      } else if (inStep) react(deps, view, queue, change)
    }
  } finally {
    clearInterval(timer)
  }
}

function createView({ events = eventLimits }: CollectorDeps): View {
  return {
    ownership: createOwnership(),
    events: createEventBound(events),
    namespaces: new Set(),
    terminating: new Set(),
    used: new Set(),
  }
}

function note(view: View, change: Exclude<Change, { type: 'synced' }>): void {
  if (change.type === 'put') putObject(view, change.object)
  else removeObject(view, change.object)
}

function putObject(view: View, object: KubeObject): void {
  const { name, namespace, deletionTimestamp } = object.metadata
  view.ownership.put(object)
  if (object.kind === 'Event') view.events.put(object as Event)
  if (namespace !== '') view.used.add(namespace)
  if (object.kind !== 'Namespace') return
  view.namespaces.add(name)
  if (deletionTimestamp !== undefined) view.terminating.add(name)
}

function removeObject(view: View, object: KubeObject): void {
  view.ownership.remove(object)
  if (object.kind === 'Event') view.events.remove(object as Event)
  if (object.kind !== 'Namespace') return
  const { name } = object.metadata
  for (const names of [view.namespaces, view.terminating, view.used]) names.delete(name)
}

function lookAtEverything(deps: CollectorDeps, view: View, queue: Queue): void {
  for (const key of view.ownership.dependents()) judge(deps, queue, key)
  for (const name of view.used) if (!view.namespaces.has(name)) ensure(deps, queue, name)
  for (const name of view.terminating) empty(deps, queue, name)
  drop(deps, queue, view.events.surplus())
  drop(deps, queue, view.events.expired(deps.clock.now()))
}

function react(
  deps: CollectorDeps,
  view: View,
  queue: Queue,
  change: Exclude<Change, { type: 'synced' }>,
): void {
  const { object } = change
  const { namespace, name, uid } = object.metadata
  if (view.terminating.has(namespace)) empty(deps, queue, namespace)
  if (change.type === 'delete') {
    for (const key of view.ownership.dependentsOf(uid)) judge(deps, queue, key)
    return
  }
  if (object.metadata.ownerReferences) judge(deps, queue, keyOfObject(object))
  if (namespace !== '' && !view.namespaces.has(namespace)) ensure(deps, queue, namespace)
  if (view.terminating.has(name) && object.kind === 'Namespace') empty(deps, queue, name)
  if (object.kind === 'Event') drop(deps, queue, view.events.surplus())
}

/** Deletes the object when its owners are all gone by the time it is its turn. */
function judge(deps: CollectorDeps, queue: Queue, key: Key): void {
  const { store, log } = deps
  queue.add(`owned ${key.kind} ${key.namespace}/${key.name}`, async () => {
    const object = await store.get(key)
    if (!object || !(await isDoomed(store, object))) return
    const { uid, resourceVersion } = object.metadata
    await deleteObject(store, key, { uid, resourceVersion }, deps)
    log.info(
      { ...key, owners: object.metadata.ownerReferences?.map(({ name }) => name) },
      'object deleted after its owners',
    )
  })
}

/**
 * Whether all owners of an object are gone. An owner of a kind that is not served here counts as there: nobody here
 * knows. So does one that is being deleted, until it is gone.
 */
async function isDoomed(store: Store, object: KubeObject): Promise<boolean> {
  const owners = ownersOf(object, servedKinds)
  for (const { key, uid } of owners) if (!key || (await store.get(key))?.metadata.uid === uid) return false
  return owners.length > 0
}

function ensure(deps: CollectorDeps, queue: Queue, name: string): void {
  queue.add(`used ${name}`, () => ensureNamespace(deps, name))
}

/** Deletes what is in a namespace that is being deleted; once nothing is left, lets the namespace go. */
function empty(deps: CollectorDeps, queue: Queue, name: string): void {
  const { store, log } = deps
  queue.add(`namespace ${name}`, async () => {
    const namespace = await store.get({ kind: 'Namespace', namespace: '', name })
    if (!namespace?.metadata.deletionTimestamp) return
    let left = 0
    for (const { kind } of servedKinds.filter(({ namespaced }) => namespaced)) {
      const { items } = await store.list(kind as KindName, name)
      for (let at = 0; at < items.length; at += atOnce)
        left += await deleteAll(deps, items.slice(at, at + atOnce))
    }
    if (left > 0) return
    await releaseNamespace(store, namespace)
    log.info({ namespace: name }, 'namespace deleted')
  })
}

/** @returns how many are still there, held by finalizers */
async function deleteAll(deps: CollectorDeps, objects: readonly KubeObject[]): Promise<number> {
  const isLeft = await Promise.all(
    objects.map(async (object) => {
      if (object.metadata.deletionTimestamp) return true
      try {
        return !(await deleteObject(deps.store, keyOfObject(object), {}, deps)).gone
      } catch (error) {
        if (!isCode(error, 'NotFound')) throw error
        return false
      }
    }),
  )
  return isLeft.filter(Boolean).length
}

function drop({ store }: CollectorDeps, queue: Queue, events: readonly Key[]): void {
  for (const key of events)
    queue.add(`event ${key.namespace}/${key.name}`, async () => {
      await store.delete(key)
    })
}
