import t from 'tap'
import { encode, parse } from '../../src/tftp/packet.ts'
import type { TftpPacket } from '../../src/tftp/packet.ts'
import { randomFrom } from './random.ts'

const both: TftpPacket[] = [
  { op: 'read', file: 'ipxe.efi', mode: 'octet', options: new Map() },
  {
    op: 'read',
    file: 'a/b c.efi',
    mode: 'octet',
    options: new Map([
      ['tsize', '0'],
      ['blksize', '1468'],
    ]),
  },
  { op: 'write', file: 'x', mode: 'netascii', options: new Map() },
  { op: 'data', block: 65535, data: Uint8Array.of(1, 2, 3) },
  { op: 'data', block: 0, data: new Uint8Array(0) },
  { op: 'ack', block: 258 },
  { op: 'error', code: 1, message: 'no such file' },
  { op: 'oack', options: new Map([['windowsize', '16']]) },
]
for (const packet of both) {
  t.test(`${packet.op} survives encoding and parsing`, async (t) => t.same(parse(encode(packet)), packet))
}

const octets = (text: string) => new TextEncoder().encode(text)
const read = (rest: string) => Uint8Array.of(0, 1, ...octets(rest))
const requests = [
  {
    name: 'names of options and modes in capitals',
    bytes: read('F\0OCTET\0BlkSize\x00512\0'),
    want: { file: 'F', mode: 'octet', options: new Map([['blksize', '512']]) },
  },
  {
    name: 'remains of a buffer after the last terminator',
    bytes: read('F\0octet\0tsize\x000\0rest'),
    want: { options: new Map([['tsize', '0']]) },
  },
  { name: 'an option without a value', bytes: read('F\0octet\0tsize\0'), want: { options: new Map() } },
  {
    name: 'an option given twice',
    bytes: read('F\0octet\0tsize\x001\0TSIZE\x002\0'),
    want: { options: new Map([['tsize', '1']]) },
  },
  {
    name: 'padding with zeros',
    bytes: read('F\0octet\0\0\0\0\0\0'),
    want: { file: 'F', options: new Map() },
  },
]
for (const { name, bytes, want } of requests) {
  t.test(`a request is read with ${name}`, async (t) => t.match(parse(bytes), want))
}

const refused = [
  { name: 'an empty datagram', bytes: new Uint8Array(0), why: /too short/ },
  { name: 'an unknown opcode', bytes: Uint8Array.of(0, 9, 0, 0), why: /opcode 9/ },
  { name: 'a request without a mode', bytes: read('name\0'), why: /without file name and mode/ },
  { name: 'a request without a terminator', bytes: read('name'), why: /without file name and mode/ },
  { name: 'a request without a file name', bytes: read('\0octet\0'), why: /without file name and mode/ },
  { name: 'a request that is too long', bytes: read(`${'a'.repeat(2000)}\0octet\0`), why: /too long/ },
]
for (const { name, bytes, why } of refused) {
  t.test(`${name} is refused with a reason`, async (t) => t.match(parse(bytes), why))
}

t.test('ten thousand random datagrams throw nothing', async (t) => {
  const random = randomFrom(7)
  for (let round = 0; round < 10_000; round += 1) {
    const bytes = Uint8Array.from({ length: random(40) }, () => random(256))
    if (bytes.length > 1) bytes.set([0, random(8)])
    const packet = parse(bytes)
    if (typeof packet !== 'string') encode(packet)
  }
  t.pass()
})
