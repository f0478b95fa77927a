/** Digits behind the point that a format may ask for. */
const maxPlaces = 1000

/** Go's texts of a float64 (strconv.FormatFloat). `precision` undefined: the shortest text that reads back the same. */
export function floatText(value: number, verb: 'e' | 'f' | 'g', precision?: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  const places = precision === undefined ? undefined : Math.min(precision, maxPlaces)
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const size = Math.abs(value)
  if (verb === 'f') return sign + fixedText(size, places)
  if (verb === 'e') return sign + exponentText(scientificText(size, places))
  return sign + generalText(size, places)
}

/** %f: never with an exponent. */
function fixedText(size: number, precision: number | undefined): string {
  if (precision === undefined) return size >= 1e21 ? BigInt(size).toString() : plainText(size)
  const digits = scaled(size, precision)
    .toString()
    .padStart(precision + 1, '0')
  return precision === 0 ? digits : `${digits.slice(0, -precision)}.${digits.slice(-precision)}`
}

/** `size` times 10^`power`, rounded half to even as Go does (toFixed and toExponential round half up). */
function scaled(size: number, power: number): bigint {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, size)
  const raw = bits.getBigUint64(0)
  const exponent = Number((raw >> 52n) & 0x7ffn)
  const fraction = raw & 0xfffffffffffffn
  const mantissa = exponent === 0 ? fraction : fraction | (1n << 52n)
  const shift = Math.max(exponent, 1) - 1075
  const top = mantissa * (shift > 0 ? 1n << BigInt(shift) : 1n) * (power > 0 ? 10n ** BigInt(power) : 1n)
  const bottom = (shift < 0 ? 1n << BigInt(-shift) : 1n) * (power < 0 ? 10n ** BigInt(-power) : 1n)
  const whole = top / bottom
  const rest = (top % bottom) * 2n
  const up = rest > bottom || (rest === bottom && whole % 2n === 1n)
  return up ? whole + 1n : whole
}

/** `d.ddde+5` with `precision` digits behind the point; JavaScript's form of the exponent. */
function scientificText(size: number, precision: number | undefined): string {
  if (precision === undefined) return size.toExponential()
  if (size === 0) return `0${precision === 0 ? '' : `.${'0'.repeat(precision)}`}e+0`
  const power = Number(size.toExponential().split('e')[1])
  const digits = scaled(size, precision - power).toString()
  const carried = digits.length > precision + 1
  const kept = carried ? digits.slice(0, -1) : digits
  const exponent = carried ? power + 1 : power
  const mantissa = precision === 0 ? kept : `${kept[0]}.${kept.slice(1)}`
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`
}

/** The shortest digits of a number below 1e21, written without exponent. */
function plainText(size: number): string {
  const [digits = '', exponent = '0'] = size.toExponential().split('e')
  const power = Number(exponent)
  if (power >= -6) return String(size)
  return `0.${'0'.repeat(-power - 1)}${digits.replace('.', '')}`
}

/** JavaScript's `1.5e+7` as Go's `1.5e+07` */
function exponentText(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}

/** %g: with an exponent when that is below -4, or at least the precision; 6 decides for the shortest text. */
function generalText(size: number, precision: number | undefined): string {
  const places = precision === undefined ? undefined : Math.max(precision, 1)
  const scientific = scientificText(size, places === undefined ? undefined : places - 1)
  const [mantissa = '', exponent = '0'] = scientific.split('e')
  const digits = mantissa.replace('.', '').replace(/0+$/, '')
  const power = Number(exponent)
  const limit =
    places === undefined ? 6 : places > digits.length && digits.length >= power + 1 ? digits.length : places
  if (size !== 0 && (power < -4 || power >= limit)) {
    const short = digits.length > 1 ? `${digits[0]}.${digits.slice(1)}` : digits
    return exponentText(`${short}e${power < 0 ? '-' : '+'}${Math.abs(power)}`)
  }
  return places === undefined ? plainText(size) : plainText(Number(scientific))
}
