import t from 'tap'
import type { Machine } from '../../src/model/machine.ts'
import { decide } from '../../src/dhcp/decide.ts'
import type { DhcpContext, Reply } from '../../src/dhcp/decide.ts'
import { dhcpOption, getOption } from '../../src/dhcp/options/table.ts'
import { broadcastFlag, unsetIp } from '../../src/dhcp/packet.ts'
import type { DhcpPacket } from '../../src/dhcp/packet.ts'
import { clients, discover, ip4, machine, mac, octetsOf, query, requestType, serverIp } from './packets.ts'
import type { Values } from './packets.ts'

const scriptUrl = `http://192.168.77.1:7171/ipxe/script/${mac}/5ec4e7/auto.ipxe`
const strangerUrl = `http://192.168.77.1:7171/ipxe/script/${mac}/auto.ipxe`
const context: DhcpContext = {
  serverIp,
  httpPort: 7171,
  netboot: true,
  mode: 'proxy',
  scriptUrl: () => scriptUrl,
  strangerUrl: () => strangerUrl,
}
const ours = octetsOf(serverIp)
const others = [192, 168, 77, 2]
const broadcast = { ip: '255.255.255.255', role: 'client' }
const { ovmfPxe, ovmfHttp, seabiosIpxe, dhclient } = clients

type Case = {
  name: string
  values: Values
  fields?: Partial<DhcpPacket>
  known?: Partial<Machine> | 'unknown'
  context?: Partial<DhcpContext>
  want: object
}
const decided = ({ values, fields, known = {}, context: changed }: Omit<Case, 'name' | 'want'>): Reply =>
  decide(query(values, fields), known === 'unknown' ? undefined : { ...machine, ...known }, {
    ...context,
    ...changed,
  })

const auto = { mode: 'auto-proxy' } as const
const at4011 = { door: 'proxy' } as const
const noAddress = { yiaddr: unsetIp, siaddr: serverIp, sname: serverIp }
const cases: Case[] = [
  {
    name: 'DISCOVER of a PXE client is offered a boot file, and no address',
    values: { ...discover, ...ovmfPxe },
    want: { kind: 'offer', ip: undefined, to: broadcast, packet: { ...noAddress, file: 'ipxe.efi' } },
  },
  {
    name: 'DISCOVER of an HTTP client is offered a URL',
    values: { ...discover, ...ovmfHttp },
    want: { kind: 'offer', packet: { ...noAddress, file: 'http://192.168.77.1:7171/ipxe/binary/ipxe.efi' } },
  },
  {
    name: 'DISCOVER of iPXE is offered its script',
    values: { ...discover, ...seabiosIpxe },
    want: { kind: 'offer', packet: { ...noAddress, file: scriptUrl } },
  },
  {
    name: 'a running system is left to the other server',
    values: { ...discover, ...dhclient },
    want: { kind: 'silent', why: 'not-netboot' },
  },
  {
    name: 'REQUEST that takes the offer of the other server is left to it',
    values: { ...requestType, ...ovmfPxe, 54: others, 50: [192, 168, 77, 50] },
    want: { kind: 'silent', why: 'other-server' },
  },
  {
    name: 'REQUEST that names no server is left to the other one',
    values: { ...requestType, ...ovmfPxe, 50: [192, 168, 77, 50] },
    want: { kind: 'silent', why: 'other-server' },
  },
  {
    name: 'REQUEST that names us is answered',
    values: { ...requestType, ...ovmfPxe, 54: ours },
    want: { kind: 'ack', ip: undefined, packet: { ...noAddress, file: 'ipxe.efi' } },
  },
  ...(
    [
      [7, 'RELEASE'],
      [4, 'DECLINE'],
      [8, 'INFORM'],
    ] as const
  ).map(([type, name]) => ({
    name: `${name} is the other server's business`,
    values: { ...ovmfPxe, 53: [type], 54: ours },
    want: { kind: 'silent', why: 'other-server' },
  })),
  {
    name: 'REQUEST on port 4011 is answered where it came from, with the address that it has',
    values: { ...requestType, ...ovmfPxe },
    fields: { ciaddr: ip4('192.168.77.50') },
    context: at4011,
    want: {
      kind: 'ack',
      to: { ip: undefined, role: 'sender' },
      packet: { ...noAddress, ciaddr: '192.168.77.50', file: 'ipxe.efi' },
    },
  },
  {
    name: 'REQUEST on port 4011 that still names the other server is answered',
    values: { ...requestType, ...ovmfPxe, 54: others },
    context: at4011,
    want: { kind: 'ack' },
  },
  {
    name: 'INFORM on port 4011 is answered',
    values: { ...ovmfPxe, 53: [8] },
    context: at4011,
    want: { kind: 'ack' },
  },
  {
    name: 'RELEASE on port 4011 is not',
    values: { ...ovmfPxe, 53: [7] },
    context: at4011,
    want: { kind: 'silent', why: 'other-server' },
  },
  {
    name: 'an unknown machine is left alone',
    values: { ...discover, ...ovmfPxe },
    known: 'unknown',
    want: { kind: 'silent', why: 'unknown-machine' },
  },
  {
    name: 'an unknown machine is booted by auto-proxy',
    values: { ...discover, ...ovmfPxe },
    known: 'unknown',
    context: auto,
    want: { kind: 'offer', packet: { ...noAddress, file: 'ipxe.efi' } },
  },
  {
    name: 'an unknown iPXE gets the script for discovery',
    values: { ...discover, ...seabiosIpxe },
    known: 'unknown',
    context: auto,
    want: { kind: 'offer', packet: { file: strangerUrl } },
  },
  {
    name: 'a machine that was only discovered keeps getting the script for discovery',
    values: { ...discover, ...seabiosIpxe },
    known: { allowPxe: false, netbootUnset: true },
    context: auto,
    want: { kind: 'offer', packet: { file: strangerUrl } },
  },
  {
    name: 'an unknown running system is left alone by auto-proxy',
    values: { ...discover, ...dhclient },
    known: 'unknown',
    context: auto,
    want: { kind: 'silent', why: 'not-netboot' },
  },
  ...[{}, auto].map((mode) => ({
    name: `a machine that may not netboot is given a file that is not there, ${mode === auto ? 'by auto-proxy' : 'by proxy'}`,
    values: { ...discover, ...ovmfPxe },
    known: { allowPxe: false },
    context: mode,
    want: { kind: 'offer', boot: { kind: 'refused' }, packet: { file: `/${mac}/netboot-not-allowed` } },
  })),
  {
    name: 'a machine with DHCP switched off is left alone',
    values: { ...discover, ...ovmfPxe },
    known: { dhcpDisabled: true },
    context: auto,
    want: { kind: 'silent', why: 'dhcp-disabled' },
  },
  {
    name: 'a processor without a boot program is left alone',
    values: { ...discover, 60: 'PXEClient', 93: [0, 2] },
    want: { kind: 'silent', why: 'unknown-arch' },
  },
  {
    name: "the machine's own program is given",
    values: { ...discover, ...ovmfPxe },
    known: { ipxe: { url: undefined, contents: undefined, binary: 'signed.efi' } },
    want: { kind: 'offer', packet: { file: 'signed.efi' } },
  },
  {
    name: 'a relay is answered, and told to broadcast to a client without an address',
    values: { ...discover, ...ovmfPxe, 82: [1, 1, 7] },
    fields: { giaddr: ip4('10.77.1.1') },
    want: { to: { ip: '10.77.1.1', role: 'relay' }, packet: { giaddr: '10.77.1.1', flags: broadcastFlag } },
  },
  {
    name: 'a relay that cannot be answered is not',
    values: { ...discover, ...ovmfPxe },
    fields: { giaddr: ip4('224.0.0.1') },
    want: { kind: 'silent', why: 'bad-address' },
  },
  {
    name: 'BOOTP is left alone',
    values: ovmfPxe,
    want: { kind: 'silent', why: 'bootp' },
  },
  {
    name: 'nobody is booted when booting is off',
    values: { ...discover, ...ovmfPxe },
    known: { allowPxe: false },
    context: { netboot: false },
    want: { kind: 'silent', why: 'netboot-off' },
  },
]
for (const { name, want, ...of } of cases) t.test(name, async (t) => t.match(decided(of), want))

function optionsOf(values: Values, known: Partial<Machine> = {}, changed: Partial<DhcpContext> = {}) {
  const reply = decided({ values, known, context: changed })
  if (reply.kind === 'silent' || reply.kind === 'nak') throw new Error(reply.why)
  return reply.packet.options
}

t.test('a proxy says what makes firmware take its offer, and nothing of addresses', async (t) => {
  const menu = [71, 4, 0, 0, 0, 0]
  const options = optionsOf({ ...discover, ...ovmfPxe, 43: [...menu, 255], 61: [1, 2, 3], 82: [1, 1, 7] })
  t.equal(getOption(options, dhcpOption.vendorClass), 'PXEClient')
  t.equal(getOption(options, dhcpOption.serverId), serverIp)
  t.same(options.get(97), Uint8Array.from(ovmfPxe[97]))
  t.same(options.get(61), Uint8Array.of(1, 2, 3))
  t.same(options.get(82), Uint8Array.of(1, 1, 7))
  t.same([...options.get(43)!], [6, 1, 8, ...menu, 255])
  t.same(
    [...options.keys()].toSorted((a, b) => a - b),
    [43, 53, 54, 60, 61, 66, 67, 82, 97],
    'no lease, mask, router, name server or host name',
  )
})

t.test('an HTTP client hears its own class, iPXE the one that makes the offer a proxy’s', async (t) => {
  t.equal(getOption(optionsOf({ ...discover, ...ovmfHttp }), dhcpOption.vendorClass), 'HTTPClient')
  const ipxe = optionsOf({ ...discover, ...seabiosIpxe })
  t.equal(getOption(ipxe, dhcpOption.vendorClass), 'PXEClient')
  t.notOk(ipxe.has(175))
})

t.test('iPXE is told where to log; a firmware, which does not, is not', async (t) => {
  const syslog = { syslogIp: serverIp }
  const told = optionsOf({ ...discover, ...seabiosIpxe }, {}, syslog)
  t.same(getOption(told, dhcpOption.logServers), [serverIp])
  t.notOk(optionsOf({ ...discover, ...ovmfPxe }, {}, syslog).has(7))
})
