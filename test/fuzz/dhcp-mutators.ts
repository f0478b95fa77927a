import type { Mutator, Random } from './mutate.ts'
import { blind, noise } from './mutate.ts'

type Entry = readonly [code: number, value: Uint8Array]

const optionsStart = 240

/** The options as they stand, without regard to what they mean; what cannot be read is left out. */
function entriesOf(bytes: Uint8Array): Entry[] {
  const entries: Entry[] = []
  for (let offset = optionsStart; offset + 1 < bytes.length && bytes[offset] !== 255;) {
    if (bytes[offset] === 0) {
      offset += 1
      continue
    }
    const end = Math.min(offset + 2 + bytes[offset + 1]!, bytes.length)
    entries.push([bytes[offset]!, bytes.slice(offset + 2, end)])
    offset = end
  }
  return entries
}

function wire(entries: readonly Entry[]): Uint8Array {
  const pieces = entries.map(([code, value]) => [code, value.subarray(0, 255)] as const)
  const bytes = new Uint8Array(pieces.reduce((sum, [, value]) => sum + 2 + value.length, 0))
  let offset = 0
  for (const [code, value] of pieces) {
    bytes.set([code, value.length], offset)
    bytes.set(value, offset + 2)
    offset += 2 + value.length
  }
  return bytes
}

function withEntries(bytes: Uint8Array, entries: readonly Entry[]): Uint8Array {
  const options = wire(entries)
  const packet = new Uint8Array(optionsStart + options.length + 1)
  packet.set(bytes.subarray(0, optionsStart))
  packet.set(options, optionsStart)
  packet[packet.length - 1] = 255
  return packet
}

const changed =
  (change: (entries: Entry[], random: Random) => Entry[]): Mutator =>
  (bytes, random) =>
    withEntries(bytes, change(entriesOf(bytes), random))

const octets = noise
const lengths = [0, 1, 2, 3, 4, 5, 6, 8, 16, 17, 64, 128, 254, 255]

/** Options that steer the server, with values that a liar would give them. */
const liars: ((random: Random) => Entry)[] = [
  (random) => [50, Uint8Array.of(192, 168, 77, random(32))],
  (random) => [52, Uint8Array.of(random(5))],
  (random) => [53, Uint8Array.of(random(10))],
  (random) => [54, random(2) === 0 ? Uint8Array.of(192, 168, 77, 1) : octets(random, 4)],
  (random) => [55, octets(random, random(256))],
  (random) => [57, Uint8Array.of(random(256), random(256))],
  (random) => [57, Uint8Array.of(2, 64 + random(3))],
  (random) => [
    60,
    new TextEncoder().encode(['PXEClient', 'HTTPClient', 'PXEClient:Arch:99999', ''][random(4)]),
  ],
  (random) => [61, octets(random, lengths[random(lengths.length)]!)],
  (random) => [77, new TextEncoder().encode(['iPXE', '\u0004iPXE', '\u00ffiPXE'][random(3)])],
  (random) => [82, Uint8Array.of(11, 4, ...octets(random, 4))],
  (random) => [82, octets(random, lengths[random(lengths.length)]!)],
  (random) => [93, octets(random, 2 * random(8))],
  (random) => [97, octets(random, lengths[random(lengths.length)]!)],
  (random) => [175, octets(random, random(64))],
  (random) => [random(256), octets(random, lengths[random(lengths.length)]!)],
]

const liar = (random: Random): Entry => liars[random(liars.length)]!(random)

/** Writes options into `file` and `sname`, and says so in option 52, or not. */
const overload: Mutator = (bytes, random) => {
  const packet = withEntries(bytes, [...entriesOf(bytes), [52, Uint8Array.of(1 + random(3))]])
  for (const [start, size] of [
    [108, 128],
    [44, 64],
  ] as const) {
    const field = wire([liar(random), liar(random)]).subarray(0, size - random(2))
    packet.fill(0, start, start + size).set(field, start)
    if (field.length < size) packet[start + field.length] = random(4) === 0 ? 0 : 255
  }
  return packet
}

/** Addresses of the fixed header: where a reply would go, and to whom. */
const readdress: Mutator = (bytes, random) => {
  const packet = bytes.slice()
  if (packet.length < optionsStart) return packet
  const addresses = [
    [0, 0, 0, 0],
    [255, 255, 255, 255],
    [127, 0, 0, 1],
    [224, 0, 0, 1],
    [192, 168, 77, random(32)],
    [...octets(random, 4)],
  ]
  for (const start of [12, 16, 20, 24])
    if (random(2) === 0) packet.set(addresses[random(addresses.length)]!, start)
  if (random(2) === 0) packet[28 + random(6)]! ^= 1 << random(8)
  return packet
}

/** Damage by one who knows DHCP; half of all mutations stay blind. */
export const dhcpMutators: Readonly<Record<string, Mutator>> = {
  ...blind,
  'puts options in another order': changed((entries, random) =>
    entries
      .map((entry) => ({ entry, at: random(1000) }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ entry }) => entry),
  ),
  'lies about the length of an option': (bytes, random) => {
    const packet = bytes.slice()
    let offset = optionsStart
    for (let skip = random(12); skip > 0 && offset + 1 < packet.length; skip -= 1)
      offset += 2 + packet[offset + 1]!
    if (offset + 1 < packet.length) packet[offset + 1] = lengths[random(lengths.length)]!
    return packet
  },
  'adds options': changed((entries, random) => [
    ...entries,
    ...Array.from({ length: 1 + random(6) }, () => liar(random)),
  ]),
  'puts options before the others': changed((entries, random) => [liar(random), ...entries]),
  'changes the value of an option': changed((entries, random) => {
    const index = random(entries.length + 1)
    return entries.map((entry, at) =>
      at === index ? [entry[0], octets(random, lengths[random(lengths.length)]!)] : entry,
    )
  }),
  'repeats options': changed((entries, random) => [
    ...entries,
    ...Array.from({ length: 1 + random(5) }, () => entries[random(entries.length)] ?? liar(random)),
  ]),
  'changes the message type': changed((entries, random) =>
    entries.map((entry) => (entry[0] === 53 ? [53, Uint8Array.of(random(10))] : entry)),
  ),
  'leaves options out': changed((entries, random) => entries.filter(() => random(4) > 0)),
  'hides options in file and sname': overload,
  'changes addresses': readdress,
}
