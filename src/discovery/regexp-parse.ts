/** Characters by code point, both ends included. */
export type Span = readonly [from: number, to: number]

/** What one character must be: in one of the spans or of one of the properties, or else in none. */
export type CharSet = { spans: readonly Span[]; properties: readonly RegExp[]; not: boolean }

export type RegexpNode =
  | { kind: 'char'; set: CharSet }
  | { kind: 'all'; parts: readonly RegexpNode[] }
  | { kind: 'any'; parts: readonly RegexpNode[] }
  /** `most`: undefined is no bound */
  | { kind: 'repeat'; part: RegexpNode; least: number; most: number | undefined }

/** Where and why a text is no regular expression; `at` counts characters from 0. */
export class RegexpFault extends Error {
  readonly at: number
  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

const deepest = 50
const mostTimes = 1000
const anyChar: CharSet = { spans: [[0, 0x10ffff]], properties: [], not: false }
const one = (char: string): CharSet => ({
  spans: [[char.codePointAt(0)!, char.codePointAt(0)!]],
  properties: [],
  not: false,
})
const escaped: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }
const escapable = '()*+-.?[\\]^{|}~$nrt'
/** RFC 9485 §4, `IsCategory`. */
const categories = /^(L[ulmto]?|M[nce]?|N[dlo]?|P[cdseifo]?|Z[slp]?|S[mcko]?|C[cfno]?)$/

/**
 * An I-Regexp (RFC 9485) as Quamina spells it: `~` where others write a backslash, and `.` is any character.
 * @throws RegexpFault
 */
export function parseRegexp(text: string): RegexpNode {
  const reader = createReader(Array.from(text))
  const node = readBranches(reader, 0)
  if (reader.peek() !== undefined) throw new RegexpFault(reader.at(), '")" without "("')
  return node
}

type Reader = { at(): number; peek(): string | undefined; take(): string; skip(char: string): boolean }

function createReader(chars: readonly string[]): Reader {
  let at = 0
  return {
    at: () => at,
    peek: () => chars[at],
    take: () => {
      const char = chars[at]
      if (char === undefined) throw new RegexpFault(at, 'it ends too early')
      at += 1
      return char
    },
    skip: (char) => {
      if (chars[at] !== char) return false
      at += 1
      return true
    },
  }
}

function readBranches(reader: Reader, depth: number): RegexpNode {
  if (depth > deepest) throw new RegexpFault(reader.at(), `nested deeper than ${deepest} levels`)
  const parts = [readBranch(reader, depth)]
  while (reader.skip('|')) parts.push(readBranch(reader, depth))
  return parts.length === 1 ? parts[0]! : { kind: 'any', parts }
}

function readBranch(reader: Reader, depth: number): RegexpNode {
  const parts: RegexpNode[] = []
  for (let next = reader.peek(); next !== undefined && next !== '|' && next !== ')'; next = reader.peek())
    parts.push(readQuantifier(reader, readAtom(reader, depth)))
  return { kind: 'all', parts }
}

function readAtom(reader: Reader, depth: number): RegexpNode {
  const at = reader.at()
  const char = reader.take()
  if (char === '(') {
    const inner = readBranches(reader, depth + 1)
    if (!reader.skip(')')) throw new RegexpFault(at, '"(" without ")"')
    return inner
  }
  if (char === '.') return { kind: 'char', set: anyChar }
  if (char === '[') return { kind: 'char', set: readClass(reader, at) }
  if (char === '~') return { kind: 'char', set: readEscape(reader) }
  if ('*+?{}]'.includes(char))
    throw new RegexpFault(at, `"${char}" has nothing before it: write ~${char} for the character`)
  return { kind: 'char', set: one(char) }
}

function readQuantifier(reader: Reader, part: RegexpNode): RegexpNode {
  if (reader.skip('*')) return { kind: 'repeat', part, least: 0, most: undefined }
  if (reader.skip('+')) return { kind: 'repeat', part, least: 1, most: undefined }
  if (reader.skip('?')) return { kind: 'repeat', part, least: 0, most: 1 }
  const at = reader.at()
  if (!reader.skip('{')) return part
  const least = readCount(reader)
  const most = reader.skip(',') ? (reader.peek() === '}' ? undefined : readCount(reader)) : least
  if (!reader.skip('}')) throw new RegexpFault(at, '"{" without "}"')
  if (most !== undefined && most < least)
    throw new RegexpFault(at, `{${least},${most}} is the wrong way round`)
  return { kind: 'repeat', part, least, most }
}

function readCount(reader: Reader): number {
  const at = reader.at()
  let digits = ''
  while (/^[0-9]$/.test(reader.peek() ?? '') && digits.length < 6) digits += reader.take()
  if (digits === '') throw new RegexpFault(at, 'a number expected in "{…}"')
  if (Number(digits) > mostTimes) throw new RegexpFault(at, `${digits} times is more than ${mostTimes}`)
  return Number(digits)
}

function readEscape(reader: Reader): CharSet {
  const at = reader.at()
  const char = reader.take()
  if (char === 'p' || char === 'P')
    return { spans: [], properties: [readProperty(reader)], not: char === 'P' }
  if (!escapable.includes(char)) throw new RegexpFault(at - 1, `~${char} means nothing`)
  return one(escaped[char] ?? char)
}

function readProperty(reader: Reader): RegExp {
  const at = reader.at()
  let name = ''
  if (!reader.skip('{')) throw new RegexpFault(at, '"{" expected behind ~p')
  while (name.length < 3 && reader.peek() !== '}') name += reader.take()
  if (!reader.skip('}') || !categories.test(name))
    throw new RegexpFault(at, `"${name}" is no category of characters`)
  return new RegExp(`^\\p{${name}}$`, 'u')
}

function readClass(reader: Reader, at: number): CharSet {
  const not = reader.skip('^')
  const spans: Span[] = []
  const properties: RegExp[] = []
  if (reader.skip('-')) spans.push([0x2d, 0x2d])
  for (;;) {
    if (reader.peek() === undefined) throw new RegexpFault(at, '"[" without "]"')
    if (reader.skip(']')) break
    const from = readClassChar(reader)
    if (typeof from !== 'number') {
      properties.push(from.not ? notOf(from.properties[0]!) : from.properties[0]!)
      continue
    }
    spans.push([from, readSpanEnd(reader, from)])
  }
  if (spans.length + properties.length === 0) throw new RegexpFault(at, '"[]" holds no character')
  return { spans, properties, not }
}

const notOf = (property: RegExp) => new RegExp(property.source.replace('\\p', '\\P'), 'u')

/** @returns a code point, or a category */
function readClassChar(reader: Reader): number | CharSet {
  const at = reader.at()
  const char = reader.take()
  if (char === '[') throw new RegexpFault(at, '"[" within "[…]": write ~[ for the character')
  if (char === '-' && reader.peek() !== ']')
    throw new RegexpFault(at, '"-" within "[…]": write ~- for the character')
  if (char !== '~') return char.codePointAt(0)!
  const set = readEscape(reader)
  return set.properties.length > 0 ? set : set.spans[0]![0]
}

function readSpanEnd(reader: Reader, from: number): number {
  const at = reader.at()
  if (!reader.skip('-')) return from
  if (reader.peek() === ']') throw new RegexpFault(at, '"-" within "[…]": write ~- for the character')
  const to = readClassChar(reader)
  if (typeof to !== 'number' || to < from)
    throw new RegexpFault(at, 'a span in "[…]" that ends before it begins')
  return to
}
