import { AppError } from '../model/error.ts'
import type { KubeApp } from './app.ts'

type Json = Record<string, unknown>

/** How a field is read: text, bytes as base64, a truth value, a message, a map to text or bytes; `many` repeat. */
type Field =
  | { name: string; as: 'text' | 'base64' | 'bool' | 'textMap' | 'base64Map'; many?: true }
  | { name: string; as: Message; many?: true }
type Message = { readonly [number: number]: Field }

const text = (name: string): Field => ({ name, as: 'text' })
const texts = (name: string): Field => ({ name, as: 'text', many: true })

/** metav1.ObjectMeta, as far as a client may set it. */
const metadata: Field = {
  name: 'metadata',
  as: {
    1: text('name'),
    2: text('generateName'),
    3: text('namespace'),
    11: { name: 'labels', as: 'textMap' },
    12: { name: 'annotations', as: 'textMap' },
    14: texts('finalizers'),
  },
}

const resourceAttributes: Message = {
  1: text('namespace'),
  2: text('verb'),
  3: text('group'),
  4: text('version'),
  5: text('resource'),
  6: text('subresource'),
  7: text('name'),
}

/**
 * What kubectl 1.32 and newer sends as protobuf and in no other form: reviews of one's own rights, and what `kubectl
 * create` makes without a file. Field numbers are those of the generated.proto files of k8s.io/api.
 */
const messages: Readonly<Record<string, Message>> = {
  'authorization.k8s.io/v1/SelfSubjectAccessReview': {
    1: metadata,
    2: {
      name: 'spec',
      as: {
        1: { name: 'resourceAttributes', as: resourceAttributes },
        2: { name: 'nonResourceAttributes', as: { 1: text('path'), 2: text('verb') } },
      },
    },
  },
  'authorization.k8s.io/v1/SelfSubjectRulesReview': {
    1: metadata,
    2: { name: 'spec', as: { 1: text('namespace') } },
  },
  'authentication.k8s.io/v1/SelfSubjectReview': { 1: metadata },
  'v1/Secret': {
    1: metadata,
    2: { name: 'data', as: 'base64Map' },
    3: text('type'),
    4: { name: 'stringData', as: 'textMap' },
    5: { name: 'immutable', as: 'bool' },
  },
  'v1/Namespace': { 1: metadata, 2: { name: 'spec', as: { 1: texts('finalizers') } } },
}

export const protobufType = 'application/vnd.kubernetes.protobuf'

/** Bodies in protobuf become the objects that they would be in JSON. */
export function parseProtobuf(app: KubeApp): void {
  const type = /^application\/vnd\.kubernetes\.protobuf(;|$)/
  app.addContentTypeParser<Buffer>(type, { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, body.length === 0 ? undefined : objectOf(body))
    } catch (error) {
      done(error as Error)
    }
  })
}

const magic = Buffer.from('k8s\0', 'latin1')
/** runtime.Unknown */
const envelope: Message = {
  1: { name: 'type', as: { 1: text('apiVersion'), 2: text('kind') } },
  2: { name: 'raw', as: 'base64' },
}

/** @throws AppError BadRequest, UnsupportedMediaType for a kind that is not read in this form */
export function objectOf(body: Buffer): Json {
  if (!body.subarray(0, magic.length).equals(magic)) throw malformed('it does not begin with "k8s"')
  const { type, raw } = messageIn(body.subarray(magic.length), envelope)
  const { apiVersion, kind } = (type ?? {}) as { apiVersion?: string; kind?: string }
  const name = `${apiVersion ?? ''}/${kind ?? ''}`
  const message = Object.hasOwn(messages, name) ? messages[name] : undefined
  if (!message) {
    const wanted = 'accepted media types include: application/json'
    throw new AppError('UnsupportedMediaType', `${name} is not read as protobuf - ${wanted}`)
  }
  return { apiVersion, kind, ...messageIn(Buffer.from((raw ?? '') as string, 'base64'), message) }
}

/** The known fields; others are passed over, as protobuf wants it. */
function messageIn(bytes: Buffer, message: Message): Json {
  const found: Json = {}
  for (let at = 0; at < bytes.length;) {
    const tag = varint(bytes, at)
    const [number, wire] = [Math.floor(tag.value / 8), tag.value % 8]
    const part = valueAt(bytes, tag.end, wire)
    at = part.end
    const field = message[number]
    if (field && (field.as === 'bool') === (wire === 0)) put(found, field, part)
  }
  return found
}

type Part = { value: number; bytes: Buffer; end: number }

function put(into: Json, { name, as, many }: Field, { bytes, value }: Part): void {
  if (as === 'textMap' || as === 'base64Map') {
    const inner = as === 'textMap' ? text('value') : ({ name: 'value', as: 'base64' } as const)
    const entry = messageIn(bytes, { 1: text('key'), 2: inner }) as { key?: string; value?: string }
    const map = Object.hasOwn(into, name) ? (into[name] as Json) : {}
    into[name] = { ...map, ...Object.fromEntries([[entry.key ?? '', entry.value ?? '']]) }
    return
  }
  const read =
    as === 'bool' ? value !== 0 : as === 'base64' ? bytes.toString('base64') : textOrMessage(bytes, as)
  // An empty text is what a field is that was not given.
  if (read === '') return
  into[name] = many ? [...((into[name] as unknown[] | undefined) ?? []), read] : read
}

function textOrMessage(bytes: Buffer, as: 'text' | Message): string | Json {
  if (as !== 'text') return messageIn(bytes, as)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw malformed('a text is not UTF-8')
  }
}

const none = Buffer.alloc(0)

function valueAt(bytes: Buffer, at: number, wire: number): Part {
  if (wire === 0) return { ...varint(bytes, at), bytes: none }
  const head = wire === 2 ? varint(bytes, at) : undefined
  const length = head?.value ?? (wire === 1 ? 8 : wire === 5 ? 4 : Number.NaN)
  const start = head?.end ?? at
  if (!(start + length <= bytes.length)) throw malformed('a field ends behind its message')
  return { value: 0, bytes: bytes.subarray(start, start + length), end: start + length }
}

function varint(bytes: Buffer, at: number): { value: number; end: number } {
  let value = 0
  for (let index = 0; index < 10; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) break
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return { value, end: at + index + 1 }
  }
  throw malformed('a number does not end')
}

const malformed = (why: string) => new AppError('BadRequest', `the request body is not protobuf: ${why}`)
