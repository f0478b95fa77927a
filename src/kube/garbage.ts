import type { KindInfo, KindName } from '../model/kinds.ts'
import type { KubeObject } from '../model/object.ts'
import type { Key } from '../store/store.ts'

/** Who belongs to whom, by uid. */
export type Ownership = {
  put(object: KubeObject): void
  remove(object: KubeObject): void
  /** objects that name this uid as an owner */
  dependentsOf(uid: string): Key[]
  /** all objects that have owners */
  dependents(): Key[]
}

const idOf = ({ kind, namespace, name }: Key) => `${kind}/${namespace}/${name}`

export const keyOfObject = ({ kind, metadata: { namespace, name } }: KubeObject): Key => ({
  kind: kind as KindName,
  namespace,
  name,
})

export function createOwnership(): Ownership {
  const byOwner = new Map<string, Map<string, Key>>()
  const owned = new Map<string, { key: Key; owners: readonly string[] }>()

  function forget(id: string) {
    for (const owner of owned.get(id)?.owners ?? []) {
      const group = byOwner.get(owner)
      group?.delete(id)
      if (group?.size === 0) byOwner.delete(owner)
    }
    owned.delete(id)
  }

  return {
    put(object) {
      const key = keyOfObject(object)
      const id = idOf(key)
      forget(id)
      const { ownerReferences = [] } = object.metadata
      if (ownerReferences.length === 0) return
      const owners = ownerReferences.map((reference) => reference.uid)
      owned.set(id, { key, owners })
      for (const owner of owners) {
        const group = byOwner.get(owner) ?? new Map<string, Key>()
        byOwner.set(owner, group.set(id, key))
      }
    },
    remove: (object) => forget(idOf(keyOfObject(object))),
    dependentsOf: (uid) => [...(byOwner.get(uid)?.values() ?? [])],
    dependents: () => [...owned.values()].map(({ key }) => key),
  }
}

/** One whom an object names as its owner: who has that name, if it is of a kind that is served, must have the uid. */
export type Owner = { key: Key | undefined; uid: string }

/**
 * Owners whose absence would doom an object; none when it has none, or is being deleted already.
 * @param kinds the kinds that are served
 */
export function ownersOf(
  { metadata }: KubeObject,
  kinds: readonly Pick<KindInfo, 'group' | 'kind' | 'namespaced'>[],
): Owner[] {
  const { ownerReferences = [], deletionTimestamp, namespace } = metadata
  if (deletionTimestamp !== undefined) return []
  return ownerReferences.map(({ apiVersion, kind, name, uid }) => {
    const info = kinds.find((known) => known.kind === kind && known.group === groupOf(apiVersion))
    const key = info && { kind: info.kind as KindName, namespace: info.namespaced ? namespace : '', name }
    return { key, uid }
  })
}

const groupOf = (apiVersion: string) => (apiVersion.includes('/') ? apiVersion.split('/')[0]! : '')
