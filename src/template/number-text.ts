/** Go's texts of a float64 (strconv.FormatFloat). `precision` undefined: the shortest text that reads back the same. */
export function floatText(value: number, verb: 'e' | 'f' | 'g', precision?: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const size = Math.abs(value)
  if (verb === 'f') return sign + fixedText(size, precision)
  if (verb === 'e') return sign + exponentText(size.toExponential(precision))
  return sign + generalText(size, precision)
}

/** %f without an exponent, also beyond 1e21, where toFixed would use one. */
function fixedText(size: number, precision: number | undefined): string {
  if (precision !== undefined && size < 1e21) return size.toFixed(Math.min(precision, 100))
  const whole = size >= 1e21 ? BigInt(size).toString() : plainText(size)
  return precision ? `${whole}.${'0'.repeat(precision)}` : whole
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
  const scientific = size.toExponential(places === undefined ? undefined : Math.min(places - 1, 100))
  const [mantissa = '', exponent = '0'] = scientific.split('e')
  const digits = mantissa.replace('.', '').replace(/0+$/, '')
  const power = Number(exponent)
  const limit = places === undefined ? 6 : places > digits.length && digits.length >= power + 1 ? digits.length : places
  if (size !== 0 && (power < -4 || power >= limit)) {
    const short = digits.length > 1 ? `${digits[0]}.${digits.slice(1)}` : digits
    return exponentText(`${short}e${power < 0 ? '-' : '+'}${Math.abs(power)}`)
  }
  return places === undefined ? plainText(size) : plainText(Number(size.toPrecision(Math.min(places, 100))))
}
