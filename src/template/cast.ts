import { TemplateError } from './limits.ts'
import { formatValue, scalarText } from './format.ts'
import { isTrue } from './value.ts'
import type { Value } from './value.ts'

/** Text of a value as Sprig makes it: a text stays, anything else is %v. */
export function textOf(value: Value): string {
  return value === null ? scalarText(value) : formatValue(value)
}

/** Texts of a list without its nils; anything else is a list of one (Sprig's strslice). */
export function textsOf(value: Value): string[] {
  if (value === null) return []
  const items = Array.isArray(value) ? value.filter((item) => item !== null) : [value]
  return items.map(textOf)
}

/** Whether Sprig takes a value as not set: Go's zero values and whatever is empty. */
export function isEmpty(value: Value): boolean {
  return !isTrue(value)
}

/** An int of anything, as Sprig casts it: what is no number is 0; texts may be 0x…, 0b…, and octal with a leading 0. */
export function toInt(value: Value): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number')
    return Number.isFinite(value) ? BigInt.asIntN(64, BigInt(Math.trunc(value))) : 0n
  if (typeof value === 'boolean') return value ? 1n : 0n
  if (typeof value !== 'string') return 0n
  const text = value.replace(/\.0*$/, '')
  const sign = text.startsWith('-') ? -1n : 1n
  const digits = text.replace(/^[+-]/, '').replaceAll('_', '')
  if (/^0[0-7]+$/.test(digits)) return sign * BigInt(`0o${digits}`)
  return /^(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0|[1-9][0-9]*)$/.test(digits)
    ? BigInt.asIntN(64, sign * BigInt(digits))
    : 0n
}

/** A float of anything; what is no number is 0. */
export function toFloat(value: Value): number {
  if (typeof value === 'string')
    return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value) ? Number(value) : 0
  if (typeof value === 'bigint' || typeof value === 'number') return Number(value)
  return value === true ? 1 : 0
}

/** Int arithmetic wraps at 64 bits, as in Go. */
export function wrap(value: bigint): bigint {
  return BigInt.asIntN(64, value)
}

/** @throws TemplateError when `divisor` is 0 */
export function divisorOf(value: Value): bigint {
  const divisor = toInt(value)
  if (divisor === 0n) throw new TemplateError('integer divide by zero')
  return divisor
}
