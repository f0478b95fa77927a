import { AppError, isCode } from '../model/error.ts'
import type { KindInfo, KindName } from '../model/kinds.ts'
import type { KubeObject } from '../model/object.ts'
import { notFound } from '../store/failure.ts'
import { checkUid } from '../store/metadata.ts'
import { deleteObject, modifyObject } from '../store/resource.ts'
import { conflict, keyOf } from '../store/failure.ts'
import type { Request } from './app.ts'
import { servedKinds } from './discovery.ts'
import { listObjects } from './list.ts'
import { listOptions, parameter } from './options.ts'
import { renderList } from './representation.ts'
import { isDryRun, keyFor, placeOf, queryOf, shapeOf } from './request.ts'
import type { ResourceDeps } from './resources.ts'
import { StatusError } from './status.ts'
import { isJson } from './validate.ts'

/** DELETE on an object: a Status when it is gone, the object when something holds it. */
export async function remove(deps: ResourceDeps, info: KindInfo, request: Request): Promise<unknown> {
  const key = keyFor(info, placeOf(request))
  const { preconditions, dryRun, orphan } = deleteOptions(request)
  const found = await deps.store.get(key)
  if (!found) throw notFound(key)
  if (dryRun) {
    checkPreconditions(found, preconditions)
    return deleted(info, found)
  }
  if (orphan) {
    checkPreconditions(found, preconditions)
    await releaseDependents(deps, found)
  }
  const { object, gone } = await deleteObject(deps.store, key, preconditions, deps)
  return gone ? deleted(info, object) : object
}

/** Objects that are deleted at once; between two such groups others get their turn. */
const together = 200

/**
 * DELETE on a collection: everything that the selectors take, or with a `limit` that many of it and a token for the
 * rest; the answer is the list of it.
 */
export async function removeAll(deps: ResourceDeps, info: KindInfo, request: Request): Promise<unknown> {
  const { namespace } = placeOf(request)
  const shape = shapeOf(request)
  const { preconditions, dryRun, orphan } = deleteOptions(request)
  const options = listOptions(queryOf(request), info.kind)
  // A list of any version would be the whole one.
  const isAny = options.limit !== undefined && options.resourceVersion === 0
  const resourceVersion = isAny ? undefined : options.resourceVersion
  const list = await listObjects(deps.store, info, namespace, { ...options, resourceVersion })
  if (!dryRun)
    for (let at = 0; at < list.items.length; at += together) {
      const group = list.items.slice(at, at + together)
      if (orphan) for (const object of group) await releaseDependents(deps, object)
      await Promise.all(group.map((object) => removeOne(deps, object, preconditions.uid)))
    }
  return renderList(shape, info, list, deps.clock.now())
}

/** One that is gone already, or is another one by now, is none of this request's. */
async function removeOne(deps: ResourceDeps, object: KubeObject, uid: string | undefined): Promise<void> {
  try {
    await deleteObject(deps.store, keyOf(object), { uid: uid ?? object.metadata.uid }, deps)
  } catch (error) {
    const isOther = uid === undefined && isCode(error, 'Conflict')
    if (!isCode(error, 'NotFound') && !isOther) throw error
  }
}

const policies: ReadonlySet<unknown> = new Set(['Background', 'Foreground', 'Orphan'])

type DeleteOptions = {
  preconditions: { uid?: string; resourceVersion?: string }
  dryRun: boolean
  /** what belongs to the object stays */
  orphan: boolean
}

/**
 * metav1.DeleteOptions, in the body or the query. What belongs to an object goes after it (Background); Foreground,
 * which would have it go before, is the same.
 */
function deleteOptions(request: Request): DeleteOptions {
  const { body } = request
  if (body !== undefined && body !== null && !isJson(body))
    throw new AppError('BadRequest', 'the body of a DELETE is not a DeleteOptions object')
  const given = isJson(body) ? body : {}
  const { uid, resourceVersion } = isJson(given['preconditions']) ? given['preconditions'] : {}
  const policy = given['propagationPolicy'] ?? parameter(queryOf(request), 'propagationPolicy')
  if (policy !== undefined && !policies.has(policy)) throw unsupportedPolicy(policy)
  const dryRunBody = Array.isArray(given['dryRun']) && given['dryRun'].includes('All')
  return {
    dryRun: isDryRun(request) || dryRunBody,
    orphan: policy === 'Orphan' || (policy === undefined && given['orphanDependents'] === true),
    preconditions: {
      ...(typeof uid === 'string' ? { uid } : {}),
      ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
    },
  }
}

function unsupportedPolicy(policy: unknown): StatusError {
  const values = 'supported values: "Background", "Foreground", "Orphan"'
  const message = `Unsupported value: ${JSON.stringify(policy).slice(0, 100)}: ${values}`
  return new StatusError(
    422,
    'Invalid',
    `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: ${message}`,
    {
      group: 'meta.k8s.io',
      kind: 'DeleteOptions',
      causes: [{ reason: 'FieldValueNotSupported', message, field: 'propagationPolicy' }],
    },
  )
}

function checkPreconditions(
  found: KubeObject,
  { uid, resourceVersion }: DeleteOptions['preconditions'],
): void {
  checkUid(found, uid)
  if (resourceVersion !== undefined && resourceVersion !== found.metadata.resourceVersion)
    throw conflict(keyOf(found))
}

/** Takes the owner out of everything that belongs to it, so that it is not collected. */
async function releaseDependents({ store }: ResourceDeps, { metadata }: KubeObject): Promise<void> {
  const isOwner = ({ uid }: { uid: string }) => uid === metadata.uid
  for (const { kind, namespaced } of servedKinds) {
    const scope = namespaced && metadata.namespace !== '' ? metadata.namespace : undefined
    const { items } = await store.list(kind as KindName, scope)
    for (const item of items.filter((one) => one.metadata.ownerReferences?.some(isOwner)))
      await release(store, item, isOwner)
  }
}

async function release(
  store: ResourceDeps['store'],
  item: KubeObject,
  isOwner: (reference: { uid: string }) => boolean,
): Promise<void> {
  const withoutOwner = (current: KubeObject): KubeObject => {
    const ownerReferences = (current.metadata.ownerReferences ?? []).filter(
      (reference) => !isOwner(reference),
    )
    return { ...current, metadata: { ...current.metadata, ownerReferences } }
  }
  try {
    await modifyObject(store, keyOf(item), withoutOwner)
  } catch (error) {
    if (!isCode(error, 'NotFound')) throw error
  }
}

function deleted(info: KindInfo, { metadata }: KubeObject): object {
  const details = { name: metadata.name, group: info.group, kind: info.plural, uid: metadata.uid }
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }
}
