import { randomFrom } from '../tftp/random.ts'

/** A whole number from 0 up to, not including, `below`. */
export type Random = (below: number) => number

/** Changes a packet into another, maybe with parts of `lenders`. */
export type Mutator = (bytes: Uint8Array, random: Random, lenders: readonly Uint8Array[]) => Uint8Array

/** Set by FUZZ_SEED, to repeat or to look further. */
export const seed = Number(process.env['FUZZ_SEED'] ?? 20260501)
/** Set by FUZZ_TIMES: how many times the usual number of mutations. */
export const times = Number(process.env['FUZZ_TIMES'] ?? 1)

const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

export function noise(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index += 1) bytes[index] = random(256)
  return bytes
}

const telling = [0, 1, 2, 3, 52, 53, 54, 57, 61, 82, 127, 128, 254, 255]

/** A place in the packet: more often among its first octets or behind octet 240, where meaning is dense. */
function place(bytes: Uint8Array, random: Random): number {
  const zone = random(4)
  if (zone === 0) return random(Math.min(bytes.length, 48) + 1)
  if (zone < 3 && bytes.length > 240) return 240 + random(bytes.length - 240 + 1)
  return random(bytes.length + 1)
}

function slice(bytes: Uint8Array, random: Random): [start: number, end: number] {
  const start = place(bytes, random)
  return [start, Math.min(bytes.length, start + 1 + random(40))]
}

/** Damage that means nothing to a format: any octets, anywhere. */
export const blind: Readonly<Record<string, Mutator>> = {
  'flips bits': (bytes, random) => {
    const changed = bytes.slice()
    for (let count = 1 + random(4); count > 0 && changed.length > 0; count -= 1)
      changed[Math.min(place(bytes, random), changed.length - 1)]! ^= 1 << random(8)
    return changed
  },
  'sets octets': (bytes, random) => {
    const changed = bytes.slice()
    for (let count = 1 + random(4); count > 0 && changed.length > 0; count -= 1)
      changed[Math.min(place(bytes, random), changed.length - 1)] =
        random(2) === 0 ? telling[random(telling.length)]! : random(256)
    return changed
  },
  'cuts the end off': (bytes, random) => bytes.slice(0, random(bytes.length + 1)),
  'puts octets in': (bytes, random) => {
    const at = place(bytes, random)
    return join(bytes.subarray(0, at), noise(random, 1 + random(16)), bytes.subarray(at))
  },
  'takes octets out': (bytes, random) => {
    const [start, end] = slice(bytes, random)
    return join(bytes.subarray(0, start), bytes.subarray(end))
  },
  'doubles octets': (bytes, random) => {
    const [start, end] = slice(bytes, random)
    return join(bytes.subarray(0, end), bytes.subarray(start, end), bytes.subarray(end))
  },
  'fills octets': (bytes, random) => {
    const [start, end] = slice(bytes, random)
    return bytes.slice().fill(telling[random(telling.length)]!, start, end)
  },
  'goes on as another packet': (bytes, random, lenders) => {
    const other = lenders[random(lenders.length)]!
    const at = place(bytes, random)
    const from = random(2) === 0 ? at : place(other, random)
    return join(bytes.subarray(0, at), other.subarray(Math.min(from, other.length)))
  },
  'grows a long tail': (bytes, random) => join(bytes, noise(random, random(1500))),
}

/**
 * An endless sequence of mutations, the same for the same seed: one of `packets` after one change, or a few, for which
 * it may borrow from `lenders`.
 */
export function* mutations(
  { packets, lenders }: { packets: readonly Uint8Array[]; lenders: readonly Uint8Array[] },
  mutators: Readonly<Record<string, Mutator>>,
): Generator<{ bytes: Uint8Array; how: string }> {
  const random = randomFrom(seed)
  const all = Object.entries(mutators)
  for (;;) {
    let bytes: Uint8Array = packets[random(packets.length)]!.slice()
    const how: string[] = []
    for (let count = [1, 1, 1, 2, 3][random(5)]!; count > 0; count -= 1) {
      const [name, mutate] = all[random(all.length)]!
      bytes = mutate(bytes, random, lenders)
      how.push(name)
    }
    yield { bytes, how: how.join(', ') }
  }
}

/** A packet that went wrong, so that it can be put into a test of its own. */
export const shown = ({ bytes, how }: { bytes: Uint8Array; how: string }): string =>
  `${how}: ${Buffer.from(bytes).toString('hex')}`
