import { TemplateError } from './limits.ts'

const integer = /^([+-]?)(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9][0-9_]*)$/
const float = /^[+-]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?$/
const hexFloat = /^([+-]?)0[xX]([0-9a-fA-F_]*)\.?([0-9a-fA-F_]*)[pP]([+-]?[0-9]{1,5})$/
const minInt64 = -(2n ** 63n)
const maxInt64 = 2n ** 63n - 1n

/**
 * A Go number literal: integers as bigint (int64; a leading 0 is octal), anything with a point or exponent as float64.
 * @throws TemplateError
 */
export function numberValue(text: string): bigint | number {
  if (/_(?![0-9a-fA-F])|(?<![0-9a-fA-FxXbBoO])_|_.*\.|\..*_/.test(text) && !hexFloat.test(text))
    throw new TemplateError(`bad number ${JSON.stringify(text)}: "_" stands between digits`)
  const whole = integer.exec(text)
  if (whole) return integerValue(text, whole[1] === '-', whole[2] ?? '')
  if (float.test(text)) return Number(text.replaceAll('_', ''))
  const hex = hexFloat.exec(text)
  if (hex) return hexFloatValue(hex)
  throw new TemplateError(`bad number ${JSON.stringify(text)}`)
}

/** `0x1.8p3`: hexadecimal digits times a power of 2. */
function hexFloatValue([text, sign, whole = '', places = '', power]: RegExpExecArray): number {
  const digits = (whole + places).replaceAll('_', '')
  if (digits === '') throw new TemplateError(`bad number ${JSON.stringify(text)}`)
  const size = Number(`0x${digits}`) * 2 ** (Number(power) - 4 * places.replaceAll('_', '').length)
  return sign === '-' ? -size : size
}

function integerValue(text: string, negative: boolean, digits: string): bigint {
  const plain = digits.replaceAll('_', '')
  const octal = /^0[0-9]+$/.test(plain)
  if (octal && /[89]/.test(plain))
    throw new TemplateError(`bad number ${JSON.stringify(text)}: a leading 0 is octal`)
  const size = BigInt(octal ? `0o${plain}` : plain)
  const value = negative ? -size : size
  if (value < minInt64 || value > maxInt64) throw new TemplateError(`integer ${text} overflows 64 bits`)
  return value
}

const simple: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
}
const escape =
  /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\'"]))|\\|[^\\]+/g

/**
 * The value of a Go string literal in double quotes; `\x` and octal escapes are bytes of UTF-8.
 * @throws TemplateError
 */
export function stringValue(text: string): string {
  return unescape(text.slice(1, -1), '"')
}

/**
 * The code point of a Go character literal.
 * @throws TemplateError
 */
export function charValue(text: string): bigint {
  const inner = text.slice(1, -1)
  const byte = /^\\(?:x([0-9a-fA-F]{2})|([0-7]{3}))$/.exec(inner)
  if (byte) return BigInt(byte[1] ? Number.parseInt(byte[1], 16) : Number.parseInt(byte[2] ?? '', 8))
  const chars = Array.from(unescape(inner, "'"))
  if (chars.length !== 1) throw new TemplateError(`bad character literal ${text}`)
  return BigInt(chars[0]?.codePointAt(0) ?? 0)
}

function unescape(inner: string, quote: string): string {
  let out = ''
  let bytes: number[] = []
  const flush = () => {
    if (bytes.length > 0) out += new TextDecoder().decode(Uint8Array.from(bytes))
    bytes = []
  }
  for (const [piece, hex, u4, u8, octal, letter] of inner.matchAll(escape)) {
    const byte = hex ? Number.parseInt(hex, 16) : octal ? Number.parseInt(octal, 8) : undefined
    if (byte !== undefined && byte < 256) {
      bytes.push(byte)
      continue
    }
    flush()
    out += escapeText(piece, u4 ?? u8, letter, quote)
  }
  flush()
  return out
}

function escapeText(
  piece: string,
  point: string | undefined,
  letter: string | undefined,
  quote: string,
): string {
  if (!piece.startsWith('\\')) return piece
  const code = point === undefined ? undefined : Number.parseInt(point, 16)
  if (code !== undefined && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff))
    return String.fromCodePoint(code)
  const otherQuote = quote === '"' ? "'" : '"'
  if (letter !== undefined && letter !== otherQuote) return simple[letter] ?? ''
  throw new TemplateError(`bad escape ${JSON.stringify(piece)} in literal`)
}
