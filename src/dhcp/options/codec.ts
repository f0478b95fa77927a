import { ip4FromNumber } from '../../model/ip4.ts'
import type { Ip4 } from '../../model/ip4.ts'

/** Both directions of one option's value. `decode` gives `undefined` for bytes that are no such value. */
export type Codec<T> = {
  encode(value: T): Uint8Array
  decode(bytes: Uint8Array): T | undefined
}

const unsigned = (width: 1 | 2 | 4): Codec<number> => ({
  encode: (value) => {
    const bytes = new Uint8Array(width)
    for (let index = 0; index < width; index += 1) bytes[index] = value >>> (8 * (width - 1 - index))
    return bytes
  },
  decode: (bytes) => {
    if (bytes.length !== width) return undefined
    let value = 0
    for (let index = 0; index < width; index += 1) value = value * 256 + bytes[index]!
    return value
  },
})

export const uint8 = unsigned(1)
export const uint16 = unsigned(2)
export const uint32 = unsigned(4)

/** One or more 16-bit numbers, as in RFC 4578 §2.1. */
export const uint16s: Codec<readonly number[]> = {
  encode: (values) => Uint8Array.from(values.flatMap((value) => [(value >> 8) & 255, value & 255])),
  decode: (bytes) =>
    bytes.length > 0 && bytes.length % 2 === 0
      ? Array.from(
          { length: bytes.length / 2 },
          (_, index) => bytes[2 * index]! * 256 + bytes[2 * index + 1]!,
        )
      : undefined,
}

/** @param offset of four octets that exist */
export function readIp4(bytes: Uint8Array, offset: number): Ip4 {
  return ip4FromNumber(
    (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!,
  )
}

/** Writes four octets in wire order. */
export function writeIp4(ip: Ip4, bytes: Uint8Array, offset: number): void {
  let octet = 0
  let position = offset
  for (let index = 0; index < ip.length; index += 1) {
    const code = ip.charCodeAt(index)
    if (code !== dot) octet = octet * 10 + (code - zero)
    else {
      bytes[position] = octet
      position += 1
      octet = 0
    }
  }
  bytes[position] = octet
}

const dot = 46
const zero = 48

export const ip: Codec<Ip4> = {
  encode: (value) => {
    const bytes = new Uint8Array(4)
    writeIp4(value, bytes, 0)
    return bytes
  },
  decode: (bytes) => (bytes.length === 4 ? readIp4(bytes, 0) : undefined),
}

export const ips: Codec<readonly Ip4[]> = {
  encode: (values) => {
    const bytes = new Uint8Array(4 * values.length)
    values.forEach((value, index) => writeIp4(value, bytes, 4 * index))
    return bytes
  },
  decode: (bytes) =>
    bytes.length > 0 && bytes.length % 4 === 0
      ? Array.from({ length: bytes.length / 4 }, (_, index) => readIp4(bytes, 4 * index))
      : undefined,
}

const utf8 = new TextEncoder()
const fromUtf8 = new TextDecoder()

/** UTF-8; the usual text is ASCII and short, for which a loop is several times faster than the encoder. */
export function textBytes(value: string): Uint8Array {
  const bytes = new Uint8Array(value.length)
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index)
    if (code > 127) return utf8.encode(value)
    bytes[index] = code
  }
  return bytes
}

/** Text without a terminator; terminators that a sender appends are dropped (RFC 2132 §2). */
export const text: Codec<string> = {
  encode: textBytes,
  decode: (bytes) => fromUtf8.decode(bytes).replace(/\0+$/, ''),
}

/** Octets as they are. */
export const octets: Codec<Uint8Array> = {
  encode: (value) => value,
  decode: (bytes) => bytes,
}
