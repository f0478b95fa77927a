/** A decimal number: `digits` times 10^`exponent`. Sprig's float functions reckon with these, so that 0.1 + 0.2 is 0.3. */
export type Decimal = { digits: bigint; exponent: number }

/** Digits behind the point of a quotient. */
const divisionPlaces = 16

/** The shortest decimal that reads back as `value`, which is finite. */
export function decimalOf(value: number): Decimal {
  const [mantissa = '0', power = '0'] = value.toExponential().split('e')
  const [whole = '0', places = ''] = mantissa.split('.')
  return { digits: BigInt(whole + places), exponent: Number(power) - places.length }
}

export function numberOf({ digits, exponent }: Decimal): number {
  return Number(`${digits}e${exponent}`)
}

const at = ({ digits, exponent }: Decimal, lower: number) => digits * 10n ** BigInt(exponent - lower)

export function plus(a: Decimal, b: Decimal): Decimal {
  const exponent = Math.min(a.exponent, b.exponent)
  return { digits: at(a, exponent) + at(b, exponent), exponent }
}

export function minus(a: Decimal, b: Decimal): Decimal {
  return plus(a, { ...b, digits: -b.digits })
}

export function times(a: Decimal, b: Decimal): Decimal {
  return { digits: a.digits * b.digits, exponent: a.exponent + b.exponent }
}

/** Rounded half away from zero. `b` is not 0. */
export function dividedBy(a: Decimal, b: Decimal): Decimal {
  const shift = a.exponent - b.exponent + divisionPlaces
  const top = shift > 0 ? a.digits * 10n ** BigInt(shift) : a.digits
  const bottom = shift < 0 ? b.digits * 10n ** BigInt(-shift) : b.digits
  const quotient = top / bottom
  const rest = magnitude(top % bottom) * 2n
  const away = top < 0n === bottom < 0n ? 1n : -1n
  return {
    digits: rest >= magnitude(bottom) ? quotient + away : quotient,
    exponent: -divisionPlaces,
  }
}

const magnitude = (value: bigint) => (value < 0n ? -value : value)
