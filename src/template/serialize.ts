import { Scalar, parse, stringify } from 'yaml'
import { messageOf } from '../model/error.ts'
import { TemplateError, maxNesting } from './limits.ts'
import { TextBuilder } from './text-builder.ts'
import { GoStruct, bytesOf, isTrue, sortedKeys, textOfBytes, toValue } from './value.ts'
import type { Value } from './value.ts'

/** How JSON is written: Go's encoder escapes `<`, `>` and `&` unless told not to. */
export type JsonStyle = { escapeHtml: boolean; indent: string }

/** Go's JSON text of a value: keys sorted, structs by their JSON names without zero values. */
export function jsonText(value: Value, style: JsonStyle): string {
  const out = new TextBuilder()
  writeJson(out, value, style, '\n', 0)
  return out.text()
}

function writeJson(out: TextBuilder, value: Value, style: JsonStyle, line: string, depth: number): void {
  if (depth > maxNesting) throw new TemplateError(`value is nested deeper than ${maxNesting}`)
  if (typeof value === 'string') return out.add(jsonString(value, style.escapeHtml))
  if (value === null || typeof value !== 'object') return out.add(jsonScalar(value))
  const inner = line + style.indent
  const lead = style.indent === '' ? '' : inner
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}']
  const entries = Array.isArray(value) ? value.map((item) => ['', item] as const) : entriesOf(value)
  out.add(open)
  entries.forEach(([key, item], i) => {
    out.add((i > 0 ? ',' : '') + lead)
    if (!Array.isArray(value))
      out.add(`${jsonString(key, style.escapeHtml)}:${style.indent === '' ? '' : ' '}`)
    writeJson(out, item, style, inner, depth + 1)
  })
  if (entries.length > 0 && style.indent !== '') out.add(line)
  out.add(close)
}

function jsonScalar(value: null | boolean | bigint | number): string {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new TemplateError(`${value} has no JSON text`)
  return String(value)
}

function jsonString(text: string, escapeHtml: boolean): string {
  const quoted = JSON.stringify(textOfBytes(bytesOf(text))).replace(/[\u2028\u2029]/g, unicodeEscape)
  return escapeHtml ? quoted.replace(/[<>&]/g, unicodeEscape) : quoted
}

function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Entries in the order Go writes them: maps sorted, structs as declared. */
function entriesOf(value: Exclude<Value, Value[]> & object): (readonly [string, Value])[] {
  if (!(value instanceof GoStruct)) return sortedKeys(value).map((key) => [key, value.get(key) ?? null])
  return [...value.fields].flatMap(([name, field]) => {
    const omitted = field.json !== name && !(field.value instanceof GoStruct) && !isTrue(field.value)
    return omitted ? [] : [[field.json, field.value] as const]
  })
}

/**
 * YAML text of a value, keys sorted, without the last line feed.
 * @param pay told beforehand how long the value is as JSON; may throw
 */
export function yamlText(value: Value, pay: (length: number) => void): string {
  const json = jsonText(value, { escapeHtml: false, indent: '' })
  pay(json.length)
  const plain: unknown = JSON.parse(json)
  const sorted = sortedDeep(plain)
  const options = {
    aliasDuplicateObjects: false,
    lineWidth: 0,
    indentSeq: false,
    schema: 'yaml-1.1',
  } as const
  const text = stringify(sorted, options)
  return text.replace(/\n$/, '')
}

function sortedDeep(value: unknown): unknown {
  if (typeof value === 'string') return value.endsWith('\n\n') ? quoted(value) : value
  if (Array.isArray(value)) return value.map(sortedDeep)
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, item]) => [key, sortedDeep(item)]))
}

/** In quotes: as a block it would end with line feeds, of which the last one is cut off. */
function quoted(text: string): Scalar {
  const scalar = new Scalar(text)
  scalar.type = 'QUOTE_DOUBLE'
  return scalar
}

/** @throws TemplateError when the text is empty or no YAML */
export function fromYaml(text: string): Value {
  if (text === '') throw new TemplateError('empty YAML input')
  try {
    return toValue(
      parse(text, { version: '1.1', mapAsMap: true, prettyErrors: false, logLevel: 'error' }),
      true,
    )
  } catch (error) {
    throw new TemplateError(messageOf(error))
  }
}

/** @throws TemplateError when the text is no JSON */
export function fromJson(text: string): Value {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    // The parser's message repeats part of the text, which may be a secret of the machine.
    throw new TemplateError('text is not JSON')
  }
  return toValue(data, true)
}
