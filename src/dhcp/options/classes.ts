import type { Codec } from './codec.ts'

const fromLatin1 = (bytes: Uint8Array) => new TextDecoder('latin1').decode(bytes)

/**
 * User classes (RFC 3004): a list of length-prefixed names. iPXE and others send one bare name instead; whatever is not
 * exactly a list is read as one name.
 */
export const userClasses: Codec<readonly string[]> = {
  encode: (names) => {
    const encoded = names.map((name) => new TextEncoder().encode(name)).filter(({ length }) => length <= 255)
    return Uint8Array.from(encoded.flatMap((name) => [name.length, ...name]))
  },
  decode: (bytes) => {
    const names: string[] = []
    let offset = 0
    while (offset < bytes.length && bytes[offset]! > 0 && offset + 1 + bytes[offset]! <= bytes.length) {
      names.push(fromLatin1(bytes.subarray(offset + 1, offset + 1 + bytes[offset]!)))
      offset += 1 + bytes[offset]!
    }
    return offset === bytes.length ? names : [fromLatin1(bytes)]
  },
}
