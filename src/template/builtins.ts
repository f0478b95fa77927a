import { isEqual, isLess } from './compare.ts'
import { formatValue, sprint, sprintln } from './format.ts'
import { fn, fnRest } from './func.ts'
import type { FuncTable } from './func.ts'
import { TemplateError } from './limits.ts'
import { sprintf } from './sprintf.ts'
import { GoStruct, bytesOf, isTrue, lengthOf, textOfBytes, typeName } from './value.ts'
import type { Value } from './value.ts'

/** The functions of Go's text/template. `and` and `or` are called by the evaluator, which stops at the deciding argument. */
export const builtins: FuncTable = {
  and: fnRest(
    ['any'],
    'any',
    (first, rest) => [first, ...rest].find((arg) => !isTrue(arg)) ?? rest.at(-1) ?? first,
  ),
  or: fnRest(['any'], 'any', (first, rest) => [first, ...rest].find(isTrue) ?? rest.at(-1) ?? first),
  not: fn(['any'], (value) => !isTrue(value)),
  eq: fnRest(['any', 'any'], 'any', (first, second, rest) =>
    [second, ...rest].some((arg) => isEqual(first, arg)),
  ),
  ne: fn(['any', 'any'], (a, b) => !isEqual(a, b)),
  lt: fn(['any', 'any'], isLess),
  le: fn(['any', 'any'], (a, b) => isLess(a, b) || isEqual(a, b)),
  gt: fn(['any', 'any'], (a, b) => !isLess(a, b) && !isEqual(a, b)),
  ge: fn(['any', 'any'], (a, b) => !isLess(a, b)),
  index: fnRest(['any'], 'any', (item, keys) => keys.reduce(itemAt, item)),
  slice: fnRest(['any'], 'any', sliceOf),
  len: fn(['any'], (value) => BigInt(goLength(value))),
  print: fnRest([], 'any', sprint),
  println: fnRest([], 'any', sprintln),
  printf: fnRest(['string'], 'any', sprintf),
  html: fnRest([], 'any', (args) => textOf(args).replace(/[\0"'&<>]/g, (char) => htmlEscapes[char] ?? char)),
  js: fnRest([], 'any', (args) => textOf(args).replace(jsSpecial, jsEscape)),
  urlquery: fnRest([], 'any', (args) => queryEscape(textOf(args))),
  call: fnRest(['any'], 'any', (value) => {
    throw new TemplateError(value === null ? 'call of nil' : `non-function of type ${typeName(value)}`)
  }),
}

const htmlEscapes: Readonly<Record<string, string>> = {
  '\0': '\ufffd',
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
}
const jsEscapes: Readonly<Record<string, string>> = { '\\': '\\\\', "'": "\\'", '"': '\\"' }
const jsSpecial = /[\\'"<>&=]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu

function jsEscape(char: string): string {
  return jsEscapes[char] ?? `\\u${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}

/** Go's url.QueryEscape: a space becomes `+`, and only letters, digits and `-_.~` stay. */
export function queryEscape(text: string): string {
  return encodeURIComponent(textOfBytes(bytesOf(text)))
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
}

function textOf(args: readonly Value[]): string {
  const [only] = args
  return args.length === 1 ? formatValue(only ?? null) : sprint(args)
}

function goLength(value: Value): number {
  if (typeof value === 'string') return bytesOf(value).length
  const length = value !== null && typeof value === 'object' ? lengthOf(value) : undefined
  if (length === undefined)
    throw new TemplateError(value === null ? 'len of nil pointer' : `len of type ${typeName(value)}`)
  return length
}

/** `index item key`: an entry of a map (nil when absent), an item of a list, a byte of a text. */
function itemAt(item: Value, key: Value): Value {
  if (item === null) throw new TemplateError('index of untyped nil')
  if (item instanceof Map) {
    if (typeof key !== 'string') {
      throw new TemplateError(`value has type ${typeName(key)}; should be string`)
    }
    return item.get(key) ?? null
  }
  if (Array.isArray(item)) return item[position(key, item.length - 1)] ?? null
  if (typeof item !== 'string') throw new TemplateError(`can't index item of type ${typeName(item)}`)
  const bytes = bytesOf(item)
  return BigInt(bytes[position(key, bytes.length - 1)] ?? 0)
}

function position(key: Value, last: number): number {
  if (typeof key !== 'bigint') throw new TemplateError(`cannot index slice/array with type ${typeName(key)}`)
  if (key < 0n || key > BigInt(last)) throw new TemplateError(`index out of range: ${key}`)
  return Number(key)
}

/** `slice item [from [to [capacity]]]`: part of a list, or of a text by bytes. */
export function sliceOf(item: Value, bounds: readonly Value[]): Value {
  if (item === null) throw new TemplateError('slice of untyped nil')
  if (bounds.length > 3) throw new TemplateError(`too many slice indexes: ${bounds.length}`)
  if (item instanceof GoStruct || (typeof item !== 'string' && !Array.isArray(item))) {
    throw new TemplateError(`can't slice item of type ${typeName(item)}`)
  }
  if (typeof item === 'string' && bounds.length === 3)
    throw new TemplateError('cannot 3-index slice a string')
  const whole = typeof item === 'string' ? bytesOf(item) : item
  const [from = 0, to = whole.length, capacity = to] = bounds.map((bound) => position(bound, whole.length))
  if (from > to) throw new TemplateError(`invalid slice index: ${from} > ${to}`)
  if (to > capacity) throw new TemplateError(`invalid slice index: ${to} > ${capacity}`)
  return whole instanceof Uint8Array ? textOfBytes(whole.slice(from, to)) : whole.slice(from, to)
}
