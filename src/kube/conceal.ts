import { rulesOf } from './roles.ts'
import type { Role } from './caller.ts'
import { isJson } from './validate.ts'

type Json = Record<string, unknown>

/** What `kubectl apply` keeps of the object it was given, secrets included. */
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

/** Whether `role` sees objects of `kind` only in part. */
export const isConcealed = (role: Role, kind: string): boolean => rulesOf[role].conceals.includes(kind)

/**
 * Leaves out of answers about `kind` what `role` may not see; `undefined` when it may see everything. Streams, which no
 * hook sees, apply it themselves.
 */
export function concealer(role: Role | undefined, kind: string): ((answer: object) => object) | undefined {
  if (role === undefined || !isConcealed(role, kind)) return undefined
  return (answer) => conceal(kind, answer) as object
}

/**
 * An answer without its secret parts: an object of `kind`, a list or a Table of them, or their metadata alone. Other
 * objects (a Status) are returned as they are.
 */
export function conceal(kind: string, answer: unknown): unknown {
  if (!isJson(answer)) return answer
  if (Array.isArray(answer['items']))
    return { ...answer, items: answer['items'].map((item) => concealed(kind, item)) }
  if (Array.isArray(answer['rows']))
    return {
      ...answer,
      rows: answer['rows'].map((row) =>
        isJson(row) && 'object' in row ? { ...row, object: concealed(kind, row['object']) } : row,
      ),
    }
  return concealed(kind, answer)
}

function concealed(kind: string, object: unknown): unknown {
  if (!isJson(object)) return object
  const own = object['kind']
  // Items of a list may leave their kind out.
  if (own !== undefined && own !== kind && own !== 'PartialObjectMetadata') return object
  const { metadata, ...rest } = object
  const shown = kind === 'Secret' ? withoutData(rest) : withoutUserData(rest)
  return isJson(metadata) ? { ...shown, metadata: withoutLastApplied(kind, metadata) } : shown
}

function withoutData({ data: _data, stringData: _stringData, ...rest }: Json): Json {
  return rest
}

const mask = '***'

/** userData holds the tokens with which a machine joins its cluster. */
function withoutUserData(object: Json): Json {
  const { spec } = object
  if (!isJson(spec)) return object
  const shown = masked(spec, ['userData', 'vendorData'])
  const { metadata } = shown
  if (!isJson(metadata) || !isJson(metadata['instance'])) return { ...object, spec: shown }
  const instance = masked(metadata['instance'], ['userdata', 'crypted_root_password'])
  return { ...object, spec: { ...shown, metadata: { ...metadata, instance } } }
}

function masked(from: Json, names: readonly string[]): Json {
  const present = names.filter((name) => Object.hasOwn(from, name) && from[name] !== '')
  return { ...from, ...Object.fromEntries(present.map((name) => [name, mask])) }
}

function withoutLastApplied(kind: string, metadata: Json): Json {
  const { annotations } = metadata
  if (!isJson(annotations) || !Object.hasOwn(annotations, lastApplied)) return metadata
  const { [lastApplied]: text, ...others } = annotations
  const safe = withoutSecrets(kind, text)
  return { ...metadata, annotations: safe === undefined ? others : { ...others, [lastApplied]: safe } }
}

/** `undefined` for a text that is not an object of `kind`. */
function withoutSecrets(kind: string, text: unknown): string | undefined {
  try {
    const applied: unknown = JSON.parse(String(text))
    if (!isJson(applied) || applied['kind'] !== kind) return undefined
    return JSON.stringify(concealed(kind, applied))
  } catch {
    return undefined
  }
}
