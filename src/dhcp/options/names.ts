import { textBytes } from './codec.ts'
import type { Codec } from './codec.ts'

const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i

/** Names of hosts and domains that DNS can carry: labels of 1–63 octets, 253 in all; a trailing dot is allowed. */
export function isDomainName(name: string): boolean {
  const bare = name.replace(/\.$/, '')
  return bare.length <= 253 && bare.split('.').every((part) => label.test(part))
}

/**
 * Domain search list (RFC 3397, RFC 1035 §4.1.4). Names that DNS cannot carry are left out on encoding; on decoding,
 * compression pointers may only point backwards, so that no packet makes a loop.
 */
export const domainSearch: Codec<readonly string[]> = {
  encode: (names) => {
    const wire = names.filter(isDomainName).map(wireName)
    const first = wire[0] ?? new Uint8Array(0)
    return wire.length <= 1 ? first : new Uint8Array(wire.flatMap((name) => [...name]))
  },
  decode: (bytes) => {
    const names: string[] = []
    for (let offset = 0; offset < bytes.length;) {
      const read = readName(bytes, offset)
      if (!read) return undefined
      names.push(read.name)
      offset = read.next
    }
    return names.length > 0 ? names : undefined
  },
}

/** Every dot gives way to the length of the label that follows it, the last one to the root's 0. */
function wireName(name: string): Uint8Array {
  const bytes = textBytes(`.${name.replace(/\.$/, '')}.`)
  let last = bytes.length - 1
  bytes[last] = 0
  for (let index = last - 1; index >= 0; index -= 1) {
    if (bytes[index] !== dot) continue
    bytes[index] = last - index - 1
    last = index
  }
  return bytes
}

const dot = 46

function readName(bytes: Uint8Array, start: number): { name: string; next: number } | undefined {
  const labels: string[] = []
  let next: number | undefined
  let lowest = start
  let size = 0
  for (let offset = start; ;) {
    const length = bytes[offset]
    if (length === undefined) return undefined
    if (length === 0) return { name: labels.join('.'), next: next ?? offset + 1 }
    if (length >= 0xc0) {
      const target = (length & 0x3f) * 256 + (bytes[offset + 1] ?? 0xffff)
      if (target >= lowest) return undefined
      next ??= offset + 2
      lowest = target
      offset = target
      continue
    }
    size += length + 1
    if (length > 63 || size > 254 || offset + 1 + length > bytes.length) return undefined
    labels.push(new TextDecoder('latin1').decode(bytes.subarray(offset + 1, offset + 1 + length)))
    offset += 1 + length
  }
}
