import t from 'tap'
import { dhcpOption, getOption, setOption } from '../../src/dhcp/options/table.ts'
import type { Option } from '../../src/dhcp/options/table.ts'
import { ip4 } from './packets.ts'

const bytesOf = (text: string) => [...new TextEncoder().encode(text)]

const both: { name: string; option: Option<never>; value: unknown; wire: number[] }[] = [
  {
    name: 'a subnet mask',
    option: dhcpOption.subnetMask as never,
    value: ip4('255.255.254.0'),
    wire: [255, 255, 254, 0],
  },
  {
    name: 'two name servers',
    option: dhcpOption.nameServers as never,
    value: [ip4('8.8.4.4'), ip4('1.1.1.1')],
    wire: [8, 8, 4, 4, 1, 1, 1, 1],
  },
  {
    name: 'an endless lease',
    option: dhcpOption.leaseSeconds as never,
    value: 0xffffffff,
    wire: [255, 255, 255, 255],
  },
  { name: 'a lease of a day', option: dhcpOption.leaseSeconds as never, value: 86400, wire: [0, 1, 81, 128] },
  { name: 'a text', option: dhcpOption.hostname as never, value: 'knöten', wire: bytesOf('knöten') },
  {
    name: 'client architectures',
    option: dhcpOption.clientArch as never,
    value: [7, 300],
    wire: [0, 7, 1, 44],
  },
  {
    name: 'user classes',
    option: dhcpOption.userClass as never,
    value: ['iPXE', 'x'],
    wire: [4, ...bytesOf('iPXE'), 1, 120],
  },
  {
    name: 'a search list',
    option: dhcpOption.domainSearch as never,
    value: ['a.bc', 'd'],
    wire: [1, 97, 2, 98, 99, 0, 1, 100, 0],
  },
  {
    name: 'classless routes',
    option: dhcpOption.classlessRoutes as never,
    value: [
      { destination: '10.0.0.0/8', router: ip4('1.2.3.4') },
      { destination: '0.0.0.0/0', router: ip4('1.2.3.5') },
      { destination: '10.1.2.128/25', router: ip4('1.2.3.6') },
    ],
    wire: [8, 10, 1, 2, 3, 4, 0, 1, 2, 3, 5, 25, 10, 1, 2, 128, 1, 2, 3, 6],
  },
  {
    name: 'PXE vendor options with their end',
    option: dhcpOption.vendorSpecific as never,
    value: new Map([[6, Uint8Array.of(8)]]),
    wire: [6, 1, 8, 255],
  },
  {
    name: 'iPXE options',
    option: dhcpOption.ipxe as never,
    value: new Map([[176, Uint8Array.of(1)]]),
    wire: [176, 1, 1],
  },
]
for (const { name, option, value, wire } of both) {
  t.test(`${name} is written and read`, async (t) => {
    const options = new Map<number, Uint8Array>()
    setOption(options, option, value as never)
    t.same([...options.get(option.code)!], wire)
    t.same(getOption(options, option), value)
  })
}

const readings: { name: string; option: Option<unknown>; wire: number[]; want: unknown }[] = [
  {
    name: 'an address of three octets is none',
    option: dhcpOption.requestedIp as never,
    wire: [1, 2, 3],
    want: undefined,
  },
  {
    name: 'five octets are no list of addresses',
    option: dhcpOption.routers as never,
    wire: [1, 2, 3, 4, 5],
    want: undefined,
  },
  { name: 'no octets are no number', option: dhcpOption.messageType as never, wire: [], want: undefined },
  {
    name: 'a terminator is not part of a text',
    option: dhcpOption.bootFileName as never,
    wire: [97, 0, 0],
    want: 'a',
  },
  {
    name: 'a bare user class is one name',
    option: dhcpOption.userClass as never,
    wire: bytesOf('iPXE'),
    want: ['iPXE'],
  },
  {
    name: 'a broken list of user classes is one name',
    option: dhcpOption.userClass as never,
    wire: [2, 97],
    want: ['\u0002a'],
  },
  {
    name: 'a compressed search list',
    option: dhcpOption.domainSearch as never,
    wire: [1, 97, 2, 98, 99, 0, 1, 100, 0xc0, 2],
    want: ['a.bc', 'd.bc'],
  },
  {
    name: 'a pointer to itself is no name',
    option: dhcpOption.domainSearch as never,
    wire: [0xc0, 0],
    want: undefined,
  },
  {
    name: 'a pointer forward is no name',
    option: dhcpOption.domainSearch as never,
    wire: [0xc0, 2, 1, 97, 0],
    want: undefined,
  },
  {
    name: 'pointers in a circle are no name',
    option: dhcpOption.domainSearch as never,
    wire: [1, 97, 0xc0, 0],
    want: undefined,
  },
  {
    name: 'a label without an end is no name',
    option: dhcpOption.domainSearch as never,
    wire: [1, 97],
    want: undefined,
  },
  {
    name: 'a route with 33 bits is none',
    option: dhcpOption.classlessRoutes as never,
    wire: [33, 1, 2, 3, 4, 5, 1, 2, 3, 4],
    want: undefined,
  },
  {
    name: 'a route without its router is none',
    option: dhcpOption.classlessRoutes as never,
    wire: [8, 10, 1, 2],
    want: undefined,
  },
  {
    name: 'padding and end are skipped in vendor options',
    option: dhcpOption.vendorSpecific as never,
    wire: [0, 6, 1, 8, 255, 9],
    want: new Map([[6, Uint8Array.of(8)]]),
  },
  {
    name: 'a sub-option past the end makes option 82 unreadable',
    option: dhcpOption.relayAgent as never,
    wire: [1, 9, 0],
    want: undefined,
  },
]
for (const { name, option, wire, want } of readings) {
  t.test(name, async (t) => t.same(getOption(new Map([[option.code, Uint8Array.from(wire)]]), option), want))
}

t.test('an option without a value is left out', async (t) => {
  const options = new Map<number, Uint8Array>()
  setOption(options, dhcpOption.hostname, '')
  setOption(options, dhcpOption.nameServers, [])
  setOption(options, dhcpOption.domainSearch, ['two..dots', '-', 'x'.repeat(64), 'nul\0'])
  setOption(options, dhcpOption.classlessRoutes, [{ destination: '10.0.0.0/33', router: ip4('1.1.1.1') }])
  setOption(options, dhcpOption.subnetMask, undefined)
  t.equal(options.size, 0)
})

t.test('host bits of a route are cleared', async (t) => {
  const options = new Map<number, Uint8Array>()
  setOption(options, dhcpOption.classlessRoutes, [{ destination: '10.1.2.3/9', router: ip4('1.1.1.1') }])
  t.same([...options.get(121)!], [9, 10, 0, 1, 1, 1, 1])
})
