import t from 'tap'
import { broadcastOf, ip4FromNumber, ip4ToNumber, parseIp4, prefixLength } from '../../src/model/ip4.ts'

const texts = [
  { text: '0.0.0.0', ok: true },
  { text: '255.255.255.255', ok: true },
  { text: '10.0.0.1', ok: true },
  { text: '192.168.199.249', ok: true },
  { text: '256.0.0.1', ok: false },
  { text: '10.0.0', ok: false },
  { text: '10.0.0.0.1', ok: false },
  { text: '010.0.0.1', ok: false },
  { text: '10.0.0.01', ok: false },
  { text: '10.0.0.-1', ok: false },
  { text: '0x0a.0.0.1', ok: false },
  { text: '10.0.0.1/24', ok: false },
  { text: ' 10.0.0.1', ok: false },
  { text: '10.0.0.1\n', ok: false },
  { text: '::1', ok: false },
  { text: '', ok: false },
]

t.test('an address is four decimal octets and nothing else', async (t) => {
  for (const { text, ok } of texts) t.equal(parseIp4(text), ok ? text : undefined, JSON.stringify(text))
})

t.test('an address is a number and back', async (t) => {
  for (const [text, number] of [
    ['0.0.0.0', 0],
    ['10.1.2.3', 0x0a010203],
    ['255.255.255.255', 0xffffffff],
  ] as const) {
    t.equal(ip4ToNumber(parseIp4(text)!), number)
    t.equal(ip4FromNumber(number), text)
  }
})

const masks = [
  { mask: '0.0.0.0', want: 0 },
  { mask: '128.0.0.0', want: 1 },
  { mask: '255.0.0.0', want: 8 },
  { mask: '255.255.240.0', want: 20 },
  { mask: '255.255.255.0', want: 24 },
  { mask: '255.255.255.254', want: 31 },
  { mask: '255.255.255.255', want: 32 },
  { mask: '255.0.255.0', want: undefined },
  { mask: '0.0.0.255', want: undefined },
  { mask: '255.255.255.253', want: undefined },
  { mask: '127.255.255.255', want: undefined },
]

t.test('a netmask has a prefix length when its ones are contiguous', async (t) => {
  for (const { mask, want } of masks) t.equal(prefixLength(parseIp4(mask)!), want, mask)
})

const broadcasts = [
  { ip: '10.0.0.1', mask: '255.255.255.0', want: '10.0.0.255' },
  { ip: '172.16.5.4', mask: '255.255.240.0', want: '172.16.15.255' },
  { ip: '200.1.1.9', mask: '255.255.255.252', want: '200.1.1.11' },
  { ip: '10.0.0.1', mask: '255.255.255.255', want: '10.0.0.1' },
  { ip: '10.0.0.1', mask: '0.0.0.0', want: '255.255.255.255' },
]

t.test("a subnet's broadcast address has all host bits set", async (t) => {
  for (const { ip, mask, want } of broadcasts) t.equal(broadcastOf(parseIp4(ip)!, parseIp4(mask)!), want)
})
