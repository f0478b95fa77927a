import type { TSchema } from 'typebox'
import { AppError } from '../model/error.ts'
import type { KindInfo } from '../model/kinds.ts'
import { isJsonObject } from '../store/json.ts'
import { duplicateFields } from './duplicates.ts'
import { StatusError } from './status.ts'

/** What unknown and repeated fields of a body mean (query parameter `fieldValidation`). */
export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

/** @throws StatusError 422 */
export function fieldValidationOf(text: string | undefined): FieldValidation {
  if (text === undefined) return 'Warn'
  if (text === 'Ignore' || text === 'Warn' || text === 'Strict') return text
  const message = `Unsupported value: ${JSON.stringify(text)}: supported values: "Ignore", "Strict", "Warn"`
  throw new StatusError(422, 'Invalid', `fieldValidation: ${message}`, {
    causes: [{ reason: 'FieldValueNotSupported', message, field: 'fieldValidation' }],
  })
}

/** Faults that are told; a body may have a million. */
const maxShown = 20

/** Parts of JSON Schema that say which fields there are. */
type Shape = {
  properties?: Readonly<Record<string, Shape>>
  patternProperties?: Readonly<Record<string, Shape>>
  additionalProperties?: unknown
  items?: Shape
  anyOf?: readonly Shape[]
}

const anything: Shape = {}
const ownerReference: Shape = {
  properties: Object.fromEntries(
    ['apiVersion', 'kind', 'name', 'uid', 'controller', 'blockOwnerDeletion'].map((name) => [name, anything]),
  ),
}
const metaFields = [
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'finalizers',
  'managedFields',
]
const meta: Shape = {
  properties: {
    ...Object.fromEntries(metaFields.map((name) => [name, anything])),
    ownerReferences: { items: ownerReference },
  },
}

/** Paths of fields in `object` that its kind does not have, such as `spec.disks[0].size`; at most 1000. */
export function unknownFields(info: Pick<KindInfo, 'fields'>, object: unknown): string[] {
  const fields = info.fields as Readonly<Record<string, TSchema & Shape>>
  const shape: Shape = { properties: { apiVersion: anything, kind: anything, metadata: meta, ...fields } }
  const found: string[] = []
  look(object, shape, '', found)
  return found
}

function look(value: unknown, shape: Shape, path: string, found: string[]): void {
  if (found.length >= 1000) return
  if (Array.isArray(value)) {
    const { items } = shape
    if (items) value.forEach((item, at) => look(item, items, `${path}[${at}]`, found))
    return
  }
  if (!isJsonObject(value)) return
  const { properties, patternProperties, additionalProperties, anyOf } = shape
  const isOpen = !properties || anyOf !== undefined || additionalProperties !== undefined
  const others = patternProperties && Object.values(patternProperties)[0]
  if (isOpen && !others && !properties) return
  for (const [name, inner] of Object.entries(value)) {
    const known = properties && Object.hasOwn(properties, name) ? properties[name] : others
    const innerPath = path === '' ? name : `${path}.${name}`
    if (known) look(inner, known, innerPath, found)
    else if (!isOpen) found.push(innerPath)
  }
}

/**
 * What `fieldValidation` has to say about a body.
 * @param known fields that were unknown before, and are none of this client's
 * @param text JSON text of the body
 */
export function fieldFaults(
  info: KindInfo,
  object: unknown,
  text: string | undefined,
  known: readonly string[] = [],
): string[] {
  const before = new Set(known)
  const twice = text === undefined ? [] : duplicateFields(text).map((path) => `duplicate field "${path}"`)
  const unknown = unknownFields(info, object)
    .filter((path) => !before.has(path))
    .map((path) => `unknown field "${path}"`)
  const faults = [...twice, ...unknown]
  const more = faults.length - maxShown
  return more > 0 ? [...faults.slice(0, maxShown), `and ${more} more`] : faults
}

/** The refusal of a body with faults, when they are to be refused. */
export function refuseFaults(
  info: KindInfo,
  validation: FieldValidation,
  faults: readonly string[],
  what: 'body' | 'patch',
): void {
  if (validation !== 'Strict' || faults.length === 0) return
  const text = `strict decoding error: ${faults.join(', ')}`
  if (what === 'patch')
    throw new AppError('Invalid', `patch is invalid: ${text}`, { faults: [{ path: 'patch', message: text }] })
  const { kind, version } = info
  throw new AppError('BadRequest', `${kind} in version "${version}" cannot be handled as a ${kind}: ${text}`)
}
