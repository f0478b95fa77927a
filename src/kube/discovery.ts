import { kinds } from '../model/kinds.ts'
import type { KindInfo } from '../model/kinds.ts'

/** All served kinds, in the order of the table. */
export const servedKinds: readonly KindInfo[] = Object.values(kinds)

/** `group/version` of every served kind, once each. */
export const groupVersions: readonly { group: string; version: string }[] = [
  ...new Map(servedKinds.map(({ group, version }) => [`${group}/${version}`, { group, version }])).values(),
]

const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch']
const statusVerbs = ['get', 'patch', 'update']

/** GET /api: the legacy group. */
export const apiVersions = { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] }

/** GET /api/v1: nothing of the legacy group can be listed or written. */
export const coreResources = { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'v1', resources: [] }

/** metav1.APIGroup of `group`, or `undefined` when it is not served. */
export function apiGroup(group: string): object | undefined {
  const versions = groupVersions
    .filter((entry) => entry.group === group)
    .map(({ version }) => ({ groupVersion: `${group}/${version}`, version }))
  if (versions.length === 0) return undefined
  return { kind: 'APIGroup', apiVersion: 'v1', name: group, versions, preferredVersion: versions[0] }
}

/** GET /apis: metav1.APIGroupList. */
export function apiGroupList(): object {
  const names = [...new Set(groupVersions.map(({ group }) => group))]
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: names.map(apiGroup) }
}

/** GET /apis/group/version: metav1.APIResourceList with a status entry beside each resource. */
export function apiResourceList(group: string, version: string): object | undefined {
  const served = servedKinds.filter((info) => info.group === group && info.version === version)
  if (served.length === 0) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: `${group}/${version}`,
    resources: served.flatMap((info) => [
      {
        name: info.plural,
        singularName: info.singular,
        namespaced: true,
        kind: info.kind,
        verbs,
        shortNames: info.shortNames,
        categories: info.categories,
      },
      {
        name: `${info.plural}/status`,
        singularName: '',
        namespaced: true,
        kind: info.kind,
        verbs: statusVerbs,
      },
    ]),
  }
}
