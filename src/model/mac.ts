declare const brand: unique symbol

/** An EUI-48 address: lower case, colons, `aa:bb:cc:dd:ee:ff`. Made only by `parseMac` and `macFromBytes`. */
export type Mac = string & { readonly [brand]: 'Mac' }

const shapes = [
  /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/,
  /^([0-9a-f]{2}-){5}[0-9a-f]{2}$/,
  /^([0-9a-f]{4}\.){2}[0-9a-f]{4}$/,
]

/**
 * @param text any of the spellings `aa:bb:cc:dd:ee:ff`, `aa-bb-cc-dd-ee-ff`, `aabb.ccdd.eeff`, in any case
 * @returns `undefined` when it is none of them
 */
export function parseMac(text: string): Mac | undefined {
  const lower = text.toLowerCase()
  if (shapes[0]!.test(lower)) return lower as Mac
  if (!shapes.some((shape) => shape.test(lower))) return undefined
  const digits = lower.replace(/[:.-]/g, '')
  return digits.match(/../g)!.join(':') as Mac
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** @param bytes six octets in wire order */
export function macFromBytes(bytes: Uint8Array): Mac | undefined {
  if (bytes.length !== 6) return undefined
  const [a, b, c, d, e, f] = bytes as unknown as [number, number, number, number, number, number]
  return `${hex[a]}:${hex[b]}:${hex[c]}:${hex[d]}:${hex[e]}:${hex[f]}` as Mac
}

/** @returns six octets in wire order */
export function macToBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(':'), (octet) => Number.parseInt(octet, 16))
}

const code = (character: string) => character.charCodeAt(0)
const [zero, nine, letterA, colon] = [code('0'), code('9'), code('a'), code(':')]

/** The 48 bits of a MAC, which take less room than its text. Digit by digit: a large file has many. */
export function macToNumber(mac: Mac): number {
  let sum = 0
  for (let at = 0; at < mac.length; at++) {
    const digit = mac.charCodeAt(at)
    if (digit !== colon) sum = sum * 16 + (digit <= nine ? digit - zero : digit - letterA + 10)
  }
  return sum
}

/** @param value as `macToNumber` gives it */
export function macFromNumber(value: number): Mac {
  const digits = value.toString(16).padStart(12, '0')
  return digits.match(/../g)!.join(':') as Mac
}
