import { groupVersionOf, kinds } from '../model/kinds.ts'
import type { KindInfo } from '../model/kinds.ts'
import { mediaRanges } from './accept.ts'
import { controlVerbs } from './workflow-control-verbs.ts'

/** All served kinds, in the order of the table. */
export const servedKinds: readonly KindInfo[] = Object.values(kinds)

export type GroupVersion = { group: string; version: string }

/** Group and version of every served kind, once each; the core group has an empty name. */
export const groupVersions: readonly GroupVersion[] = [
  ...new Map(servedKinds.map((info) => [groupVersionOf(info), info])).values(),
].map(({ group, version }) => ({ group, version }))

/** Kinds of one group and version, in the order of the table. */
export const kindsOf = ({ group, version }: GroupVersion): readonly KindInfo[] =>
  servedKinds.filter((info) => info.group === group && info.version === version)

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
/** Kubernetes deletes namespaces only one by one. */
export const verbsOf = ({ namespaced }: KindInfo): readonly string[] =>
  namespaced ? verbs : verbs.filter((verb) => verb !== 'deletecollection')

export type Subresource = { name: string; verbs: readonly string[] }

/** What can be written apart from the rest of an object. */
export function subresourcesOf({ kind, hasStatus }: KindInfo): readonly Subresource[] {
  const finalize = { name: 'finalize', verbs: ['update'] }
  const status = { name: 'status', verbs: ['get', 'patch', 'update'] }
  const steering = kind === 'Workflow' ? controlVerbs.map((name) => ({ name, verbs: ['create'] })) : []
  return [...(kind === 'Namespace' ? [finalize] : []), ...(hasStatus ? [status] : []), ...steering]
}

const namedGroups = [...new Set(groupVersions.map(({ group }) => group))].filter((group) => group !== '')

/** GET /api: metav1.APIVersions of the core group. */
export const apiVersions = {
  kind: 'APIVersions',
  versions: groupVersions.filter(({ group }) => group === '').map(({ version }) => version),
  serverAddressByClientCIDRs: [],
}

/** GET /apis/group: metav1.APIGroup, or `undefined` when it is not served. */
export function apiGroup(group: string): object | undefined {
  if (!namedGroups.includes(group)) return undefined
  const versions = groupVersions
    .filter((entry) => entry.group === group)
    .map((entry) => ({ groupVersion: groupVersionOf(entry), version: entry.version }))
  return { kind: 'APIGroup', apiVersion: 'v1', name: group, versions, preferredVersion: versions[0] }
}

/** GET /apis: metav1.APIGroupList. */
export function apiGroupList(): object {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: namedGroups.map(apiGroup) }
}

/** GET /apis/group/version and /api/version: metav1.APIResourceList with an entry of its own for each subresource. */
export function apiResourceList(wanted: GroupVersion): object | undefined {
  const served = kindsOf(wanted)
  if (served.length === 0) return undefined
  const resources = served.flatMap((info) => {
    const { namespaced, kind, plural: name, singular: singularName, shortNames, categories } = info
    const resource = { name, singularName, namespaced, kind, verbs: verbsOf(info), shortNames, categories }
    const inner = subresourcesOf(info).map((subresource) => ({
      name: `${name}/${subresource.name}`,
      singularName: '',
      namespaced,
      kind,
      verbs: subresource.verbs,
    }))
    return [resource, ...inner]
  })
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: groupVersionOf(wanted), resources }
}

const discoveryGroup = 'apidiscovery.k8s.io'
const discoveryVersions = ['v2', 'v2beta1'] as const
export type DiscoveryVersion = (typeof discoveryVersions)[number]

/**
 * The first form of discovery in `accept` that can be served: a version of the aggregated one, matched exactly, or
 * `plain`. A client that asks for neither gets plain JSON too, as it does from Kubernetes.
 */
export function discoveryForm(accept: string | undefined): DiscoveryVersion | 'plain' {
  for (const { type, parameters } of mediaRanges(accept)) {
    const isJson = ['application/json', 'application/*', '*/*'].includes(type)
    const as = parameters.get('as')
    if (isJson && as === undefined) return 'plain'
    const version = discoveryVersions.find((known) => known === parameters.get('v'))
    const isAggregated = as === 'APIGroupDiscoveryList' && parameters.get('g') === discoveryGroup
    if (type === 'application/json' && isAggregated && version) return version
  }
  return 'plain'
}

/** Content type of aggregated discovery, which clients compare with what they asked for. */
export const discoveryType = (version: DiscoveryVersion): string =>
  `application/json;g=${discoveryGroup};v=${version};as=APIGroupDiscoveryList`

/** GET /api (`core`) or /apis (`named`): apidiscovery APIGroupDiscoveryList; both versions have the same shape. */
export function aggregatedDiscovery(version: DiscoveryVersion, which: 'core' | 'named'): object {
  const groups = which === 'core' ? [''] : namedGroups
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `${discoveryGroup}/${version}`,
    metadata: {},
    items: groups.map((group) => ({
      metadata: group === '' ? {} : { name: group },
      versions: groupVersions
        .filter((entry) => entry.group === group)
        .map((entry) => ({
          version: entry.version,
          freshness: 'Current',
          resources: kindsOf(entry).map(resourceDiscovery),
        })),
    })),
  }
}

function resourceDiscovery(info: KindInfo): object {
  const { group, version, kind, shortNames, categories } = info
  const responseKind = { group, version, kind }
  const subresources = subresourcesOf(info).map(({ name, verbs }) => ({
    subresource: name,
    responseKind,
    verbs,
  }))
  return {
    resource: info.plural,
    responseKind,
    scope: info.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: info.singular,
    verbs: verbsOf(info),
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
    ...(subresources.length > 0 ? { subresources } : {}),
  }
}
