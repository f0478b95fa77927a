import { escapedPoint, quoteText, scalarText, writeValue } from './format.ts'
import { TemplateError, checkTextLength } from './limits.ts'
import { floatText } from './number-text.ts'
import { TextBuilder } from './text-builder.ts'
import { bytesOf, typeName } from './value.ts'
import type { Value } from './value.ts'

type Scalar = Exclude<Value, object>
type Spec = {
  minus: boolean
  plus: boolean
  sharp: boolean
  space: boolean
  zero: boolean
  width: number | undefined
  precision: number | undefined
  verb: string
}

const directive = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?(?:\[(\d+)\])?([^]?)/gu
/** Widths and precisions beyond this are faults of the template. */
const maxWidth = 10_000

/**
 * Go's fmt.Sprintf for the verbs %v %d %s %q %x %X %t %f %F %e %E %g %G %b %o %c %U %T %%, with flags `-+# 0`, width,
 * precision, `*` and `[1]`; mistakes are written into the text as Go does: `%!d(string=x)`, `%!d(MISSING)`, `%!(EXTRA int=1)`.
 * @throws TemplateError when the text or a width is too long
 */
export function sprintf(format: string, args: readonly Value[]): string {
  const out = new TextBuilder()
  let used = 0
  let at = 0
  let reordered = false
  const star = (text: string | undefined): number | undefined => {
    if (text !== '*') return text === undefined ? undefined : checkedWidth(Number(text))
    const value = args[used++]
    return typeof value === 'bigint' ? checkedWidth(Number(value)) : undefined
  }
  for (const match of format.matchAll(directive)) {
    out.add(format.slice(at, match.index))
    at = match.index + match[0].length
    if (match[4] !== undefined) {
      used = Number(match[4]) - 1
      reordered = true
    }
    const spec = specOf(match, star(match[2]), star(match[3]))
    if (spec.verb === '%') out.add('%')
    else if (spec.verb === '') out.add('%!(NOVERB)')
    else if (used < 0 || used >= args.length) out.add(`%!${spec.verb}(${reordered ? 'BADINDEX' : 'MISSING'})`)
    else out.add(formatOne(spec, args[used++] ?? null))
  }
  out.add(format.slice(at))
  if (!reordered && used < args.length) out.add(`%!(EXTRA ${args.slice(used).map(typed).join(', ')})`)
  return out.text()
}

function specOf(match: RegExpMatchArray, width: number | undefined, precision: number | undefined): Spec {
  const flags = match[1] ?? ''
  const point = match[0].includes('.')
  return {
    minus: flags.includes('-') || (width ?? 0) < 0,
    plus: flags.includes('+'),
    sharp: flags.includes('#'),
    space: flags.includes(' '),
    zero: flags.includes('0') && !flags.includes('-'),
    width: width === undefined ? undefined : Math.abs(width),
    precision: precision ?? (point && match[5] !== '' ? 0 : undefined),
    verb: match[5] ?? '',
  }
}

function checkedWidth(width: number): number {
  if (Math.abs(width) > maxWidth)
    throw new TemplateError(`width ${width} in a format, expected at most ${maxWidth}`)
  return width
}

/** `type=value`, as Go shows an operand that it could not use. */
function typed(value: Value): string {
  if (value === null) return '<nil>'
  const out = new TextBuilder()
  writeValue(out, value, scalarText)
  return `${typeName(value)}=${out.text()}`
}

/** One operand. Lists and maps are written with the verb applied to what is inside. */
function formatOne(spec: Spec, value: Value): string {
  if (spec.verb === 'T') return pad(spec, typeName(value))
  if (value === null && spec.verb !== 'v') return `%!${spec.verb}(<nil>)`
  const out = new TextBuilder()
  writeValue(out, value, (scalar) => formatScalar(spec, scalar))
  return out.text()
}

function formatScalar(spec: Spec, value: Scalar): string {
  if (spec.verb === 'v') return formatPlain(spec, value)
  const text = verbText(spec, value)
  return text ?? `%!${spec.verb}(${typed(value)})`
}

/** %v: what suits the type. */
function formatPlain(spec: Spec, value: Scalar): string {
  if (typeof value === 'bigint') return verbText({ ...spec, verb: 'd' }, value) ?? ''
  if (typeof value === 'number') return verbText({ ...spec, verb: 'g' }, value) ?? ''
  if (typeof value === 'string')
    return spec.sharp ? pad(spec, quoteText(value)) : (stringVerb({ ...spec, verb: 's' }, value) ?? '')
  return pad(spec, scalarText(value))
}

/** @returns `undefined` when the verb does not suit the type */
function verbText(spec: Spec, value: Scalar): string | undefined {
  if (typeof value === 'string') return stringVerb(spec, value)
  if (typeof value === 'bigint') return integerVerb(spec, value)
  if (typeof value === 'number') return floatVerb(spec, value)
  return typeof value === 'boolean' && spec.verb === 't' ? pad(spec, String(value)) : undefined
}

function stringVerb(spec: Spec, value: string): string | undefined {
  const cut = spec.precision === undefined ? value : Array.from(value).slice(0, spec.precision).join('')
  if (spec.verb === 's') return pad(spec, cut)
  if (spec.verb === 'q') return pad(spec, quotedVerb(spec, cut))
  if (spec.verb !== 'x' && spec.verb !== 'X') return undefined
  checkTextLength(cut.length * 6)
  const hex = Array.from(bytesOf(cut), (byte) => byte.toString(16).padStart(2, '0'))
  const mark = spec.sharp && hex.length > 0 ? '0x' : ''
  const joined = mark + hex.join(spec.space ? ` ${mark}` : '')
  return pad(spec, spec.verb === 'X' ? joined.toUpperCase() : joined)
}

/** %q: `#` prefers backquotes, `+` writes only ASCII. */
function quotedVerb(spec: Spec, text: string): string {
  if (spec.sharp && !/[`\p{C}]/u.test(text)) return `\`${text}\``
  return spec.plus ? quoteText(text).replace(/[^\0-\x7f]/gu, escapedPoint) : quoteText(text)
}

const bases: Readonly<Record<string, { radix: number; prefix: string }>> = {
  d: { radix: 10, prefix: '' },
  b: { radix: 2, prefix: '0b' },
  o: { radix: 8, prefix: '0' },
  O: { radix: 8, prefix: '0o' },
  x: { radix: 16, prefix: '0x' },
  X: { radix: 16, prefix: '0X' },
}

function integerVerb(spec: Spec, value: bigint): string | undefined {
  if (spec.verb === 'c') return pad(spec, pointText(value))
  if (spec.verb === 'q') return pad(spec, `'${pointText(value)}'`)
  if (spec.verb === 'U') {
    const code = `U+${value.toString(16).toUpperCase().padStart(4, '0')}`
    return pad(spec, spec.sharp ? `${code} '${pointText(value)}'` : code)
  }
  const base = bases[spec.verb]
  if (!base) return undefined
  const size = value < 0n ? -value : value
  const digits = size.toString(base.radix).padStart(spec.precision ?? 0, '0')
  const prefix = spec.sharp || spec.verb === 'O' ? base.prefix : ''
  return padNumber(spec, sign(spec, value < 0n) + prefix, spec.verb === 'X' ? digits.toUpperCase() : digits)
}

function pointText(value: bigint): string {
  return value >= 0n && value <= 0x10ffffn ? String.fromCodePoint(Number(value)) : '\ufffd'
}

function floatVerb(spec: Spec, value: number): string | undefined {
  const verb = spec.verb.toLowerCase()
  if (verb !== 'e' && verb !== 'f' && verb !== 'g') return undefined
  const precision = spec.precision ?? (verb === 'g' ? undefined : 6)
  const text = floatText(value, verb, precision)
  const digits = text.replace(/^[+-]/, '')
  const cased = spec.verb === 'E' || spec.verb === 'G' ? digits.toUpperCase() : digits
  const finite = Number.isFinite(value)
  const plus = text.startsWith('+') ? '+' : sign(spec, text.startsWith('-'))
  return padNumber({ ...spec, zero: spec.zero && finite }, plus, cased)
}

function sign(spec: Spec, negative: boolean): string {
  if (negative) return '-'
  return spec.plus ? '+' : spec.space ? ' ' : ''
}

/** Pads a number: zeros go between its sign and its digits. */
function padNumber(spec: Spec, start: string, digits: string): string {
  const zeros = spec.zero && (spec.precision === undefined || /[efgEFG]/.test(spec.verb))
  const filled = zeros ? digits.padStart((spec.width ?? 0) - start.length, '0') : digits
  return pad({ ...spec, zero: false }, start + filled)
}

function pad(spec: Spec, text: string): string {
  const missing = (spec.width ?? 0) - Array.from(text).length
  if (missing <= 0) return text
  return spec.minus ? text + ' '.repeat(missing) : (spec.zero ? '0' : ' ').repeat(missing) + text
}
