import { RegexpFault } from './regexp-parse.ts'
import { compileRegexp } from './regexp.ts'

/** A value without parts. */
export type Leaf = string | number | boolean | null

/** One of the things that a rule allows a value to be; `text` says it in the words of the rule. */
export type Test = { text: string; passes(value: Leaf): boolean }

/** What stands in a rule's list, or why it may not; `alone`: nothing may stand beside it. */
export type ReadTest = { test: Test; exists?: boolean; alone?: string } | { fault: string }

const longestText = 1024

/** @param json what stands in the list of a field, as parsed */
export function readTest(json: unknown): ReadTest {
  if (json === null || ['string', 'number', 'boolean'].includes(typeof json)) return exact(json as Leaf)
  if (Array.isArray(json)) return { fault: 'a list within a list: expected a value or {"<type>": …}' }
  const entries = Object.entries(json as object)
  const [type, wanted] = entries[0] ?? ['', undefined]
  if (entries.length !== 1)
    return { fault: `${entries.length} names in {…}: expected one type, such as {"prefix": "a"}` }
  const read = Object.hasOwn(types, type) ? types[type] : undefined
  if (!read)
    return { fault: `no such type: "${type.slice(0, 50)}" is not one of ${Object.keys(types).join(', ')}` }
  const found = read(wanted)
  const text = JSON.stringify({ [type]: wanted }).slice(0, 200)
  if (typeof found === 'string') return { fault: `${text}: ${found}` }
  return { ...found, test: { text, passes: found.passes } }
}

const exact = (wanted: Leaf): ReadTest => ({
  test: { text: JSON.stringify(wanted).slice(0, 200), passes: (value) => value === wanted },
})

type Made = { passes(value: Leaf): boolean; exists?: boolean; alone?: string }
type Read = (wanted: unknown) => Made | string

const onText =
  (make: (wanted: string) => ((value: string) => boolean) | string): Read =>
  (wanted) => {
    if (typeof wanted !== 'string') return 'expected a text'
    if (wanted.length > longestText) return `longer than ${longestText} characters`
    const passes = make(wanted)
    if (typeof passes === 'string') return passes
    return { passes: (value) => typeof value === 'string' && passes(value) }
  }

const types: Readonly<Record<string, Read>> = {
  exists: (wanted) =>
    typeof wanted === 'boolean'
      ? { passes: () => wanted, exists: wanted, alone: 'exists' }
      : 'expected true or false',
  'anything-but': (wanted) => {
    const isTexts = Array.isArray(wanted) && wanted.every((text) => typeof text === 'string')
    if (!isTexts || wanted.length === 0) return 'expected a list of texts with at least one'
    const refused = new Set<Leaf>(wanted)
    return { passes: (value) => typeof value === 'string' && !refused.has(value), alone: 'anything-but' }
  },
  prefix: onText((wanted) => (value) => value.startsWith(wanted)),
  suffix: onText((wanted) => (value) => value.endsWith(wanted)),
  'equals-ignore-case': onText((wanted) => {
    const folded = fold(wanted)
    return (value) => fold(value) === folded
  }),
  shellstyle: onText((wanted) => globTest(wanted.split('*'), wanted.includes('**'))),
  wildcard: onText((wanted) => {
    const pieces = wildcardPieces(wanted)
    return typeof pieces === 'string' ? pieces : globTest(pieces.texts, pieces.isDouble)
  }),
  regexp: onText((wanted) => {
    try {
      return compileRegexp(wanted)
    } catch (error) {
      if (error instanceof RegexpFault) return `at character ${error.at + 1}: ${error.message}`
      throw error
    }
  }),
  numeric: readNumeric,
}

/** Simple case folding: of characters that stay one. */
const fold = (text: string) =>
  Array.from(text, (char) => {
    const upper = char.toUpperCase()
    return Array.from(upper).length === 1 ? upper.toLowerCase() : char.toLowerCase()
  }).join('')

/** What stands between the stars; `\*` and `\\` are the characters themselves. */
function wildcardPieces(wanted: string): { texts: string[]; isDouble: boolean } | string {
  const texts = ['']
  let isDouble = false
  let isAfterStar = false
  for (let at = 0; at < wanted.length; at++) {
    let char = wanted[at]!
    const isStar = char === '*'
    if (char === '\\') {
      char = wanted[++at] ?? ''
      if (char !== '*' && char !== '\\') return 'a backslash is followed by neither "*" nor a backslash'
    }
    isDouble ||= isStar && isAfterStar
    isAfterStar = isStar
    if (isStar) texts.push('')
    else texts[texts.length - 1] += char
  }
  return { texts, isDouble }
}

/** Looks for each piece at the first place behind the one before: the rest is never looked through twice. */
function globTest(pieces: readonly string[], isDouble: boolean): ((value: string) => boolean) | string {
  if (isDouble) return 'two "*" side by side'
  const [first = '', ...rest] = pieces
  const last = rest.pop()
  if (last === undefined) return (value) => value === first
  return (value) => {
    if (!value.startsWith(first)) return false
    let at = first.length
    for (const piece of rest) {
      const found = value.indexOf(piece, at)
      if (found < 0) return false
      at = found + piece.length
    }
    return value.length - at >= last.length && value.endsWith(last)
  }
}

const comparisons: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  '=': (value, bound) => value === bound,
  '<': (value, bound) => value < bound,
  '<=': (value, bound) => value <= bound,
  '>': (value, bound) => value > bound,
  '>=': (value, bound) => value >= bound,
}

/** `[">=", 4]`, or two of them, both of which hold. */
function readNumeric(wanted: unknown): Made | string {
  const expected = 'expected a comparison and a number, such as [">=", 4], or two of them'
  if (!Array.isArray(wanted) || (wanted.length !== 2 && wanted.length !== 4)) return expected
  const bounds: ((value: number) => boolean)[] = []
  for (let at = 0; at < wanted.length; at += 2) {
    const [sign, bound] = [String(wanted[at]), wanted[at + 1] as unknown]
    const compare = Object.hasOwn(comparisons, sign) ? comparisons[sign] : undefined
    if (!compare || typeof bound !== 'number') return expected
    bounds.push((value) => compare(value, bound))
  }
  return { passes: (value) => typeof value === 'number' && bounds.every((holds) => holds(value)) }
}
