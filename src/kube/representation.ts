import { groupVersionOf } from '../model/kinds.ts'
import type { KindInfo } from '../model/kinds.ts'
import type { KubeObject } from '../model/object.ts'
import { AppError } from '../model/error.ts'
import type { List } from './list.ts'
import { partialMetadata, tableOf } from './table.ts'
import type { RowObject, TableStyle } from './table.ts'

/** The shape in which a client wants objects. */
export type Representation = { as: 'json' } | { as: 'metadata' } | ({ as: 'table' } & TableStyle)

/**
 * The first media range of `accept` that can be served.
 * @param includeObject query parameter of Table requests
 * @throws AppError NotAcceptable
 */
export function representationOf(accept: string | undefined, includeObject?: string): Representation {
  if (!accept) return { as: 'json' }
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    const values = new Map(parameters.map((part) => part.split('=', 2) as [string, string]))
    const found = choose(type, values, includeObject)
    if (found) return found
  }
  throw new AppError('NotAcceptable', 'only the following media types are accepted: application/json')
}

function choose(
  type: string,
  values: ReadonlyMap<string, string>,
  includeObject: string | undefined,
): Representation | undefined {
  if (!['application/json', 'application/*', '*/*'].includes(type)) return undefined
  const as = values.get('as')
  if (as === undefined) return { as: 'json' }
  const version = values.get('v') ?? ''
  if (values.get('g') !== 'meta.k8s.io') return undefined
  if (as === 'Table' && (version === 'v1' || version === 'v1beta1')) {
    const include: RowObject =
      includeObject === 'None' || includeObject === 'Object' ? includeObject : 'Metadata'
    return { as: 'table', version, include }
  }
  const partial = as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList'
  return partial && version === 'v1' ? { as: 'metadata' } : undefined
}

/** One object in the wanted shape. */
export function renderObject(
  shape: Representation,
  info: KindInfo,
  object: KubeObject,
  now: number,
  headers = true,
): object {
  if (shape.as === 'json') return object
  if (shape.as === 'metadata') return partialMetadata(object)
  return tableOf(info, [object], object.metadata.resourceVersion, { ...shape, now, headers })
}

/** A list in the wanted shape. */
export function renderList(shape: Representation, info: KindInfo, list: List, now: number): object {
  const metadata = {
    resourceVersion: String(list.version),
    ...(list.next === undefined ? {} : { continue: list.next }),
    ...(list.remaining === undefined ? {} : { remainingItemCount: list.remaining }),
  }
  if (shape.as === 'table')
    return {
      ...tableOf(info, list.items, metadata.resourceVersion, { ...shape, now, headers: true }),
      metadata,
    }
  if (shape.as === 'metadata') {
    const items = list.items.map((item) => partialMetadata(item))
    return { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items }
  }
  const apiVersion = groupVersionOf(info)
  return { kind: `${info.kind}List`, apiVersion, metadata, items: list.items }
}

/** The object of a BOOKMARK event: nothing but a version, and whether the initial events are through. */
export function renderBookmark(
  shape: Representation,
  info: KindInfo,
  version: number,
  initialEnd: boolean,
): object {
  const annotations = initialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}
  const metadata = { resourceVersion: String(version), creationTimestamp: null, ...annotations }
  if (shape.as === 'json') return { kind: info.kind, apiVersion: groupVersionOf(info), metadata }
  if (shape.as === 'metadata')
    return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata }
  const apiVersion = `meta.k8s.io/${shape.version}`
  return { kind: 'Table', apiVersion, metadata, columnDefinitions: [], rows: [] }
}
