import t from 'tap'
import { createElsewhere, takenElsewhere } from '../../src/dhcp/elsewhere.ts'
import { macFromBytes } from '../../src/model/mac.ts'
import type { Query } from '../../src/dhcp/query.ts'
import { clients, discover, ip4, mac, octetsOf, query, requestType, serverIp } from './packets.ts'
import type { Values } from './packets.ts'

const others = [192, 168, 77, 2]
const cases: { name: string; values: Values; ciaddr?: string; want: string | undefined }[] = [
  {
    name: 'a REQUEST takes the address from the server that it names',
    values: { ...requestType, ...clients.ovmfPxe, 54: others, 50: [192, 168, 77, 150] },
    want: '192.168.77.150',
  },
  {
    name: 'a system renews its address',
    values: { ...requestType, 54: others },
    ciaddr: '192.168.77.151',
    want: '192.168.77.151',
  },
  {
    name: 'what is taken from us is not elsewhere',
    values: { ...requestType, 54: octetsOf(serverIp), 50: [192, 168, 77, 150] },
    want: undefined,
  },
  {
    name: 'a REQUEST that names no server may be refused by it',
    values: { ...requestType, 50: [192, 168, 77, 150] },
    want: undefined,
  },
  {
    name: 'a DISCOVER takes nothing',
    values: { ...discover, 54: others, 50: [192, 168, 77, 150] },
    want: undefined,
  },
  {
    name: 'our own address is nobody else’s',
    values: { ...requestType, 54: others, 50: octetsOf(serverIp) },
    want: undefined,
  },
  {
    name: 'a group is no address of a machine',
    values: { ...requestType, 54: others, 50: [224, 0, 0, 1] },
    want: undefined,
  },
]
for (const { name, values, ciaddr, want } of cases)
  t.test(name, async (t) =>
    t.equal(takenElsewhere(query(values, ciaddr ? { ciaddr: ip4(ciaddr) } : {}), serverIp), want),
  )

const macOf = (number: number) => macFromBytes(Uint8Array.of(2, 0, 0, 0, number >> 8, number & 255))!
const takes = (number: number, ip: string): Query => ({
  ...query({ ...requestType, 54: others, 50: octetsOf(ip) }),
  mac: macOf(number),
})

t.test('the last who took an address has it, for a day', async (t) => {
  const elsewhere = createElsewhere({ serverIp })
  const ip = ip4('192.168.77.150')
  elsewhere.hear(takes(1, ip), true, 0)
  t.equal(elsewhere.holderOf(ip, 86_399_999), macOf(1))
  t.equal(elsewhere.holderOf(ip, 86_400_000), undefined)
  elsewhere.hear(takes(1, ip), true, 1000)
  elsewhere.hear(takes(2, ip), true, 2000)
  t.equal(elsewhere.holderOf(ip, 3000), macOf(2))
  elsewhere.hear(takes(2, '192.168.77.151'), true, 4000)
  t.equal(elsewhere.holderOf(ip, 5000), undefined, 'a machine has one address')
  elsewhere.hear(takes(9, '192.168.77.151'), false, 6000)
  t.equal(elsewhere.holderOf(ip4('192.168.77.151'), 7000), macOf(9))
})

t.test('strangers are few, and take no room from known machines', async (t) => {
  const elsewhere = createElsewhere({ serverIp, most: { known: 10, others: 10 } })
  elsewhere.hear(takes(0xffff, '192.168.77.150'), true, 0)
  for (let number = 0; number < 200; number += 1) elsewhere.hear(takes(number, `10.0.0.${number}`), false, 1)
  const there = Array.from({ length: 200 }, (_, number) => elsewhere.holderOf(ip4(`10.0.0.${number}`), 2))
  t.same(
    there.filter((found) => found !== undefined),
    Array.from({ length: 10 }, (_, index) => macOf(190 + index)),
  )
  t.equal(elsewhere.holderOf(ip4('192.168.77.150'), 2), macOf(0xffff))
})

t.test('the MAC of a message counts', async (t) => {
  const elsewhere = createElsewhere({ serverIp })
  elsewhere.hear(query({ ...requestType, 54: others, 50: [192, 168, 77, 150] }), true, 0)
  t.equal(elsewhere.holderOf(ip4('192.168.77.150'), 1), mac)
})
