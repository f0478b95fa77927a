import type { Write } from './plan.ts'

/** One field that an import sets to another value; of secrets only that they change. */
export type FieldChange = { kind: string; path: string; from?: unknown; to?: unknown; secret?: true }

/** What an import would do to one machine. */
export type Change = {
  line: number
  /** `namespace/name` of the Hardware */
  name: string
  action: 'added' | 'changed'
  /** of objects that exist; empty when the Hardware is new */
  fields: FieldChange[]
}

/** The fields in which the writes differ from what is stored. */
export function fieldChanges(writes: readonly Write[]): FieldChange[] {
  return writes.flatMap(({ before, after }) => {
    const { kind } = after
    if (!before) return kind === 'Hardware' ? [] : [{ kind, path: '', to: after.metadata.name }]
    const fields: FieldChange[] = []
    compare(before, after, '', (path, from, to) => {
      if (path.startsWith('.metadata.annotations')) return
      const at = { kind, path: path.slice(1) }
      if (isSecretPath(kind, path)) fields.push({ ...at, secret: true })
      else
        fields.push({ ...at, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) })
    })
    return fields
  })
}

const isSecretPath = (kind: string, path: string) =>
  kind === 'Secret' ? path.startsWith('.data') : /^\.spec\.(userData|vendorData)$/.test(path)

type Found = (path: string, from: unknown, to: unknown) => void

function compare(from: unknown, to: unknown, path: string, found: Found): void {
  if (from === to) return
  if (!isContainer(from) || !isContainer(to) || isShortList(from) || isShortList(to)) {
    if (JSON.stringify(from) !== JSON.stringify(to)) found(path, from, to)
    return
  }
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)]))
    compare(from[key], to[key], `${path}${step(key, Array.isArray(to))}`, found)
}

const step = (key: string, isIndex: boolean) => {
  if (isIndex) return `[${key}]`
  return /^[\w-]+$/.test(key) ? `.${key}` : `["${key}"]`
}

const isContainer = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/** Lists of plain values, such as name servers, are shown whole. */
const isShortList = (value: unknown) => Array.isArray(value) && !value.some(isContainer)
