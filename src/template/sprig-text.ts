import { textOf, textsOf } from './cast.ts'
import { quoteText } from './format.ts'
import { fn, fnRest } from './func.ts'
import type { Func, FuncTable } from './func.ts'
import { TemplateError, checkListLength, checkTextLength } from './limits.ts'
import { bytesOf, textOfBytes } from './value.ts'
import type { Value } from './value.ts'

/** What Go's strings.Title takes as the start of a word: behind white space or any ASCII sign. */
const wordStart = /(?<=^|\s|[\0-/:-@[-^`{-\x7f])\S/gu

/** Sprig's text functions; in Sprig the text that is worked on is the last argument, so that it can be piped in. */
export const textFunctions: FuncTable = {
  trim: fn(['string'], (text) => text.trim()),
  trimAll: fn(['string', 'string'], (cut, text) => trimRight(trimLeft(text, cut), cut)),
  trimall: fn(['string', 'string'], (cut, text) => trimRight(trimLeft(text, cut), cut)),
  trimPrefix: fn(['string', 'string'], (start, text) =>
    text.startsWith(start) ? text.slice(start.length) : text,
  ),
  trimSuffix: fn(['string', 'string'], (end, text) =>
    end !== '' && text.endsWith(end) ? text.slice(0, -end.length) : text,
  ),
  upper: fn(['string'], (text) => text.toUpperCase()),
  lower: fn(['string'], (text) => text.toLowerCase()),
  title: fn(['string'], (text) => text.replace(wordStart, (char) => char.toUpperCase())),
  untitle: fn(['string'], (text) => text.replace(/(?<!\S)\S/gu, (char) => char.toLowerCase())),
  nospace: fn(['string'], (text) => text.replace(/\s+/g, '')),
  repeat: fn(['int', 'string'], repeat),
  substr: fn(['int', 'int', 'string'], substr),
  trunc: fn(['int', 'string'], trunc),
  contains: eitherOrder((text, part) => text.includes(part)),
  hasPrefix: eitherOrder((text, start) => text.startsWith(start)),
  hasSuffix: eitherOrder((text, end) => text.endsWith(end)),
  replace: fn(['string', 'string', 'string'], replace),
  quote: fnRest([], 'any', (args) =>
    set(args)
      .map((arg) => quoteText(textOf(arg)))
      .join(' '),
  ),
  squote: fnRest([], 'any', (args) =>
    set(args)
      .map((arg) => `'${textOf(arg)}'`)
      .join(' '),
  ),
  cat: fnRest([], 'any', (args) => set(args).map(textOf).join(' ')),
  indent: fn(['int', 'string'], indent),
  nindent: fn(['int', 'string'], (spaces, text) => `\n${indent(spaces, text)}`),
  plural: fn(['string', 'string', 'int'], (one, many, count) => (count === 1 ? one : many)),
  toString: fn(['any'], textOf),
  toStrings: fn(['any'], textsOf),
  split: fn(['string', 'string'], (by, text) => numbered(splitText(text, by))),
  splitn: fn(['string', 'int', 'string'], (by, count, text) => numbered(splitText(text, by, count))),
  splitList: fn(['string', 'string'], (by, text) => splitText(text, by)),
  join: fn(['string', 'any'], (by, items) => joinTexts(by, textsOf(items))),
  sortAlpha: fn(['any'], (items) => textsOf(items).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))),
  hello: fn([], () => 'Hello!'),
  fail: fn(['string'], (message) => {
    throw new TemplateError(message)
  }),
}

/**
 * A test of a text for a part of it. Sprig puts the part first. Templates of Tinkerbell up to 0.10 put it last, which can
 * be seen from a literal at the end, `contains .device "nvme"`: there the test also holds that way round, unless the
 * literal is the longer text and so can be no part.
 */
function eitherOrder(test: (text: string, part: string) => boolean): Func {
  return {
    ...fn(['string', 'string'], (part, text) => test(text, part)),
    literalLast: fn(
      ['string', 'string'],
      (value, literal) => test(literal, value) || (literal.length <= value.length && test(value, literal)),
    ),
  }
}

function set(args: readonly Value[]): Value[] {
  return args.filter((arg) => arg !== null)
}

function trimLeft(text: string, cut: string): string {
  const chars = Array.from(text)
  const first = chars.findIndex((char) => !cut.includes(char))
  return first < 0 ? '' : chars.slice(first).join('')
}

function trimRight(text: string, cut: string): string {
  const chars = Array.from(text)
  return chars.slice(0, chars.findLastIndex((char) => !cut.includes(char)) + 1).join('')
}

function repeat(count: number, text: string): string {
  if (count < 0) throw new TemplateError(`repeat ${count} times, expected at least 0`)
  checkTextLength(text.length * count)
  return text.repeat(count)
}

/** Bytes from `from` to `to`; a negative start means 0, an end that is negative or too far the end of the text. */
function substr(from: number, to: number, text: string): string {
  const bytes = bytesOf(text)
  const end = from >= 0 && (to < 0 || to > bytes.length) ? bytes.length : to
  const start = Math.max(from, 0)
  if (end < start || end > bytes.length)
    throw new TemplateError(`slice bounds out of range [${start}:${end}]`)
  return textOfBytes(bytes.slice(start, end))
}

/** The first `count` bytes, or the last ones for a negative count. */
function trunc(count: number, text: string): string {
  const bytes = bytesOf(text)
  if (count < 0) return bytes.length + count > 0 ? textOfBytes(bytes.slice(count)) : text
  return textOfBytes(bytes.slice(0, count))
}

function replace(old: string, by: string, text: string): string {
  const pieces = old === '' ? ['', ...Array.from(text), ''] : text.split(old)
  checkTextLength(text.length + by.length * (pieces.length - 1))
  return old === '' ? emptyReplaced(Array.from(text), by) : pieces.join(by)
}

/** Go puts the new text before every character and at the end. */
function emptyReplaced(chars: readonly string[], by: string): string {
  return `${chars.map((char) => by + char).join('')}${by}`
}

function indent(spaces: number, text: string): string {
  if (spaces < 0) throw new TemplateError(`indent by ${spaces}, expected at least 0`)
  const lines = text.split('\n')
  checkTextLength(text.length + spaces * lines.length)
  const pad = ' '.repeat(spaces)
  return lines.map((line) => pad + line).join('\n')
}

/** Go's strings.Split: an empty separator splits after every character; `limit` < 0 is none, 0 no parts. */
function splitText(text: string, by: string, limit = -1): string[] {
  if (limit === 0) return []
  const parts = by === '' ? Array.from(text) : text.split(by)
  checkListLength(parts.length)
  if (limit < 0 || parts.length <= limit) return parts
  return [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(by)]
}

/** `_0`, `_1`, … as Sprig names the parts of `split`. */
function numbered(parts: readonly string[]): Map<string, Value> {
  return new Map(parts.map((part, i) => [`_${i}`, part]))
}

function joinTexts(by: string, texts: readonly string[]): string {
  checkTextLength(texts.reduce((sum, text) => sum + text.length + by.length, 0))
  return texts.join(by)
}
