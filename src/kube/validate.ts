import { Type } from 'typebox'
import type { TSchema } from 'typebox'
import { AppError } from '../model/error.ts'
import type { Fault } from '../model/error.ts'
import type { KindInfo } from '../model/kinds.ts'
import type { NewObject } from '../model/object.ts'
import { faultsOf } from '../model/validate.ts'
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
  const object = withoutNulls(body) as Json
  const apiVersion = `${info.group}/${info.version}`
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

/**
 * Checks names, labels and everything that the kind's schema knows; fields it does not know are left alone.
 * @throws AppError Invalid with every fault
 */
export function checkObject(info: KindInfo, object: unknown): void {
  const faults = faultsOf(schemaOf(info), object)
  if (faults.length === 0) faults.push(...nameFaults(object as NewObject))
  if (faults.length > 0) throw new AppError('Invalid', `${info.kind} is invalid`, { faults })
}

const schemas = new Map<KindInfo, TSchema>()

function schemaOf(info: KindInfo): TSchema {
  const known = schemas.get(info)
  if (known) return known
  const schema = Type.Object({
    metadata: MetaSchema,
    spec: Type.Optional(info.spec),
    status: Type.Optional(info.status),
  })
  schemas.set(info, schema)
  return schema
}

function nameFaults({ metadata }: NewObject): Fault[] {
  const faults: Fault[] = []
  const fault = (path: string, value: string, expected: string) =>
    faults.push({ path, message: `Invalid value: ${JSON.stringify(value.slice(0, 100))}: ${expected}` })
  if (!metadata.name) faults.push({ path: 'metadata.name', message: 'Required value: name is required' })
  else if (metadata.name.length > 253 || !subdomain.test(metadata.name))
    fault(
      'metadata.name',
      metadata.name,
      'expected lower case letters, digits, "-" and "." (RFC 1123 subdomain)',
    )
  if (!label.test(metadata.namespace))
    fault(
      'metadata.namespace',
      metadata.namespace,
      'expected at most 63 lower case letters, digits and "-" (RFC 1123 label)',
    )
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    if (!isLabelKey(key)) fault('metadata.labels', key, 'expected a label key: [prefix/]name')
    if (!isLabelValue(value))
      fault('metadata.labels', value, 'expected at most 63 letters, digits, "-", "_" and "."')
  }
  for (const key of Object.keys(metadata.annotations ?? {}))
    if (!isLabelKey(key.toLowerCase())) fault('metadata.annotations', key, 'expected a key: [prefix/]name')
  return faults
}
