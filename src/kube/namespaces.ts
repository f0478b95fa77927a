import type { Clock } from '../model/clock.ts'
import { isCode } from '../model/error.ts'
import { resourceNameOf } from '../model/kinds.ts'
import type { KindInfo } from '../model/kinds.ts'
import type { NewObject } from '../model/object.ts'
import { createObject } from '../store/resource.ts'
import type { Store } from '../store/store.ts'
import { StatusError } from './status.ts'

export type NamespaceDeps = { store: Store; clock: Pick<Clock, 'now'>; newUid(): string }

/** Makes the Namespace when there is none: a namespace comes into being when it is first written to. */
export async function ensureNamespace(deps: NamespaceDeps, name: string): Promise<void> {
  if (await deps.store.get({ kind: 'Namespace', namespace: '', name })) return
  const object: NewObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, namespace: '' } }
  try {
    await createObject(deps.store, object, deps)
  } catch (error) {
    if (!isCode(error, 'AlreadyExists')) throw error
  }
}

/**
 * Lets an object be created in its namespace.
 * @throws StatusError 403 while the namespace is being deleted
 */
export async function enterNamespace(
  deps: NamespaceDeps,
  info: KindInfo,
  { namespace, name }: { namespace: string; name: string },
  dryRun: boolean,
): Promise<void> {
  if (!info.namespaced) return
  const found = await deps.store.get({ kind: 'Namespace', namespace: '', name: namespace })
  if (found?.metadata.deletionTimestamp) throw terminating(info, namespace, name)
  if (!found && !dryRun) await ensureNamespace(deps, namespace)
}

function terminating(info: KindInfo, namespace: string, name: string): StatusError {
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  const message = `namespace ${namespace} is being terminated`
  const text = `${resourceNameOf(info)} "${name}" is forbidden: ${why}`
  return new StatusError(403, 'Forbidden', text, {
    name,
    group: info.group,
    kind: info.plural,
    causes: [{ reason: 'NamespaceTerminating', message, field: 'metadata.namespace' }],
  })
}
