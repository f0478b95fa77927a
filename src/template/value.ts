import { TemplateError, maxNesting } from './limits.ts'

/** A value as a template sees it: `bigint` is Go's int, `number` its float64, `null` both nil and "no value". */
export type Value = null | boolean | string | bigint | number | Value[] | ValueMap | GoStruct
export type ValueMap = Map<string, Value>

/** One field of a Go struct; `json` is its name in JSON, where zero values are left out when it differs from the Go name. */
export type StructField = { json: string; value: Value }

/** A method of a Go value; arguments are already checked in number, not in type. @throws TemplateError */
export type Method = { params: number; call: (...args: Value[]) => Value }

/** What a Go type has besides fields: methods, and the text that its String method gives. */
export type Behaviour = { methods: ReadonlyMap<string, Method>; text: string }

/** A Go struct: its fields have Go names, and asking for any other field or method is a fault. */
export class GoStruct {
  readonly goType: string
  readonly fields: ReadonlyMap<string, StructField>
  readonly behaviour: Behaviour | undefined

  constructor(goType: string, fields: ReadonlyMap<string, StructField>, behaviour?: Behaviour) {
    this.goType = goType
    this.fields = fields
    this.behaviour = behaviour
  }
}

/**
 * Makes a Value of JSON-like data: objects become maps, whole numbers ints, other numbers floats. Values already made pass.
 * @param floats whole numbers become float64 too, as Go's JSON decoder makes them
 * @throws TemplateError when nested too deeply, or for functions and symbols
 */
export function toValue(data: unknown, floats = false, depth = 0): Value {
  if (depth > maxNesting) throw new TemplateError(`data is nested deeper than ${maxNesting}`)
  if (data === undefined || data === null) return null
  if (typeof data === 'number') return !floats && Number.isSafeInteger(data) ? BigInt(data) : data
  if (typeof data === 'string' || typeof data === 'boolean' || typeof data === 'bigint') return data
  if (data instanceof GoStruct) return data
  if (Array.isArray(data)) return data.map((item) => toValue(item, floats, depth + 1))
  if (typeof data !== 'object')
    throw new TemplateError(`data of type ${typeof data} has no value in a template`)
  const entries = data instanceof Map ? data.entries() : Object.entries(data)
  return new Map(Array.from(entries, ([key, item]) => [String(key), toValue(item, floats, depth + 1)]))
}

/** Keys in Go's order: by UTF-8 bytes, which is the order of code points. */
export function sortedKeys(map: ReadonlyMap<string, unknown>): string[] {
  return [...map.keys()].sort(compareText)
}

/** Order of Go strings: by code point. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    if (a.charCodeAt(i) === b.charCodeAt(i)) continue
    const left = a.codePointAt(i) ?? 0
    const right = b.codePointAt(i) ?? 0
    return left - right
  }
  return a.length - b.length
}

/** Go's truth: false for false, 0, nil and whatever is empty; a struct is always true. */
export function isTrue(value: Value): boolean {
  if (value === null) return false
  if (typeof value === 'object') return lengthOf(value) !== 0
  return value !== false && value !== '' && value !== 0n && value !== 0
}

/** Items of a list or map; `undefined` for a struct. */
export function lengthOf(value: Value[] | ValueMap | GoStruct): number | undefined {
  if (Array.isArray(value)) return value.length
  return value instanceof Map ? value.size : undefined
}

/** The Go type that messages name. */
export function typeName(value: Value): string {
  if (value === null) return '<nil>'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'number') return 'float64'
  if (typeof value === 'string') return 'string'
  if (Array.isArray(value)) return '[]interface {}'
  return value instanceof Map ? 'map[string]interface {}' : value.goType
}

/** UTF-8 bytes of a text, which is what Go counts, indexes and slices. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function textOfBytes(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}
