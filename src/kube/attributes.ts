import { isSet } from './options.ts'
import type { Query } from './options.ts'

/** What a request wants, as Kubernetes' authorizers see it. */
export type Attributes = ResourceAttributes | PathAttributes

export type ResourceAttributes = {
  path?: undefined
  /** get, list, watch, create, update, patch, delete, deletecollection */
  verb: string
  /** empty for the core group */
  group: string
  /** plural */
  resource: string
  subresource: string
  /** empty: at the cluster scope */
  namespace: string
  name: string
}

export type PathAttributes = { path: string; /** HTTP method in lower case */ verb: string }

const verbs: Readonly<Record<string, string>> = {
  HEAD: 'get',
  GET: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
}

/**
 * Segments of the path that a route stands for: its pattern with the request's parameters filled in, so that what is
 * authorized is what the handler sees, however the path was encoded.
 */
export function segmentsOf(pattern: string, params: Readonly<Record<string, string | undefined>>): string[] {
  const parts = pattern.split('/').slice(1)
  return parts.map((part) => {
    if (part === '*') return params['*'] ?? ''
    return part.startsWith(':') ? (params[part.slice(1)] ?? '') : part
  })
}

/**
 * `/api/v1/…` and `/apis/<group>/<version>/…` with a resource are resource requests, everything else is a path
 * (Kubernetes' RequestInfo).
 */
export function attributesOf(method: string, segments: readonly string[], query: Query): Attributes {
  const [root, group = ''] = segments
  if (root === 'api' && segments.length >= 3) return resourceRequest(method, '', segments.slice(2), query)
  if (root === 'apis' && segments.length >= 4) return resourceRequest(method, group, segments.slice(3), query)
  return { verb: method.toLowerCase(), path: `/${segments.join('/')}` }
}

/** Subresources of a Namespace; any other third segment is a resource inside it. */
const ofNamespace = new Set(['status', 'finalize'])

function resourceRequest(
  method: string,
  group: string,
  rest: readonly string[],
  query: Query,
): ResourceAttributes {
  const inNamespace = rest[0] === 'namespaces' && rest.length > 2 && !ofNamespace.has(rest[2]!)
  const namespace = rest[0] === 'namespaces' ? (rest[1] ?? '') : ''
  const [resource = '', name = '', ...subresource] = inNamespace ? rest.slice(2) : rest
  const verb = verbOf(method, name !== '', isSet(query, 'watch'))
  return { verb, group, resource, subresource: subresource.join('/'), namespace, name }
}

function verbOf(method: string, isNamed: boolean, isWatch: boolean): string {
  if (method === 'DELETE') return isNamed ? 'delete' : 'deletecollection'
  const verb = verbs[method] ?? method.toLowerCase()
  if (verb !== 'get' || isNamed) return verb
  return isWatch ? 'watch' : 'list'
}
