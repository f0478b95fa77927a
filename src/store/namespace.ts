import type { Namespace } from '../model/namespace.ts'
import type { KubeObject, NewObject } from '../model/object.ts'

/** Holds a Namespace that is being deleted until what is in it is gone. */
const contents = 'kubernetes'
/** Every Namespace can be selected by its name. */
const nameLabel = 'kubernetes.io/metadata.name'

/** A new object; a Namespace is Active, and held while something is in it. */
export function asBorn<T extends NewObject>(object: T): T {
  if (object.kind !== 'Namespace') return object
  const { metadata } = object
  return {
    ...object,
    metadata: { ...metadata, labels: { ...metadata.labels, [nameLabel]: metadata.name } },
    spec: { finalizers: [contents] },
    status: { phase: 'Active' },
  }
}

/** The content of an update; who holds a Namespace is not its user's to say. */
export function asUpdated<T extends object>(stored: KubeObject, content: T): T {
  return stored.kind === 'Namespace' ? { ...content, spec: stored.spec } : content
}

/** An object that has been marked for deletion. */
export function asMarked(object: KubeObject): KubeObject {
  if (object.kind !== 'Namespace') return object
  return { ...object, status: { ...(object as Namespace).status, phase: 'Terminating' } }
}

/** A Namespace in which nothing is left. */
export function asEmptied(namespace: KubeObject): KubeObject {
  return { ...namespace, spec: {} }
}

/** Whether finalizers, or what is in a Namespace, hold a deletion back. */
export function isHeld(object: KubeObject): boolean {
  const { finalizers = [] } = object.metadata
  if (finalizers.length > 0) return true
  return object.kind === 'Namespace' && ((object as Namespace).spec?.finalizers ?? []).length > 0
}
