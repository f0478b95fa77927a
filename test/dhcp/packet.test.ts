import t from 'tap'
import { encode } from '../../src/dhcp/encode.ts'
import { parse, unsetIp } from '../../src/dhcp/packet.ts'
import type { DhcpPacket } from '../../src/dhcp/packet.ts'
import { clients, discover, ip4, options, request } from './packets.ts'

const parsed = (bytes: Uint8Array): DhcpPacket => {
  const packet = parse(bytes)
  if (typeof packet === 'string') throw new Error(packet)
  return packet
}
/** A message whose options area holds exactly `area`. */
const raw = (area: readonly number[], change: (bytes: Uint8Array) => void = () => {}): Uint8Array => {
  const bytes = new Uint8Array(240 + area.length)
  bytes.set(encode(request(discover)).bytes.subarray(0, 240))
  bytes.set(area, 240)
  change(bytes)
  return bytes
}
const plain = (map: DhcpPacket['options']) =>
  Object.fromEntries([...map].map(([code, value]) => [code, [...value]]))

const fields = {
  ciaddr: ip4('10.0.0.1'),
  yiaddr: ip4('10.0.0.2'),
  siaddr: ip4('10.0.0.3'),
  giaddr: ip4('255.0.0.4'),
  xid: 0xfedcba98,
  secs: 65535,
  flags: 0x8000,
  hops: 3,
  sname: 'boot.example',
  file: 'a'.repeat(127),
}
for (const [name, values] of Object.entries(clients)) {
  t.test(`a message of ${name} survives encoding and parsing`, async (t) => {
    const packet = request({ ...discover, ...values }, fields)
    const { bytes, leftOut } = encode(packet, 1500)
    t.same(leftOut, [])
    t.ok(bytes.length >= 300, 'has at least 300 octets')
    const back = parsed(bytes)
    t.same(
      { ...back, chaddr: [...back.chaddr], options: plain(back.options) },
      {
        ...packet,
        chaddr: [...packet.chaddr],
        options: plain(packet.options),
      },
    )
  })
}

const readable = [
  {
    name: 'padding before, between and after options is skipped',
    area: [0, 53, 1, 1, 0, 0, 12, 1, 97, 255, 0],
    want: { 53: [1], 12: [97] },
  },
  { name: 'octets after the end option are not read', area: [53, 1, 1, 255, 12, 9], want: { 53: [1] } },
  { name: 'a missing end option is forgiven', area: [53, 1, 1], want: { 53: [1] } },
  {
    name: 'a repeated option is joined',
    area: [60, 2, 80, 88, 53, 1, 1, 60, 1, 69, 255],
    want: { 60: [80, 88, 69], 53: [1] },
  },
  { name: 'an empty option is kept', area: [53, 1, 1, 80, 0, 255], want: { 53: [1], 80: [] } },
]
for (const { name, area, want } of readable) {
  t.test(name, async (t) => t.same(plain(parsed(raw(area)).options), want))
}

t.test('options go on in file and sname when option 52 says so', async (t) => {
  const packet = parsed(
    raw([53, 1, 1, 52, 1, 3, 60, 1, 80, 255], (bytes) => {
      bytes.set([60, 1, 88, 12, 1, 97, 255], 108)
      bytes.set([60, 1, 69, 255], 44)
    }),
  )
  t.same(plain(packet.options), { 53: [1], 52: [3], 60: [80, 88, 69], 12: [97] })
  t.equal(packet.file, '')
  t.equal(packet.sname, '')
})

const refused = [
  { name: 'an empty datagram', bytes: new Uint8Array(0), why: /too short/ },
  { name: 'a header without the cookie', bytes: new Uint8Array(236), why: /too short/ },
  { name: 'a wrong cookie', bytes: raw([255], (bytes) => (bytes[236] = 0)), why: /cookie/ },
  { name: 'an op that does not exist', bytes: raw([255], (bytes) => (bytes[0] = 3)), why: /op 3/ },
  {
    name: 'a hardware address of 17 octets',
    bytes: raw([255], (bytes) => (bytes[2] = 17)),
    why: /17 octets/,
  },
  { name: 'a length past the end', bytes: raw([53, 1, 1, 12, 9, 97]), why: /option 12 runs past/ },
  { name: 'a code without a length', bytes: raw([53, 1, 1, 12]), why: /option 12 runs past/ },
  { name: 'an overload of four', bytes: raw([52, 1, 4, 255]), why: /option 52/ },
  { name: 'an overload of two octets', bytes: raw([52, 2, 1, 1, 255]), why: /option 52/ },
  {
    name: 'a length past the end of the file field',
    bytes: raw([52, 1, 1, 255], (bytes) => bytes.set([12, 127], 108)),
    why: /option 12 runs past/,
  },
]
for (const { name, bytes, why } of refused) {
  t.test(`${name} is refused with a reason`, async (t) => t.match(parse(bytes), why))
}

t.test('a file name without a terminator has at most 128 octets', async (t) => {
  const packet = parsed(raw([53, 1, 1, 255], (bytes) => bytes.fill(97, 108, 236)))
  t.equal(packet.file.length, 128)
})

t.test('option 53 goes first and 82 last', async (t) => {
  const values = { 82: [1, 1, 1], 12: 'n', 53: [2] }
  const { bytes } = encode(request(values))
  t.same([...bytes.subarray(240, 253)], [53, 1, 2, 12, 1, 110, 82, 3, 1, 1, 1, 255, 0])
})

t.test('an option longer than 255 octets is split and joined again', async (t) => {
  const long = Array.from({ length: 600 }, (_, index) => index % 251)
  const { bytes, leftOut } = encode(request({ 53: [2], 121: long }), 1500)
  t.same(leftOut, [])
  t.same([bytes[243], bytes[244], bytes[243 + 257]], [121, 255, 121])
  t.same([...parsed(bytes).options.get(121)!], long)
})

const cramped = {
  53: [2],
  12: 'h'.repeat(150),
  15: 'd'.repeat(120),
  119: Array(80).fill(1),
  60: 'c'.repeat(40),
}

t.test('what does not fit goes into unused header fields', async (t) => {
  const { bytes, leftOut } = encode(request({ ...cramped, 82: [1, 2, 3, 4] }))
  t.ok(bytes.length <= 548, `${bytes.length} octets fit 576 with headers`)
  t.same(leftOut, [])
  const back = parsed(bytes)
  t.equal(back.options.size, 7, 'six options and 52')
  t.same(back.options.get(15), options(cramped).get(15))
})

t.test('a header field in use keeps its file name, and an option that fits nowhere is named', async (t) => {
  const { bytes, leftOut } = encode(
    request({ ...cramped, 61: 'i'.repeat(60) }, { file: 'ipxe.efi', sname: 'boot' }),
  )
  const back = parsed(bytes)
  t.equal(back.file, 'ipxe.efi')
  t.equal(back.sname, 'boot')
  t.ok(leftOut.length > 0)
  t.equal(back.options.size + leftOut.length, 6)
})

t.test('an option 82 too long to echo leaves room for the rest', async (t) => {
  const { bytes, leftOut } = encode(request({ 53: [2], 54: [1, 2, 3, 4], 82: Array(500).fill(7) }))
  t.same(leftOut, [82])
  t.same(Object.keys(plain(parsed(bytes).options)), ['53', '54'])
})

t.test('the size limit is taken from the client within what Ethernet and RFC 2131 allow', async (t) => {
  const values = { 53: [2], 12: 'h'.repeat(255), 15: 'd'.repeat(255), 119: Array(1200).fill(1) }
  t.ok(encode(request(values), 65535).bytes.length <= 1472)
  t.ok(encode(request(values), 0).bytes.length <= 548)
})

t.test('a boot file that does not fit its field is not cut', async (t) => {
  t.equal(parsed(encode(request(discover, { file: 'f'.repeat(128) })).bytes).file, '')
  t.equal(parsed(encode(request(discover, { file: 'f'.repeat(127) })).bytes).file.length, 127)
})

t.test('addresses not set read as 0.0.0.0', async (t) => t.equal(parsed(raw([255])).giaddr, unsetIp))
