import type { Codec } from './codec.ts'

/** Sub-options by number. */
export type SubOptions = ReadonlyMap<number, Uint8Array>

const end = 255

/**
 * Options inside an option (RFC 2132 §8.4, RFC 3046 §2.0). Sub-options over 255 octets cannot be expressed and are
 * left out on encoding.
 * @param terminated whether the list ends with 255 on the wire, as PXE wants it in option 43
 * @param padded whether 0 is padding and 255 the end when reading; in option 82 both are ordinary sub-options
 */
export function subOptions(rules: { terminated: boolean; padded: boolean }): Codec<SubOptions> {
  return {
    encode: (options) => {
      const wire: number[] = []
      for (const [code, value] of options) if (value.length <= 255) wire.push(code, value.length, ...value)
      if (rules.terminated) wire.push(end)
      return new Uint8Array(wire)
    },
    decode: (bytes) => read(bytes, rules.padded),
  }
}

function read(bytes: Uint8Array, padded: boolean): SubOptions | undefined {
  const found = new Map<number, Uint8Array>()
  for (let offset = 0; offset < bytes.length;) {
    const code = bytes[offset]!
    if (padded && code === end) break
    if (padded && code === 0) {
      offset += 1
      continue
    }
    const length = bytes[offset + 1]
    if (length === undefined || offset + 2 + length > bytes.length) return undefined
    found.set(code, bytes.subarray(offset + 2, offset + 2 + length))
    offset += 2 + length
  }
  return found
}
