import { divisorOf, toFloat, toInt, wrap } from './cast.ts'
import { decimalOf, dividedBy, minus, numberOf, plus, times } from './decimal.ts'
import type { Decimal } from './decimal.ts'
import { fn, fnRest } from './func.ts'
import type { Func, FuncTable } from './func.ts'
import { TemplateError, checkListLength } from './limits.ts'
import { formatValue } from './format.ts'
import type { Value } from './value.ts'

const max = fnRest(['any'], 'any', (first, rest) =>
  rest.map(toInt).reduce((a, b) => (b > a ? b : a), toInt(first)),
)

/** Sprig's arithmetic: operands of any type are cast to int64, or to float64 for the `…f` ones. */
export const mathFunctions: FuncTable = {
  int: fn(['any'], toInt),
  int64: fn(['any'], toInt),
  float64: fn(['any'], toFloat),
  atoi: fn(['string'], (text) =>
    /^[+-]?[0-9]+$/.test(text) ? inInt64(BigInt(text.replace(/^\+/, ''))) : 0n,
  ),
  toDecimal: fn(['any'], toDecimal),
  add: fnRest([], 'any', (args) => args.reduce((sum: bigint, arg) => wrap(sum + toInt(arg)), 0n)),
  add1: fn(['any'], (value) => wrap(toInt(value) + 1n)),
  sub: fn(['any', 'any'], (a, b) => wrap(toInt(a) - toInt(b))),
  mul: fnRest(['any'], 'any', (first, rest) =>
    rest.reduce((product: bigint, arg) => wrap(product * toInt(arg)), toInt(first)),
  ),
  div: fn(['any', 'any'], (a, b) => wrap(toInt(a) / divisorOf(b))),
  mod: fn(['any', 'any'], (a, b) => toInt(a) % divisorOf(b)),
  max,
  biggest: max,
  min: fnRest(['any'], 'any', (first, rest) =>
    rest.map(toInt).reduce((a, b) => (b < a ? b : a), toInt(first)),
  ),
  addf: fnRest([], 'any', (args) => reckoned(0n, args, plus)),
  add1f: fn(['any'], (value) => reckoned(value, [1n], plus)),
  subf: reckoning(minus),
  mulf: reckoning(times),
  divf: reckoning((a, b) => {
    if (b.digits === 0n) throw new TemplateError('decimal division by 0')
    return dividedBy(a, b)
  }),
  maxf: fnRest(['any'], 'any', (first, rest) => Math.max(toFloat(first), ...rest.map(toFloat))),
  minf: fnRest(['any'], 'any', (first, rest) => Math.min(toFloat(first), ...rest.map(toFloat))),
  floor: fn(['any'], (value) => Math.floor(toFloat(value))),
  ceil: fn(['any'], (value) => Math.ceil(toFloat(value))),
  round: fnRest(['any', 'int'], 'float', (value, places, [from = 0.5]) =>
    round(toFloat(value), places, from),
  ),
  until: fn(['int'], (count) => steps(0, count, count < 0 ? -1 : 1)),
  untilStep: fn(['int', 'int', 'int'], steps),
  seq: fnRest([], 'int', seq),
}

const inInt64 = (value: bigint) =>
  BigInt.asIntN(64, value) === value ? value : value < 0n ? -(2n ** 63n) : 2n ** 63n - 1n

/** What is written in octal digits; 0 when it is not. */
function toDecimal(value: Value): bigint {
  const text = formatValue(value)
  if (!/^[+-]?[0-7]+$/.test(text) || text.length > 24) return 0n
  const size = BigInt(`0o${text.replace(/^[+-]/, '')}`)
  const number = text.startsWith('-') ? -size : size
  return BigInt.asIntN(64, number) === number ? number : 0n
}

type Operation = (a: Decimal, b: Decimal) => Decimal

function reckoning(operation: Operation): Func {
  return fnRest(['any'], 'any', (first, rest) => reckoned(first, rest, operation))
}

function reckoned(first: Value, rest: readonly Value[], operation: Operation): number {
  return numberOf(rest.reduce((sum: Decimal, arg) => bounded(operation(sum, operand(arg))), operand(first)))
}

function operand(value: Value): Decimal {
  const number = toFloat(value)
  if (!Number.isFinite(number)) throw new TemplateError(`cannot reckon with ${number}`)
  return decimalOf(number)
}

/** Beyond what a float64 can hold many digits say nothing more. */
function bounded(value: Decimal): Decimal {
  const size = value.digits < 0n ? -value.digits : value.digits
  return size < 10n ** 400n && Math.abs(value.exponent) < 800 ? value : operand(numberOf(value))
}

/** Rounds up from a rest of `from`; a negative value's rest is below 0, so that it is rounded down. */
function round(value: number, places: number, from: number): number {
  const power = 10 ** places
  const shifted = power * value
  const rest = shifted - Math.trunc(shifted)
  return (rest >= from ? Math.ceil(shifted) : Math.floor(shifted)) / power
}

/** Whole numbers from `start` until `stop`; none when `step` does not lead there. */
function steps(start: number, stop: number, step: number): bigint[] {
  const count = step === 0 ? 0 : Math.max(0, Math.ceil((stop - start) / step))
  checkListLength(count)
  return Array.from({ length: count }, (_, i) => BigInt(start + i * step))
}

/** `seq last`, `seq first last`, `seq first step last`, as the program of that name: text with spaces, ends included. */
function seq(bounds: readonly number[]): string {
  if (bounds.length === 0 || bounds.length > 3) return ''
  const [start = 1, last = 0] = bounds.length === 1 ? [1, bounds[0]] : [bounds[0], bounds.at(-1)]
  const direction = last < start ? -1 : 1
  const step = bounds.length === 3 ? (bounds[1] ?? 0) : direction
  if (direction < 0 && step > 0) return ''
  return steps(start, last + direction, step)
    .map(String)
    .join(' ')
}
