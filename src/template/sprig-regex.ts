import { RE2JS } from 're2js'
import { messageOf } from '../model/error.ts'
import { fn } from './func.ts'
import type { FuncTable, Spend } from './func.ts'
import { TemplateError, checkListLength } from './limits.ts'
import { regexSize } from './regex-size.ts'
import { TextBuilder } from './text-builder.ts'

type Matcher = ReturnType<RE2JS['matcher']>
type Match = { start: number; end: number }

/** Sprig's regular expressions: RE2 syntax, matched in time in proportion to pattern and text. */
export const regexFunctions: FuncTable = {
  regexMatch: fn(['string', 'string'], (pattern, text, spend) =>
    compile(pattern, text, spend).matcher(text).find(),
  ),
  regexFind: fn(['string', 'string'], (pattern, text, spend) => {
    const [first] = matchesOf(compile(pattern, text, spend).matcher(text), spend)
    return first ? text.slice(first.start, first.end) : ''
  }),
  regexFindAll: fn(['string', 'string', 'int'], (pattern, text, count, spend) => {
    const found = [...matchesOf(compile(pattern, text, spend).matcher(text), spend, count)]
    return found.map(({ start, end }) => text.slice(start, end))
  }),
  regexReplaceAll: fn(['string', 'string', 'string'], (pattern, text, by, spend) =>
    replaceAll(compile(pattern, text, spend), text, spend, (matcher) => expand(by, matcher)),
  ),
  regexReplaceAllLiteral: fn(['string', 'string', 'string'], (pattern, text, by, spend) =>
    replaceAll(compile(pattern, text, spend), text, spend, () => by),
  ),
  regexSplit: fn(['string', 'string', 'int'], (pattern, text, count, spend) =>
    split(compile(pattern, text, spend), text, count, spend),
  ),
  regexQuoteMeta: fn(['string'], (text) => text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&')),
}

/** Instructions of a regular expression, by `regexSize`. */
const maxSize = 20_000
/** One step pays for so many instructions at one character each. */
const unitsPerStep = 32
/** Steps for compiling one instruction, and for beginning a further search. */
const compileSteps = 4
const searchSteps = 4

/** @throws TemplateError for a pattern that is none, or a work that is too much */
function compile(pattern: string, text: string, spend: Spend): RE2JS {
  const size = regexSize(pattern)
  if (size > maxSize)
    throw new TemplateError(`regular expression of about ${size} instructions, expected at most ${maxSize}`)
  spend(size * compileSteps + Math.ceil((size * text.length) / unitsPerStep))
  try {
    return RE2JS.compile(pattern)
  } catch (error) {
    throw new TemplateError(messageOf(error))
  }
}

/** Matches from left to right, as Go finds them: an empty one not where the match before it ended. */
function* matchesOf(matcher: Matcher, spend: Spend, limit = -1): Generator<Match> {
  let last = -1
  for (let count = 0; count !== limit && matcher.find();) {
    spend(searchSteps)
    const match = { start: matcher.start(), end: matcher.end() }
    if (match.end === match.start && match.start === last) continue
    checkListLength(++count)
    last = match.end
    yield match
  }
}

function replaceAll(
  pattern: RE2JS,
  text: string,
  spend: Spend,
  replacement: (matcher: Matcher) => string,
): string {
  const out = new TextBuilder()
  const matcher = pattern.matcher(text)
  let at = 0
  for (const { start, end } of matchesOf(matcher, spend)) {
    out.add(text.slice(at, start))
    out.add(replacement(matcher))
    at = end
  }
  out.add(text.slice(at))
  return out.text()
}

/** Go's Expand: `$1`, `${1}`, `$name`, `${name}` are groups (nothing when there is none such), `$$` a dollar sign. */
function expand(template: string, matcher: Matcher): string {
  const out = new TextBuilder()
  let at = 0
  for (const match of template.matchAll(/\$(?:(\$)|(\w+)|\{(\w+)\})/g)) {
    out.add(template.slice(at, match.index))
    out.add(match[1] ?? group(matcher, match[2] ?? match[3] ?? ''))
    at = match.index + match[0].length
  }
  out.add(template.slice(at))
  return out.text()
}

function group(matcher: Matcher, name: string): string {
  if (/^\d+$/.test(name))
    return Number(name) <= matcher.groupCount() ? (matcher.group(Number(name)) ?? '') : ''
  try {
    return matcher.group(name) ?? ''
  } catch {
    return ''
  }
}

/** Go's Split: an empty match at the end of the text yields no part behind it. */
function split(pattern: RE2JS, text: string, count: number, spend: Spend): string[] {
  if (count === 0) return []
  const parts: string[] = []
  let at = 0
  let lastStart = 0
  for (const { start, end } of matchesOf(pattern.matcher(text), spend)) {
    if (count > 0 && parts.length === count - 1) break
    lastStart = start
    if (end !== 0) parts.push(text.slice(at, start))
    at = end
  }
  return lastStart === text.length && text !== '' ? parts : [...parts, text.slice(at)]
}
