import t from 'tap'
import type { Machine } from '../../src/model/machine.ts'
import { decide } from '../../src/dhcp/decide.ts'
import type { DhcpContext, Reply } from '../../src/dhcp/decide.ts'
import { dhcpOption, getOption } from '../../src/dhcp/options/table.ts'
import type { Option } from '../../src/dhcp/options/table.ts'
import { unsetIp } from '../../src/dhcp/packet.ts'
import type { DhcpPacket } from '../../src/dhcp/packet.ts'
import { clients, discover, ip4, machine, mac, octetsOf, query, requestType, serverIp } from './packets.ts'
import type { Values } from './packets.ts'

const scriptUrl = `http://192.168.77.1:7171/ipxe/script/${mac}/5ec4e7/auto.ipxe`
const context: DhcpContext = { serverIp, httpPort: 7171, netboot: true, scriptUrl: () => scriptUrl }
const ours = octetsOf(serverIp)
const reserved = octetsOf(machine.ip!)
const otherIp = [192, 168, 77, 99]
const relay = { giaddr: ip4('10.77.1.1') }
const relayInfo = [1, 4, 101, 116, 104, 49]

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

const answered = (of: Omit<Case, 'name' | 'want'>): Extract<Reply, { kind: 'offer' | 'ack' }> => {
  const reply = decided(of)
  if (reply.kind === 'silent' || reply.kind === 'nak') throw new Error(reply.why)
  return reply
}

const broadcast = { ip: '255.255.255.255', role: 'client' }
const states: Case[] = [
  {
    name: 'DISCOVER is offered the reservation',
    values: discover,
    want: { kind: 'offer', ip: machine.ip, to: broadcast },
  },
  {
    name: 'DISCOVER that hopes for another address is offered the reservation',
    values: { ...discover, 50: otherIp },
    want: { kind: 'offer', ip: machine.ip },
  },
  {
    name: 'REQUEST that selects us is acknowledged',
    values: { ...requestType, 54: ours, 50: reserved },
    want: { kind: 'ack', ip: machine.ip, to: broadcast },
  },
  {
    name: 'REQUEST that selects us with another address is refused',
    values: { ...requestType, 54: ours, 50: otherIp },
    want: { kind: 'nak', why: 'wrong-address', wanted: '192.168.77.99' },
  },
  {
    name: 'REQUEST that selects another server is left to it',
    values: { ...requestType, 54: [10, 0, 0, 9], 50: otherIp },
    want: { kind: 'silent', why: 'other-server' },
  },
  {
    name: 'REQUEST after a reboot with the right address is acknowledged',
    values: { ...requestType, 50: reserved },
    want: { kind: 'ack', to: broadcast },
  },
  {
    name: 'REQUEST after a reboot with an old address is refused',
    values: { ...requestType, 50: otherIp },
    want: { kind: 'nak', to: broadcast },
  },
  {
    name: 'REQUEST that renews or rebinds is acknowledged by unicast',
    values: requestType,
    fields: { ciaddr: machine.ip! },
    want: { kind: 'ack', to: { ip: machine.ip, role: 'client' }, packet: { ciaddr: machine.ip } },
  },
  {
    name: 'REQUEST that renews another address is refused by broadcast',
    values: requestType,
    fields: { ciaddr: ip4('192.168.77.99') },
    want: { kind: 'nak', to: broadcast },
  },
  {
    name: 'REQUEST that names no address gets the reservation',
    values: requestType,
    want: { kind: 'ack', ip: machine.ip },
  },
  {
    name: 'INFORM gets settings without an address',
    values: { 53: [8] },
    fields: { ciaddr: ip4('192.168.77.99') },
    want: {
      kind: 'ack',
      ip: undefined,
      packet: { yiaddr: unsetIp, ciaddr: '192.168.77.99' },
      to: { ip: '192.168.77.99', role: 'client' },
    },
  },
  {
    name: 'INFORM is answered for a machine without a reservation',
    values: { 53: [8] },
    known: { ip: undefined },
    want: { kind: 'ack', ip: undefined },
  },
  { name: 'RELEASE is only noted', values: { 53: [7], 54: ours }, want: { kind: 'silent', why: 'released' } },
  { name: 'DECLINE is only noted', values: { 53: [4], 54: ours }, want: { kind: 'silent', why: 'declined' } },
  {
    name: 'RELEASE to another server is not ours',
    values: { 53: [7], 54: [9, 9, 9, 9] },
    want: { kind: 'silent', why: 'other-server' },
  },
  {
    name: 'an unknown machine is left to another server',
    values: discover,
    known: 'unknown',
    want: { kind: 'silent', why: 'unknown-machine' },
  },
  {
    name: 'an unknown machine is not refused an address that we do not know',
    values: { ...requestType, 50: otherIp },
    known: 'unknown',
    want: { kind: 'silent', why: 'unknown-machine' },
  },
  {
    name: 'a machine with DHCP switched off is left alone',
    values: discover,
    known: { dhcpDisabled: true },
    want: { kind: 'silent', why: 'dhcp-disabled' },
  },
  {
    name: 'a machine without an address is left alone',
    values: discover,
    known: { ip: undefined },
    want: { kind: 'silent', why: 'no-address' },
  },
  {
    name: 'a machine without an address is not refused one',
    values: { ...requestType, 50: otherIp },
    known: { ip: undefined },
    want: { kind: 'silent', why: 'no-address' },
  },
  {
    name: 'a relayed DISCOVER is answered through the relay',
    values: discover,
    fields: relay,
    want: { kind: 'offer', to: { ip: '10.77.1.1', role: 'relay' }, packet: { giaddr: '10.77.1.1' } },
  },
  {
    name: 'a relayed renewal is answered through the relay',
    values: requestType,
    fields: { ...relay, ciaddr: machine.ip! },
    want: { kind: 'ack', to: { ip: '10.77.1.1', role: 'relay' } },
  },
  {
    name: 'a relay is told to broadcast a refusal',
    values: { ...requestType, 50: otherIp },
    fields: relay,
    want: { kind: 'nak', to: { ip: '10.77.1.1', role: 'relay' }, packet: { flags: 0x8000 } },
  },
  {
    name: 'REQUEST that selects somebody, in an identifier of five octets, is not ours',
    values: { ...requestType, 54: [192, 168, 77, 1, 0], 50: reserved },
    want: { kind: 'silent', why: 'other-server' },
  },
  {
    name: 'REQUEST that selects another server with our reservation is left to it',
    values: { ...requestType, 54: [10, 0, 0, 9], 50: reserved },
    want: { kind: 'silent', why: 'other-server' },
  },
  {
    name: 'REQUEST that renews through a relay an address that we do not give is refused through it',
    values: requestType,
    fields: { ...relay, ciaddr: ip4('192.168.77.99') },
    want: { kind: 'nak', to: { ip: '10.77.1.1', role: 'relay' }, packet: { flags: 0x8000, ciaddr: unsetIp } },
  },
  {
    name: 'REQUEST of an unknown machine that renews is left alone',
    values: requestType,
    fields: { ciaddr: ip4('192.168.77.99') },
    known: 'unknown',
    want: { kind: 'silent', why: 'unknown-machine' },
  },
  {
    name: 'REQUEST that renews is acknowledged by unicast even when it asks for broadcast',
    values: requestType,
    fields: { ciaddr: machine.ip!, flags: 0x8000 },
    want: { kind: 'ack', to: { ip: machine.ip, role: 'client' }, packet: { flags: 0x8000 } },
  },
  {
    name: 'REQUEST after a reboot for an address of another link, where we have nothing for it, is left to its server',
    values: { ...requestType, 50: [10, 77, 1, 9] },
    fields: relay,
    want: { kind: 'silent', why: 'other-link' },
  },
  {
    name: 'REQUEST after a reboot for an address that is of no such link is refused',
    values: { ...requestType, 50: [10, 99, 1, 9] },
    fields: relay,
    want: { kind: 'nak', wanted: '10.99.1.9' },
  },
  {
    name: 'REQUEST that selects us with an address of another link is refused',
    values: { ...requestType, 54: ours, 50: [10, 77, 1, 9] },
    fields: relay,
    want: { kind: 'nak', wanted: '10.77.1.9' },
  },
  {
    name: 'REQUEST after a reboot on an interface of another subnet is left to its server',
    values: { ...requestType, 50: [10, 77, 1, 9] },
    context: { subnets: [{ ip: ip4('10.77.1.2'), netmask: ip4('255.255.255.0') }] },
    want: { kind: 'silent', why: 'other-link' },
  },
  {
    name: 'REQUEST after a reboot on an interface of its subnet with an old address is refused',
    values: { ...requestType, 50: otherIp },
    context: { subnets: [{ ip: serverIp, netmask: ip4('255.255.255.0') }] },
    want: { kind: 'nak' },
  },
  {
    name: 'DISCOVER on an interface of another subnet is answered, and marked',
    values: discover,
    context: { subnets: [{ ip: ip4('10.77.1.2'), netmask: ip4('255.255.255.0') }] },
    want: { kind: 'offer', ip: machine.ip, offLink: true },
  },
  {
    name: 'DISCOVER on an interface that has an address of its subnet too is not marked',
    values: discover,
    context: {
      subnets: [ip4('10.77.1.2'), serverIp].map((ip) => ({ ip, netmask: ip4('255.255.255.0') })),
    },
    want: { kind: 'offer', offLink: false },
  },
  {
    name: "DISCOVER on an interface whose mask is narrower than the machine's is not marked",
    values: discover,
    context: { subnets: [{ ip: serverIp, netmask: ip4('255.255.255.255') }] },
    want: { kind: 'offer', offLink: false },
  },
  {
    name: 'a relay of another subnet is marked',
    values: discover,
    fields: relay,
    want: { kind: 'offer', offLink: true },
  },
  {
    name: 'a relay that names the link of the reservation is not marked',
    values: { ...discover, 82: [5, 4, 192, 168, 77, 0] },
    fields: relay,
    want: { kind: 'offer', offLink: false, to: { ip: '10.77.1.1', role: 'relay' } },
  },
  {
    name: 'a renewal across a router is not marked',
    values: requestType,
    fields: { ciaddr: machine.ip! },
    context: { subnets: [{ ip: ip4('10.77.1.2'), netmask: ip4('255.255.255.0') }] },
    want: { kind: 'ack', offLink: false },
  },
  {
    name: 'INFORM through a relay is answered at the address that the client has',
    values: { 53: [8] },
    fields: { ...relay, ciaddr: ip4('10.77.1.9') },
    want: { kind: 'ack', to: { ip: '10.77.1.9', role: 'client' }, packet: { yiaddr: unsetIp, flags: 0 } },
  },
  {
    name: 'INFORM through a relay without an address is broadcast by the relay',
    values: { 53: [8] },
    fields: relay,
    want: { kind: 'ack', to: { ip: '10.77.1.1', role: 'relay' }, packet: { flags: 0x8000 } },
  },
  {
    name: 'INFORM that wants its answer sent to a group is not answered',
    values: { 53: [8] },
    fields: { ciaddr: ip4('224.0.0.1') },
    want: { kind: 'silent', why: 'bad-address' },
  },
  {
    name: 'a relay that calls itself by a broadcast address is not answered',
    values: discover,
    fields: { giaddr: ip4('255.255.255.255') },
    want: { kind: 'silent', why: 'bad-address' },
  },
  { name: 'BOOTP is only noted', values: { 12: 'old' }, want: { kind: 'silent', why: 'bootp' } },
  {
    name: 'BOOTP of an unknown machine is left alone',
    values: { 12: 'old' },
    known: 'unknown',
    want: { kind: 'silent', why: 'unknown-machine' },
  },
  {
    name: 'a relay that puts nobody in our place changes nothing',
    values: { ...requestType, 54: ours, 50: reserved, 82: [11, 4, 0, 0, 0, 0] },
    fields: relay,
    want: { kind: 'ack' },
  },
  {
    name: 'the server that a relay puts in our place is us',
    values: { ...requestType, 54: [10, 77, 1, 1], 50: reserved, 82: [11, 4, 10, 77, 1, 1] },
    fields: relay,
    want: { kind: 'ack' },
  },
]
for (const { name, want, ...of } of states) t.test(name, async (t) => t.match(decided(of), want))

const noFile = { file: '', siaddr: unsetIp }
const tftp = (file: string) => ({ boot: { kind: 'tftp' }, packet: { file, siaddr: serverIp } })
const http = (file: string) => ({
  boot: { kind: 'http' },
  packet: { file: `http://192.168.77.1:7171/ipxe/binary/${file}` },
})
const script = { boot: { kind: 'script' }, packet: { file: scriptUrl } }
const pxe = (arch: number) => ({
  ...discover,
  60: `PXEClient:Arch:${String(arch).padStart(5, '0')}:UNDI:003000`,
  93: [0, arch],
})
const overHttp = (arch: number) => ({ ...discover, 60: 'HTTPClient', 93: [0, arch] })
const boots: Case[] = [
  { name: 'BIOS firmware gets iPXE by TFTP', values: pxe(0), want: tftp('undionly.kpxe') },
  { name: 'x64 UEFI gets iPXE by TFTP', values: { ...discover, ...clients.ovmfPxe }, want: tftp('ipxe.efi') },
  { name: 'UEFI that calls itself EBC gets the x64 program', values: pxe(9), want: tftp('ipxe.efi') },
  {
    name: 'ARM64 UEFI gets iPXE by TFTP',
    values: { ...discover, ...clients.arm64Pxe },
    want: tftp('ipxe-arm64.efi'),
  },
  {
    name: 'the first architecture that is known counts',
    values: { ...pxe(0), 93: [0, 6, 0, 11, 0, 7] },
    want: tftp('ipxe-arm64.efi'),
  },
  {
    name: 'an architecture that only the vendor class names counts',
    values: { ...discover, 60: 'PXEClient:Arch:00007:UNDI:003016' },
    want: tftp('ipxe.efi'),
  },
  {
    name: 'x64 UEFI over HTTP gets a whole URL',
    values: { ...discover, ...clients.ovmfHttp },
    want: http('ipxe.efi'),
  },
  { name: 'ARM64 UEFI over HTTP gets a whole URL', values: overHttp(19), want: http('ipxe-arm64.efi') },
  { name: 'BIOS over HTTP gets a whole URL', values: overHttp(20), want: http('undionly.kpxe') },
  {
    name: 'an iPXE ROM gets the script, not iPXE again',
    values: { ...discover, ...clients.seabiosIpxe },
    want: script,
  },
  {
    name: 'iPXE known by its user class alone gets the script',
    values: { ...pxe(0), 77: 'iPXE' },
    want: script,
  },
  {
    name: 'iPXE in a list of user classes gets the script',
    values: { ...pxe(7), 77: [4, 105, 80, 88, 69] },
    want: script,
  },
  {
    name: 'iPXE known by option 175 alone gets the script',
    values: { ...pxe(7), 175: [1, 1, 1] },
    want: script,
  },
  { name: 'another user class is firmware', values: { ...pxe(7), 77: 'Factory' }, want: tftp('ipxe.efi') },
  {
    name: 'a machine that may not netboot still gets the script, which boots its disk',
    values: { ...discover, ...clients.seabiosIpxe },
    known: { allowPxe: false },
    want: script,
  },
  {
    name: 'a machine that may not netboot still gets iPXE',
    values: pxe(7),
    known: { allowPxe: false },
    want: tftp('ipxe.efi'),
  },
  {
    name: "the machine's own choice of program wins",
    values: pxe(7),
    known: { ipxe: { ...machine.ipxe, binary: 'snponly.efi' } },
    want: tftp('snponly.efi'),
  },
  {
    name: "the machine's own choice serves an unknown architecture",
    values: pxe(6),
    known: { ipxe: { ...machine.ipxe, binary: 'ipxe32.efi' } },
    want: tftp('ipxe32.efi'),
  },
  {
    name: "the machine's own choice over HTTP is a valid URL",
    values: overHttp(16),
    known: { ipxe: { ...machine.ipxe, binary: 'a b.efi' } },
    want: http('a%20b.efi'),
  },
  {
    name: 'an unknown architecture gets its address alone',
    values: pxe(6),
    want: { ip: machine.ip, boot: { kind: 'none', why: 'unknown-arch' }, packet: noFile },
  },
  {
    name: 'a running system gets no boot file',
    values: { ...discover, ...clients.dhclient },
    want: { boot: { kind: 'none', why: 'not-netboot' }, packet: noFile },
  },
  {
    name: 'udhcpc gets no boot file',
    values: { ...discover, ...clients.udhcpc },
    want: { boot: { kind: 'none', why: 'not-netboot' }, packet: noFile },
  },
  {
    name: 'no boot file is given when netboot is switched off',
    values: pxe(7),
    context: { netboot: false },
    want: { boot: { kind: 'none', why: 'netboot-off' }, packet: noFile },
  },
  {
    name: "the Hardware's own server and file go first",
    values: { ...discover, ...clients.seabiosIpxe },
    known: { tftpServerName: '10.0.0.5', bootFileName: 'grub.efi' },
    want: { boot: { kind: 'custom' }, packet: { file: 'grub.efi', siaddr: '10.0.0.5', sname: '' } },
  },
  {
    name: 'a boot server known by name goes into sname',
    values: { ...discover, ...clients.dhclient },
    known: { tftpServerName: 'boot.example', bootFileName: 'grub.efi' },
    want: { packet: { file: 'grub.efi', siaddr: unsetIp, sname: 'boot.example' } },
  },
  {
    name: 'half a boot server of the Hardware does not count',
    values: pxe(7),
    known: { tftpServerName: '10.0.0.5' },
    want: tftp('ipxe.efi'),
  },
]
for (const { name, want, ...of } of boots) {
  t.test(name, async (t) => {
    const got = answered(of)
    t.match(got, want)
    const { file } = (want as { packet: { file: string } }).packet
    t.equal(got.packet.file, file)
  })
}

const value = <T>(of: Omit<Case, 'name' | 'want'>, option: Option<T>): T | undefined => {
  const reply = decided(of)
  return reply.kind === 'silent' ? undefined : getOption(reply.packet.options, option)
}

const full = {
  routes: [{ destination: '10.9.0.0/16', router: ip4('192.168.77.7') }],
}
const settings: { name: string; option: Option<unknown>; of?: Partial<Case>; want: unknown }[] = [
  { name: 'message type', option: dhcpOption.messageType, want: 2 },
  { name: 'server identifier', option: dhcpOption.serverId, want: serverIp },
  { name: 'lease', option: dhcpOption.leaseSeconds, want: 3600 },
  { name: 'renewal at half the lease', option: dhcpOption.renewSeconds, want: 1800 },
  { name: 'rebinding at seven eighths', option: dhcpOption.rebindSeconds, want: 3150 },
  {
    name: 'no renewal of a lease for ever',
    option: dhcpOption.renewSeconds,
    of: { known: { leaseSeconds: 0xffffffff } },
    want: undefined,
  },
  { name: 'mask', option: dhcpOption.subnetMask, want: '255.255.255.0' },
  { name: 'gateway', option: dhcpOption.routers, want: ['192.168.77.254'] },
  { name: 'name servers in order', option: dhcpOption.nameServers, want: ['192.168.77.2', '192.168.77.3'] },
  { name: 'host name', option: dhcpOption.hostname, want: 'node1' },
  { name: 'domain', option: dhcpOption.domainName, want: 'lab.example' },
  { name: 'search list', option: dhcpOption.domainSearch, want: ['lab.example'] },
  {
    name: 'no search list for what is no domain',
    option: dhcpOption.domainSearch,
    of: { known: { domainName: 'not a domain' } },
    want: undefined,
  },
  { name: 'broadcast address', option: dhcpOption.broadcast, want: '192.168.77.255' },
  {
    name: 'no broadcast address without a mask',
    option: dhcpOption.broadcast,
    of: { known: { netmask: undefined } },
    want: undefined,
  },
  {
    name: 'no broadcast address for a mask with holes',
    option: dhcpOption.broadcast,
    of: { known: { netmask: ip4('255.0.255.0') } },
    want: undefined,
  },
  { name: 'time servers', option: dhcpOption.timeServers, want: ['192.168.77.4'] },
  { name: 'no log server unless there is one', option: dhcpOption.logServers, want: undefined },
  {
    name: 'log server',
    option: dhcpOption.logServers,
    of: { context: { syslogIp: serverIp } },
    want: [serverIp],
  },
  {
    name: 'routes with the gateway as default route',
    option: dhcpOption.classlessRoutes,
    of: { known: full },
    want: [
      { destination: '10.9.0.0/16', router: '192.168.77.7' },
      { destination: '0.0.0.0/0', router: '192.168.77.254' },
    ],
  },
  {
    name: 'no routes when none is usable',
    option: dhcpOption.classlessRoutes,
    of: { known: { routes: [{ destination: 'elsewhere', router: serverIp }] } },
    want: undefined,
  },
  {
    name: 'routes with their own default',
    option: dhcpOption.classlessRoutes,
    of: { known: { routes: [{ destination: '0.0.0.0/0', router: serverIp }] } },
    want: [{ destination: '0.0.0.0/0', router: serverIp }],
  },
  {
    name: 'client identifier echoed',
    option: dhcpOption.clientId,
    of: { values: { ...discover, ...clients.udhcpc } },
    want: Uint8Array.from(clients.udhcpc[61]),
  },
  {
    name: 'no lease for INFORM',
    option: dhcpOption.leaseSeconds,
    of: { values: { 53: [8] } },
    want: undefined,
  },
  ...[dhcpOption.renewSeconds, dhcpOption.rebindSeconds].map((option) => ({
    name: `no option ${option.code} for INFORM`,
    option,
    of: { values: { 53: [8] } },
    want: undefined,
  })),
  {
    name: 'settings for INFORM',
    option: dhcpOption.nameServers,
    of: { values: { 53: [8] } },
    want: ['192.168.77.2', '192.168.77.3'],
  },
  {
    name: 'no lease in a refusal',
    option: dhcpOption.leaseSeconds,
    of: { values: { ...requestType, 50: otherIp } },
    want: undefined,
  },
  {
    name: 'client identifier echoed in a refusal',
    option: dhcpOption.clientId,
    of: { values: { ...requestType, 50: otherIp, 61: [255, 1, 2] } },
    want: Uint8Array.of(255, 1, 2),
  },
  {
    name: 'our own identifier when a relay puts nobody in our place',
    option: dhcpOption.serverId,
    of: { values: { ...discover, 82: [11, 4, 0, 0, 0, 0] }, fields: relay },
    want: serverIp,
  },
  {
    name: 'no mask in a refusal',
    option: dhcpOption.subnetMask,
    of: { values: { ...requestType, 50: otherIp } },
    want: undefined,
  },
  {
    name: 'a message in a refusal',
    option: dhcpOption.message,
    of: { values: { ...requestType, 50: otherIp } },
    want: `192.168.77.99 is not the address of ${mac}`,
  },
  {
    name: 'the overriding server identifier',
    option: dhcpOption.serverId,
    of: { values: { ...discover, 82: [11, 4, 10, 77, 1, 1] }, fields: relay },
    want: '10.77.1.1',
  },
  {
    name: 'class PXEClient for PXE firmware',
    option: dhcpOption.vendorClass,
    of: { values: pxe(7) },
    want: 'PXEClient',
  },
  {
    name: 'boot server discovery off for PXE firmware',
    option: dhcpOption.vendorSpecific,
    of: { values: pxe(7) },
    want: new Map([[6, Uint8Array.of(8)]]),
  },
  {
    name: 'next server by name for PXE firmware',
    option: dhcpOption.tftpServerName,
    of: { values: pxe(7) },
    want: serverIp,
  },
  {
    name: 'boot file as an option only when asked for',
    option: dhcpOption.bootFileName,
    of: { values: { ...discover, ...clients.intelRom } },
    want: undefined,
  },
  {
    name: 'boot file as an option when asked for',
    option: dhcpOption.bootFileName,
    of: { values: { ...discover, ...clients.ovmfPxe } },
    want: 'ipxe.efi',
  },
  {
    name: 'machine identifier echoed',
    option: dhcpOption.clientMachineId,
    of: { values: { ...discover, ...clients.ovmfPxe } },
    want: Uint8Array.from(clients.ovmfPxe[97]),
  },
  {
    name: 'class HTTPClient for HTTP firmware',
    option: dhcpOption.vendorClass,
    of: { values: { ...discover, ...clients.ovmfHttp } },
    want: 'HTTPClient',
  },
  {
    name: 'no PXE options for HTTP firmware',
    option: dhcpOption.vendorSpecific,
    of: { values: { ...discover, ...clients.ovmfHttp } },
    want: undefined,
  },
  {
    name: 'no waiting for proxies for iPXE',
    option: dhcpOption.ipxe,
    of: { values: { ...discover, ...clients.seabiosIpxe } },
    want: new Map([[176, Uint8Array.of(1)]]),
  },
  {
    name: 'no class for iPXE, which would take us for a proxy',
    option: dhcpOption.vendorClass,
    of: { values: { ...discover, ...clients.seabiosIpxe } },
    want: undefined,
  },
  {
    name: 'no PXE options without a boot file',
    option: dhcpOption.vendorClass,
    of: { values: pxe(6) },
    want: undefined,
  },
  {
    name: "the Hardware's file for a running system",
    option: dhcpOption.bootFileName,
    of: { known: { tftpServerName: '10.0.0.5', bootFileName: 'g' } },
    want: 'g',
  },
  {
    name: 'a script URL too long for the header',
    option: dhcpOption.bootFileName,
    of: { values: { ...pxe(0), 77: 'iPXE' }, context: { scriptUrl: () => `http://${'a'.repeat(130)}` } },
    want: `http://${'a'.repeat(130)}`,
  },
]
for (const { name, option, of, want } of settings) {
  t.test(`the answer holds: ${name}`, async (t) => t.same(value({ values: discover, ...of }, option), want))
}

for (const values of [discover, { ...requestType, 50: otherIp }, { 53: [8] }]) {
  t.test(`option 82 goes back to the relay, message type ${values[53].join()}`, async (t) => {
    const reply = decided({ values: { ...values, 82: relayInfo }, fields: relay })
    t.not(reply.kind, 'silent')
    if (reply.kind !== 'silent') t.same([...reply.packet.options.get(82)!], relayInfo)
  })
}

t.test('transaction, flags and hardware address come back', async (t) => {
  const { packet } = answered({
    values: discover,
    fields: { flags: 0x8000, xid: 0xffffffff, secs: 9, hops: 2 },
  })
  t.match(packet, { op: 2, htype: 1, hlen: 6, hops: 0, secs: 0, xid: 0xffffffff, flags: 0x8000 })
  t.same([...packet.chaddr.subarray(0, 6)], [0x52, 0x54, 0, 0x12, 0x34, 0x56])
})
