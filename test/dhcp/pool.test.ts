import t from 'tap'
import { decide } from '../../src/dhcp/decide.ts'
import type { DhcpContext, Reply } from '../../src/dhcp/decide.ts'
import { createLeases } from '../../src/dhcp/leases.ts'
import type { Lease } from '../../src/dhcp/leases.ts'
import { dhcpOption, getOption } from '../../src/dhcp/options/table.ts'
import { unsetIp } from '../../src/dhcp/packet.ts'
import type { DhcpPacket } from '../../src/dhcp/packet.ts'
import { poolLink } from '../../src/dhcp/pool.ts'
import { parseMac } from '../../src/model/mac.ts'
import type { Machine } from '../../src/model/machine.ts'
import { clients, discover, ip4, machine, mac, octetsOf, query, requestType, serverIp } from './packets.ts'
import type { Values } from './packets.ts'

const scriptUrl = `http://192.168.77.1:7171/ipxe/script/${mac}/5ec4e7/auto.ipxe`
const strangerUrl = `http://192.168.77.1:7171/ipxe/script/${mac}/auto.ipxe`
const range = { first: ip4('192.168.77.100'), last: ip4('192.168.77.103') }
const link = { ip: serverIp, netmask: ip4('255.255.255.0') }
const now = 1_000_000
const other = parseMac('02:00:00:00:00:01')!
const ours = octetsOf(serverIp)
const at = (last: number) => [192, 168, 77, last]
const ip = (last: number) => `192.168.77.${last}`
const held = (last: number, change: Partial<Lease> = {}): Lease => ({
  ip: ip4(ip(last)),
  mac,
  state: 'bound',
  until: now + 1000,
  since: 0,
  ...change,
})

type Case = {
  name: string
  values: Values
  fields?: Partial<DhcpPacket>
  known?: Partial<Machine>
  leases?: Lease[]
  reserved?: string[]
  want: object
}

function contextOf({ leases: entries = [], reserved = [] }: Pick<Case, 'leases' | 'reserved'>): DhcpContext {
  const leases = createLeases(range)
  for (const entry of entries) leases.put(entry)
  return {
    serverIp,
    httpPort: 7171,
    netboot: true,
    scriptUrl: () => scriptUrl,
    strangerUrl: () => strangerUrl,
    subnets: [link],
    pool: {
      leases,
      leaseSeconds: 600,
      link,
      gateway: ip4('192.168.77.254'),
      nameServers: [ip4('192.168.77.2')],
      isReserved: (address) => reserved.includes(address),
      now,
    },
  }
}

const decided = (of: Omit<Case, 'name' | 'want'>): Reply =>
  decide(query(of.values, of.fields), of.known && { ...machine, ...of.known }, contextOf(of))

const offered = (last: number, isNew = true) => ({
  kind: 'offer',
  ip: ip(last),
  change: { kind: 'offer', ip: ip(last), isNew },
})
const bound = (last: number, isNew = true) => ({
  kind: 'ack',
  ip: ip(last),
  change: { kind: 'bind', ip: ip(last), isNew },
})
const takes = (last: number): Values => ({ ...requestType, 54: ours, 50: at(last) })
const reboots = (last: number): Values => ({ ...requestType, 50: at(last) })

const cases: Case[] = [
  { name: 'DISCOVER is offered a free address', values: discover, want: offered(100) },
  {
    name: 'DISCOVER is offered the address of its lease, which needs no look',
    values: discover,
    leases: [held(102)],
    want: offered(102, false),
  },
  {
    name: 'DISCOVER is offered the address of a lease that ran out, after a look',
    values: discover,
    leases: [held(102, { until: now })],
    want: offered(102),
  },
  {
    name: 'a second DISCOVER is offered the same again',
    values: discover,
    leases: [held(101, { state: 'offered' })],
    want: offered(101, false),
  },
  {
    name: 'DISCOVER during the look waits for it',
    values: discover,
    leases: [held(101, { state: 'probing' })],
    want: { kind: 'silent', why: 'probing' },
  },
  {
    name: 'what is offered to one is not offered to another',
    values: discover,
    leases: [held(100, { mac: other, state: 'offered' })],
    want: offered(101),
  },
  {
    name: 'DISCOVER is offered the address it hopes for',
    values: { ...discover, 50: at(103) },
    want: offered(103),
  },
  {
    name: 'an address of a Hardware is never offered, hoped for or not',
    values: { ...discover, 50: at(100) },
    reserved: [ip(100), ip(101)],
    want: offered(102),
  },
  {
    name: 'DISCOVER gets nothing when all is taken',
    values: discover,
    leases: [100, 101, 102, 103].map((last) => held(last, { mac: parseMac(`02:00:00:00:00:${last - 90}`)! })),
    want: { kind: 'silent', why: 'pool-exhausted' },
  },
  {
    name: 'REQUEST takes the offer',
    values: takes(101),
    leases: [held(101, { state: 'offered' })],
    want: bound(101),
  },
  { name: 'REQUEST takes an offer that was forgotten in a restart', values: takes(101), want: bound(101) },
  {
    name: 'REQUEST for an address that another has is refused',
    values: takes(101),
    leases: [held(101, { mac: other })],
    want: { kind: 'nak', wanted: ip(101) },
  },
  {
    name: 'REQUEST to us for an address that is not of the pool is refused',
    values: takes(50),
    want: { kind: 'nak' },
  },
  {
    name: 'REQUEST for an address that a Hardware has by now is refused',
    values: takes(101),
    leases: [held(101)],
    reserved: [ip(101)],
    want: { kind: 'nak' },
  },
  {
    name: 'REQUEST after a restart keeps the lease',
    values: reboots(101),
    leases: [held(101)],
    want: bound(101, false),
  },
  {
    name: 'REQUEST after a restart gets a lease that ran out and is free',
    values: reboots(101),
    leases: [held(101, { until: now })],
    want: bound(101),
  },
  {
    name: 'REQUEST after a restart for another address than the lease moves there when it is free',
    values: reboots(103),
    leases: [held(101)],
    want: bound(103),
  },
  {
    name: 'REQUEST after a restart for an address of the link that is not of the pool is left alone',
    values: reboots(50),
    want: { kind: 'silent', why: 'not-in-pool' },
  },
  {
    name: 'REQUEST after a restart for an address of another link is refused',
    values: { ...requestType, 50: [10, 0, 0, 5] },
    want: { kind: 'nak' },
  },
  {
    name: 'REQUEST after a restart for an address that is not of the pool, though it has one, is refused',
    values: reboots(50),
    leases: [held(101)],
    want: { kind: 'nak' },
  },
  {
    name: 'REQUEST that renews is answered by unicast',
    values: requestType,
    fields: { ciaddr: ip4(ip(101)) },
    leases: [held(101)],
    want: { ...bound(101, false), to: { ip: ip(101), role: 'client' } },
  },
  {
    name: 'REQUEST that renews an address that another has is refused',
    values: requestType,
    fields: { ciaddr: ip4(ip(101)) },
    leases: [held(101, { mac: other })],
    want: { kind: 'nak' },
  },
  {
    name: 'REQUEST that names two addresses is refused',
    values: reboots(102),
    fields: { ciaddr: ip4(ip(101)) },
    want: { kind: 'nak' },
  },
  {
    name: 'REQUEST that names no address gets its lease',
    values: requestType,
    leases: [held(101)],
    want: bound(101, false),
  },
  {
    name: 'REQUEST that names no address and has no lease gets nothing',
    values: requestType,
    want: { kind: 'silent', why: 'no-address' },
  },
  {
    name: 'REQUEST that takes the offer of another server is left to it',
    values: { ...requestType, 54: [192, 168, 77, 9], 50: at(50) },
    want: { kind: 'silent', why: 'other-server' },
  },
  {
    name: 'RELEASE gives the lease back',
    values: { 53: [7], 54: ours },
    fields: { ciaddr: ip4(ip(101)) },
    leases: [held(101)],
    want: { kind: 'silent', why: 'released', change: { kind: 'release', ip: ip(101) } },
  },
  {
    name: 'DECLINE takes the address from all',
    values: { 53: [4], 54: ours, 50: at(101) },
    leases: [held(101)],
    want: { kind: 'silent', why: 'declined', change: { kind: 'decline', ip: ip(101) } },
  },
  ...[7, 4].map((type) => ({
    name: `${type === 7 ? 'RELEASE' : 'DECLINE'} of an address of another changes nothing`,
    values: { 53: [type], 54: ours, 50: at(101) },
    fields: { ciaddr: ip4(ip(101)) },
    leases: [held(101, { mac: other })],
    want: { kind: 'silent', change: undefined },
  })),
  {
    name: 'INFORM gets settings without an address',
    values: { 53: [8] },
    fields: { ciaddr: ip4(ip(50)) },
    want: { kind: 'ack', ip: undefined, packet: { yiaddr: unsetIp }, change: undefined },
  },
  {
    name: 'a machine behind a relay is left alone',
    values: discover,
    fields: { giaddr: ip4('10.77.1.1') },
    want: { kind: 'silent', why: 'other-pool' },
  },
  { name: 'BOOTP is left alone', values: {}, want: { kind: 'silent', why: 'bootp' } },
  {
    name: 'a known machine gets its reservation',
    values: discover,
    known: {},
    want: { kind: 'offer', ip: machine.ip, change: undefined },
  },
  {
    name: 'a known machine without an address gets one of the pool',
    values: discover,
    known: { ip: undefined },
    want: offered(100),
  },
  {
    name: 'a known machine that has an address of the pool from before is refused that',
    values: requestType,
    fields: { ciaddr: ip4(ip(101)) },
    known: {},
    leases: [held(101)],
    want: { kind: 'nak' },
  },
  {
    name: 'a machine with DHCP switched off is left alone',
    values: discover,
    known: { ip: undefined, dhcpDisabled: true },
    want: { kind: 'silent', why: 'dhcp-disabled' },
  },
  {
    name: 'firmware of an unknown machine gets iPXE',
    values: { ...discover, ...clients.ovmfPxe },
    want: { packet: { file: 'ipxe.efi' } },
  },
  {
    name: 'iPXE of an unknown machine gets the script for discovery',
    values: { ...discover, ...clients.seabiosIpxe },
    want: { packet: { file: strangerUrl } },
  },
  {
    name: 'iPXE of a known machine without an address gets the script with its nonce',
    values: { ...discover, ...clients.seabiosIpxe },
    known: { ip: undefined },
    want: { packet: { file: scriptUrl } },
  },
]
for (const { name, want, ...of } of cases) t.test(name, async (t) => t.match(decided(of), want))

t.test('the settings of the pool are told, and a short lease', async (t) => {
  const reply = decided({ values: discover })
  if (reply.kind !== 'offer') throw new Error(reply.kind)
  const value = (option: Parameters<typeof getOption>[1]) => getOption(reply.packet.options, option)
  t.same(value(dhcpOption.leaseSeconds), 600)
  t.same(value(dhcpOption.subnetMask), '255.255.255.0')
  t.same(value(dhcpOption.routers), ['192.168.77.254'])
  t.same(value(dhcpOption.nameServers), ['192.168.77.2'])
  t.same(value(dhcpOption.broadcast), '192.168.77.255')
})

t.test('addresses of the network, of its router and of ours are not given', async (t) => {
  const leases = createLeases({ first: ip4('192.168.77.252'), last: ip4('192.168.77.255') })
  const context = contextOf({})
  const pool = { ...context.pool!, leases }
  for (const last of [252, 253]) {
    const from = parseMac(`02:00:00:00:01:0${last - 250}`)!
    const reply = decide(query(discover), undefined, { ...context, pool })
    t.match(reply, { kind: 'offer', ip: ip(last) })
    leases.put(held(last, { mac: from }))
  }
  t.match(decide(query(discover), undefined, { ...context, pool }), { why: 'pool-exhausted' })
})

t.test('the pool is on the link that both its ends belong to', async (t) => {
  const far = { ip: ip4('10.0.0.1'), netmask: ip4('255.255.255.0') }
  t.same(poolLink(range, [far, link]), link)
  t.equal(poolLink(range, [far]), undefined)
  t.equal(poolLink({ first: ip4('192.168.77.200'), last: ip4('192.168.78.5') }, [link]), undefined)
})
