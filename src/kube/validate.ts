import { Type } from 'typebox'
import { AppError } from '../model/error.ts'
import type { Fault } from '../model/error.ts'
import { groupVersionOf } from '../model/kinds.ts'
import type { KindInfo } from '../model/kinds.ts'
import type { NewObject } from '../model/object.ts'
import { faultsOf } from '../model/validate.ts'
import { sameJson } from '../store/json.ts'
import { isLabelKey, isLabelValue } from './selector.ts'

type Json = Record<string, unknown>

const text = Type.Optional(Type.String())
const textMap = Type.Optional(Type.Record(Type.String(), Type.String()))

const MetaSchema = Type.Object({
  name: text,
  generateName: text,
  namespace: text,
  uid: text,
  resourceVersion: text,
  creationTimestamp: text,
  generation: Type.Optional(Type.Integer()),
  labels: textMap,
  annotations: textMap,
  finalizers: Type.Optional(Type.Array(Type.String())),
  ownerReferences: Type.Optional(
    Type.Array(
      Type.Object({
        apiVersion: Type.String(),
        kind: Type.String(),
        name: Type.String(),
        uid: Type.String(),
        controller: Type.Optional(Type.Boolean()),
        blockOwnerDeletion: Type.Optional(Type.Boolean()),
      }),
    ),
  ),
})

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The body of a create or an update as an object of its kind, without null fields: an absent field and a null one
 * mean the same, and Go clients write `creationTimestamp: null`.
 * @param name the name in the URL, when there is one
 * @throws AppError BadRequest when the body is not such an object, or says another name or namespace than the URL
 */
export function objectFrom(body: unknown, info: KindInfo, namespace: string, name?: string): NewObject {
  if (!isJson(body)) throw new AppError('BadRequest', 'the request body is not a JSON object')
  const tooLong = sizeFaults(body['metadata'])
  if (tooLong.length > 0) throw new AppError('Invalid', `${info.kind} is invalid`, { faults: tooLong })
  const object = withoutNulls(body) as Json
  const apiVersion = groupVersionOf(info)
  if ((object['kind'] ?? info.kind) !== info.kind || (object['apiVersion'] ?? apiVersion) !== apiVersion)
    throw new AppError(
      'BadRequest',
      `the body is ${String(object['apiVersion'])} ${String(object['kind'])}, expected ${apiVersion} ${info.kind}`,
    )
  const metadata = object['metadata'] ?? {}
  if (!isJson(metadata)) throw new AppError('BadRequest', 'metadata is not a JSON object')
  if ((metadata['namespace'] ?? namespace) !== namespace)
    throw new AppError(
      'BadRequest',
      `the namespace of the object (${String(metadata['namespace'])}) does not match the namespace on the URL (${namespace})`,
    )
  if (name !== undefined && (metadata['name'] ?? name) !== name)
    throw new AppError(
      'BadRequest',
      `the name of the object (${String(metadata['name'])}) does not match the name on the URL (${name})`,
    )
  return {
    ...object,
    apiVersion,
    kind: info.kind,
    metadata: { ...metadata, ...(name === undefined ? {} : { name }), namespace },
  } as NewObject
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isJson(value)) return value
  const kept = Object.entries(value).filter(([, inner]) => inner !== null)
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutNulls(inner)]))
}

/** Faults that are told; a hostile object may have a million. */
const maxFaults = 100

/**
 * Checks names, labels and everything that the kind's schema knows; fields it does not know are left alone. Of an update
 * only the parts that differ from `stored` are checked, so that an object of older rules can still be let go.
 * @throws AppError Invalid with every fault, at most 100
 */
export function checkObject(info: KindInfo, object: object, stored?: object): void {
  const { metadata, ...parts } = object as { metadata: unknown } & Json
  const tooLong = sizeFaults(metadata)
  const faults = tooLong.length > 0 ? tooLong : faultsOf(MetaSchema, metadata, 'metadata')
  if (faults.length === 0) faults.push(...nameFaults(info, object as NewObject))
  for (const [name, schema] of Object.entries(info.fields)) {
    const isSame = stored !== undefined && sameJson((stored as Json)[name], parts[name])
    if (parts[name] !== undefined && !isSame) faults.push(...faultsOf(schema, parts[name], name))
  }
  if (faults.length > 0)
    throw new AppError('Invalid', `${info.kind} is invalid`, { faults: faults.slice(0, maxFaults) })
}

/** Characters of all labels, and of all annotations, of one object. */
const maxMap = 256 * 1024

function sizeFaults(metadata: unknown): Fault[] {
  if (!isJson(metadata)) return []
  return ['labels', 'annotations'].flatMap((name): Fault[] => {
    const map = metadata[name]
    if (!isJson(map)) return []
    let size = 0
    for (const key in map) size += key.length + String(map[key]).length
    if (size <= maxMap) return []
    return [{ path: `metadata.${name}`, message: `Too long: must have at most ${maxMap} characters` }]
  })
}

function nameFaults(info: KindInfo, { metadata }: NewObject): Fault[] {
  const faults: Fault[] = []
  const fault = (path: string, value: string, expected: string) => {
    const message = `Invalid value: ${JSON.stringify(value.slice(0, 100))}: ${expected}`
    if (faults.length <= maxFaults) faults.push({ path, message })
  }
  const { name, namespace, labels = {}, annotations = {} } = metadata
  if (!name) faults.push({ path: 'metadata.name', message: 'Required value: name is required' })
  else if (name.length > 253 || !subdomain.test(name))
    fault('metadata.name', name, 'expected lower case letters, digits, "-" and "." (RFC 1123 subdomain)')
  const scope = info.kind === 'Namespace' ? name : namespace
  if (name && (info.namespaced || info.kind === 'Namespace') && !label.test(scope))
    fault(
      info.namespaced ? 'metadata.namespace' : 'metadata.name',
      scope,
      'expected at most 63 lower case letters, digits and "-" (RFC 1123 label)',
    )
  for (const [key, value] of Object.entries(labels)) {
    if (!isLabelKey(key)) fault('metadata.labels', key, 'expected a label key: [prefix/]name')
    if (!isLabelValue(value))
      fault('metadata.labels', value, 'expected at most 63 letters, digits, "-", "_" and "."')
  }
  for (const key of Object.keys(annotations))
    if (!isLabelKey(key.toLowerCase())) fault('metadata.annotations', key, 'expected a key: [prefix/]name')
  return faults
}
