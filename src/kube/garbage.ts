import type { KindInfo, KindName } from '../model/kinds.ts'
import type { KubeObject, OwnerReference } from '../model/object.ts'
import type { Key } from '../store/store.ts'

/** Who belongs to whom, by uid. */
export type Ownership = {
  put(object: KubeObject): void
  remove(object: KubeObject): void
  /** objects that name this uid as an owner */
  dependentsOf(uid: string): Key[]
  /** all objects that have owners */
  dependents(): Key[]
  /**
   * Whether all owners of an object are gone. An owner of a kind that is not served here counts as there: nobody here
   * knows. So does one that is being deleted, until it is gone.
   */
  isDoomed(object: KubeObject): boolean
}

const idOf = ({ kind, namespace, name }: Key) => `${kind}/${namespace}/${name}`

export const keyOfObject = ({ kind, metadata: { namespace, name } }: KubeObject): Key => ({
  kind: kind as KindName,
  namespace,
  name,
})

/** @param kinds the kinds that are served */
export function createOwnership(
  kinds: readonly Pick<KindInfo, 'group' | 'kind' | 'namespaced'>[],
): Ownership {
  /** uid of every object, and the namespace in which it can own others; `undefined`: in all */
  const scopes = new Map<string, string | undefined>()
  const byOwner = new Map<string, Map<string, Key>>()
  const owned = new Map<string, { key: Key; owners: readonly string[] }>()

  const kindOf = ({ apiVersion, kind }: Pick<OwnerReference, 'apiVersion' | 'kind'>) =>
    kinds.find((info) => info.kind === kind && info.group === groupOf(apiVersion))

  function forget(key: Key) {
    const id = idOf(key)
    for (const owner of owned.get(id)?.owners ?? []) {
      const group = byOwner.get(owner)
      group?.delete(id)
      if (group?.size === 0) byOwner.delete(owner)
    }
    owned.delete(id)
  }

  const isThere = (uid: string, namespace: string) =>
    scopes.has(uid) && [undefined, namespace].includes(scopes.get(uid))

  return {
    put(object) {
      const key = keyOfObject(object)
      const { uid, namespace, ownerReferences = [] } = object.metadata
      scopes.set(uid, namespace === '' ? undefined : namespace)
      forget(key)
      if (ownerReferences.length === 0) return
      const owners = ownerReferences.map((reference) => reference.uid)
      owned.set(idOf(key), { key, owners })
      for (const owner of owners) {
        const group = byOwner.get(owner) ?? new Map<string, Key>()
        byOwner.set(owner, group.set(idOf(key), key))
      }
    },
    remove(object) {
      scopes.delete(object.metadata.uid)
      forget(keyOfObject(object))
    },
    dependentsOf: (uid) => [...(byOwner.get(uid)?.values() ?? [])],
    dependents: () => [...owned.values()].map(({ key }) => key),
    isDoomed({ metadata }) {
      const { ownerReferences = [], deletionTimestamp, namespace } = metadata
      if (ownerReferences.length === 0 || deletionTimestamp !== undefined) return false
      return ownerReferences.every(
        (reference) => kindOf(reference) !== undefined && !isThere(reference.uid, namespace),
      )
    },
  }
}

const groupOf = (apiVersion: string) => (apiVersion.includes('/') ? apiVersion.split('/')[0]! : '')
