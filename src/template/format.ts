import { TemplateError, maxNesting } from './limits.ts'
import { floatText } from './number-text.ts'
import { TextBuilder } from './text-builder.ts'
import { GoStruct, sortedKeys } from './value.ts'
import type { Value } from './value.ts'

/** How a single scalar is written inside lists and maps: the verb of the whole. */
export type WriteScalar = (value: Exclude<Value, object>) => string

/** Go's %v of a value. */
export function formatValue(value: Value): string {
  if (typeof value === 'string') return value
  const out = new TextBuilder()
  writeValue(out, value, scalarText)
  return out.text()
}

/** What `{{value}}` prints: %v, but `<no value>` for nil. */
export function printedText(value: Value): string {
  return value === null ? '<no value>' : formatValue(value)
}

/** Go's %v of anything that is no list, map or struct. */
export function scalarText(value: Exclude<Value, object>): string {
  if (value === null) return '<nil>'
  return typeof value === 'number' ? floatText(value, 'g') : String(value)
}

/** Writes `[a b]`, `map[k:v k:v]` with sorted keys, `{a b}`; scalars by `scalar`. */
export function writeValue(out: TextBuilder, value: Value, scalar: WriteScalar, depth = 0): void {
  if (depth > maxNesting) throw new TemplateError(`value is nested deeper than ${maxNesting}`)
  if (value === null || typeof value !== 'object') return out.add(scalar(value))
  if (value instanceof GoStruct) {
    if (value.behaviour) return out.add(value.behaviour.text)
    const fields = Array.from(value.fields.values(), (field) => field.value)
    return writeItems(out, '{', fields, '}', scalar, depth)
  }
  if (Array.isArray(value)) return writeItems(out, '[', value, ']', scalar, depth)
  out.add('map[')
  sortedKeys(value).forEach((key, i) => {
    out.add(`${i > 0 ? ' ' : ''}${scalar(key)}:`)
    writeValue(out, value.get(key) ?? null, scalar, depth + 1)
  })
  out.add(']')
}

function writeItems(
  out: TextBuilder,
  open: string,
  items: readonly Value[],
  close: string,
  scalar: WriteScalar,
  depth: number,
): void {
  out.add(open)
  items.forEach((item, i) => {
    if (i > 0) out.add(' ')
    writeValue(out, item, scalar, depth + 1)
  })
  out.add(close)
}

/** Go's fmt.Sprint: a space between two operands when neither is a text. */
export function sprint(args: readonly Value[]): string {
  const out = new TextBuilder()
  args.forEach((arg, i) => {
    if (i > 0 && typeof arg !== 'string' && typeof args[i - 1] !== 'string') out.add(' ')
    out.add(formatValue(arg))
  })
  return out.text()
}

/** Go's fmt.Sprintln: always a space between operands, and a line feed. */
export function sprintln(args: readonly Value[]): string {
  const out = new TextBuilder()
  args.forEach((arg, i) => out.add(`${i > 0 ? ' ' : ''}${formatValue(arg)}`))
  out.add('\n')
  return out.text()
}

const quoteEscapes: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
}
const notPrintable = /[\\"]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu

/** Go's %q of a text (strconv.Quote). */
export function quoteText(text: string): string {
  return `"${text.replace(notPrintable, (char) => quoteEscapes[char] ?? escapedPoint(char))}"`
}

/** `\x01`, `\u00e9`, `\U0001f600` */
export function escapedPoint(char: string): string {
  const point = char.codePointAt(0) ?? 0
  if (point < 0x80) return `\\x${point.toString(16).padStart(2, '0')}`
  return point > 0xffff
    ? `\\U${point.toString(16).padStart(8, '0')}`
    : `\\u${point.toString(16).padStart(4, '0')}`
}
