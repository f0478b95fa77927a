import { AppError } from '../model/error.ts'
import type { Clock } from '../model/clock.ts'
import { groupVersionOf } from '../model/kinds.ts'
import type { KindInfo, KindName } from '../model/kinds.ts'
import { timestamp } from '../store/metadata.ts'
import type { Key } from '../store/store.ts'
import type { Reply, Request } from './app.ts'
import type { Writer } from './managed.ts'
import { isSet, parameter } from './options.ts'
import type { Query } from './options.ts'
import { protobufType } from './protobuf.ts'
import { representationOf } from './representation.ts'
import type { Representation } from './representation.ts'
import { StatusError } from './status.ts'
import { fieldValidationOf } from './strict.ts'
import type { FieldValidation } from './strict.ts'

export const queryOf = (request: Request): Query => request.query as Query

/** Namespace (empty for kinds that have none) and name in the path of a request. */
export function placeOf(request: Request): { namespace: string; name: string } {
  const { namespace = '', name = '' } = request.params as { namespace?: string; name?: string }
  return { namespace, name }
}

export const keyFor = (info: KindInfo, { namespace, name }: { namespace: string; name: string }): Key => ({
  kind: info.kind as KindName,
  namespace,
  name,
})

export const shapeOf = (request: Request): Representation =>
  representationOf(request.headers.accept, parameter(queryOf(request), 'includeObject'))

/** @throws AppError BadRequest for any `dryRun` but `All` */
export function isDryRun(request: Request): boolean {
  const value = parameter(queryOf(request), 'dryRun')
  if (value !== undefined && value !== 'All')
    throw new AppError('BadRequest', `dryRun: Unsupported value: "${value}": supported values: "All"`)
  return value === 'All'
}

/** Type of the body, in lower case, without parameters. */
export function mediaType(request: Request): string {
  return (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
}

/** @throws AppError UnsupportedMediaType */
export function unknownFormat(accepted: readonly string[]): AppError {
  const text = 'the body of the request was in an unknown format - accepted media types include:'
  return new AppError('UnsupportedMediaType', `${text} ${accepted.join(', ')}`)
}

const objectTypes = ['application/json', 'application/yaml']

/** @throws AppError UnsupportedMediaType when the body is not a JSON or YAML document */
export function requireObject(request: Request): void {
  const type = mediaType(request)
  if (type !== protobufType && !objectTypes.includes(type)) throw unknownFormat(objectTypes)
}

export type WriteOptions = {
  dryRun: boolean
  validation: FieldValidation
  writer: Writer
  /** takes fields over from other clients; only for apply */
  force: boolean
}

/** metav1.CreateOptions, UpdateOptions and PatchOptions of a request. @throws StatusError 422, AppError BadRequest */
export function writeOptions(
  request: Request,
  info: KindInfo,
  clock: Pick<Clock, 'now'>,
  how: { operation: Writer['operation']; subresource: string },
): WriteOptions {
  const query = queryOf(request)
  const given = parameter(query, 'fieldManager')
  if (given === undefined && how.operation === 'Apply')
    throw invalidOption('fieldManager', 'FieldValueRequired', 'Required value: is required for apply patch')
  const force = isSet(query, 'force')
  if (parameter(query, 'force') !== undefined && how.operation !== 'Apply')
    throw invalidOption('force', 'FieldValueForbidden', 'Forbidden: may not be specified for non-apply patch')
  return {
    dryRun: isDryRun(request),
    validation: fieldValidationOf(parameter(query, 'fieldValidation')),
    force,
    writer: {
      ...how,
      manager: given === undefined ? programOf(request) : checkedManager(given),
      apiVersion: groupVersionOf(info),
      now: timestamp(clock.now()),
    },
  }
}

const maxManager = 128

/** A client that gives no name is known by its program, as its User-Agent says. */
function programOf(request: Request): string {
  const name = (request.headers['user-agent'] ?? '').split('/')[0]!.replace(/[^\x20-\x7e]/g, '')
  return name.slice(0, maxManager) || 'unknown'
}

function checkedManager(manager: string): string {
  if (manager.length <= maxManager && /^\P{C}*$/u.test(manager)) return manager
  const expected = `at most ${maxManager} printable characters`
  const message = `Invalid value: ${JSON.stringify(manager.slice(0, 150))}: expected ${expected}`
  throw invalidOption('fieldManager', 'FieldValueInvalid', message)
}

function invalidOption(field: string, reason: string, message: string): StatusError {
  return new StatusError(422, 'Invalid', `PatchOptions.meta.k8s.io "" is invalid: ${field}: ${message}`, {
    group: 'meta.k8s.io',
    kind: 'PatchOptions',
    causes: [{ reason, message, field }],
  })
}

/** Characters of all warnings together: clients limit the size of headers. */
const maxWarnings = 4096

/** `Warning` headers (RFC 7234 §5.5), which kubectl prints. */
export function warn(reply: Reply, texts: readonly string[]): void {
  let room = maxWarnings
  const shown = texts.map(quoted).filter((text) => (room -= text.length) > 0)
  if (shown.length > 0) void reply.header('warning', shown)
}

function quoted(text: string): string {
  const plain = text.slice(0, 500).replace(/[^\x20-\x7e]/g, '?')
  return `299 - "${plain.replace(/["\\]/g, '\\$&')}"`
}
