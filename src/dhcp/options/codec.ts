import { ip4FromNumber, ip4ToNumber } from '../../model/ip4.ts'
import type { Ip4 } from '../../model/ip4.ts'

/** Both directions of one option's value. `decode` gives `undefined` for bytes that are no such value. */
export type Codec<T> = {
  encode(value: T): Uint8Array
  decode(bytes: Uint8Array): T | undefined
}

const unsigned = (width: 1 | 2 | 4): Codec<number> => ({
  encode: (value) =>
    Uint8Array.from({ length: width }, (_, index) => Math.floor(value / 256 ** (width - 1 - index)) & 255),
  decode: (bytes) => (bytes.length === width ? bytes.reduce((sum, byte) => sum * 256 + byte, 0) : undefined),
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
    ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>>
      0,
  )
}

/** @returns four octets in wire order */
export function ip4Bytes(ip: Ip4): number[] {
  const value = ip4ToNumber(ip)
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255)
}

export const ip: Codec<Ip4> = {
  encode: (value) => Uint8Array.from(ip4Bytes(value)),
  decode: (bytes) => (bytes.length === 4 ? readIp4(bytes, 0) : undefined),
}

export const ips: Codec<readonly Ip4[]> = {
  encode: (values) => Uint8Array.from(values.flatMap(ip4Bytes)),
  decode: (bytes) =>
    bytes.length > 0 && bytes.length % 4 === 0
      ? Array.from({ length: bytes.length / 4 }, (_, index) => readIp4(bytes, 4 * index))
      : undefined,
}

const utf8 = new TextEncoder()
const fromUtf8 = new TextDecoder()

/** Text without a terminator; terminators that a sender appends are dropped (RFC 2132 §2). */
export const text: Codec<string> = {
  encode: (value) => utf8.encode(value),
  decode: (bytes) => fromUtf8.decode(bytes).replace(/\0+$/, ''),
}

/** Octets as they are. */
export const octets: Codec<Uint8Array> = {
  encode: (value) => value,
  decode: (bytes) => bytes,
}
