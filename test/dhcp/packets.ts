import { parseIp4 } from '../../src/model/ip4.ts'
import type { Ip4 } from '../../src/model/ip4.ts'
import { macToBytes, parseMac } from '../../src/model/mac.ts'
import type { Machine } from '../../src/model/machine.ts'
import { encode } from '../../src/dhcp/encode.ts'
import { parse, unsetIp } from '../../src/dhcp/packet.ts'
import type { DhcpPacket } from '../../src/dhcp/packet.ts'
import { readQuery } from '../../src/dhcp/query.ts'
import type { Query } from '../../src/dhcp/query.ts'

export const ip4 = (text: string): Ip4 => parseIp4(text)!
export const mac = parseMac('52:54:00:12:34:56')!
export const serverIp = ip4('192.168.77.1')

export const machine: Machine = {
  namespace: 'eksa-system',
  name: 'rack1-node1',
  mac,
  macs: [mac],
  dhcpDisabled: false,
  ip: ip4('192.168.77.21'),
  netmask: ip4('255.255.255.0'),
  gateway: ip4('192.168.77.254'),
  hostname: 'node1',
  domainName: 'lab.example',
  nameServers: [ip4('192.168.77.2'), ip4('192.168.77.3')],
  timeServers: [ip4('192.168.77.4')],
  routes: [],
  leaseSeconds: 3600,
  arch: 'x86_64',
  uefi: true,
  vlanId: undefined,
  tftpServerName: undefined,
  bootFileName: undefined,
  allowPxe: true,
  ipxe: { url: undefined, contents: undefined, binary: undefined },
  osie: { baseUrl: undefined, kernel: undefined, initrd: undefined, kernelParams: [] },
  isoSource: undefined,
  instance: { scriptUrl: undefined, alwaysPxe: false, isActive: false },
  facilityCode: undefined,
  agentId: mac,
}

/** Values of options: a number or a text stands for its octets. */
export type Values = Readonly<Record<number, string | readonly number[]>>

export function options(values: Values): Map<number, Uint8Array> {
  const octets = (value: string | readonly number[]) =>
    typeof value === 'string' ? new TextEncoder().encode(value) : Uint8Array.from(value)
  return new Map(Object.entries(values).map(([code, value]) => [Number(code), octets(value)]))
}

export const octetsOf = (ip: Ip4 | string): number[] => ip.split('.').map(Number)

export function request(values: Values, fields: Partial<DhcpPacket> = {}): DhcpPacket {
  const chaddr = new Uint8Array(16)
  chaddr.set(macToBytes(mac))
  return {
    op: 1,
    htype: 1,
    hlen: 6,
    hops: 0,
    xid: 0x1234abcd,
    secs: 4,
    flags: 0,
    ciaddr: unsetIp,
    yiaddr: unsetIp,
    siaddr: unsetIp,
    giaddr: unsetIp,
    chaddr,
    sname: '',
    file: '',
    options: options(values),
    ...fields,
  }
}

/** The query as it arrives: through the wire format and back. */
export function query(values: Values, fields: Partial<DhcpPacket> = {}): Query {
  const packet = parse(encode(request(values, fields), 1500).bytes)
  const read = typeof packet === 'string' ? packet : readQuery(packet)
  if (typeof read === 'string') throw new Error(read)
  return read
}

const uuid = [0, ...Array.from({ length: 16 }, (_, index) => index + 1)]

/** What clients put into their messages beside the type: as seen on the wire, with this test's MAC. */
export const clients = {
  /** EDK2's PXE client, x64 */
  ovmfPxe: {
    55: [
      1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97,
      128, 129,
    ],
    57: [255, 255],
    60: 'PXEClient:Arch:00007:UNDI:003001',
    93: [0, 7],
    94: [1, 3, 1],
    97: uuid,
  },
  /** EDK2's HTTP boot client, x64 */
  ovmfHttp: {
    55: [1, 3, 6, 12, 15, 43, 54, 60, 66, 67, 97],
    57: [5, 192],
    60: 'HTTPClient:Arch:00016:UNDI:003001',
    93: [0, 16],
    94: [1, 3, 1],
    97: uuid,
  },
  /** AAVMF's PXE client */
  arm64Pxe: {
    55: [1, 3, 66, 67],
    60: 'PXEClient:Arch:00011:UNDI:003000',
    93: [0, 11],
    94: [1, 3, 0],
    97: uuid,
  },
  /** a BIOS ROM with Intel's boot agent: no boot file option asked for */
  intelRom: {
    55: [1, 3, 43, 54, 60],
    57: [4, 236],
    60: 'PXEClient:Arch:00000:UNDI:002001',
    93: [0, 0],
    94: [1, 2, 1],
    97: uuid,
  },
  /** QEMU's option ROM under SeaBIOS: iPXE from the first packet */
  seabiosIpxe: {
    55: [1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203],
    57: [5, 192],
    60: 'PXEClient:Arch:00000:UNDI:002001',
    61: [1, 0x52, 0x54, 0, 0x12, 0x34, 0x56],
    77: 'iPXE',
    93: [0, 0],
    94: [1, 2, 1],
    97: uuid,
    175: [177, 5, 1, 0x1a, 0xf4, 0x10, 0, 235, 3, 1, 21, 1, 23, 1, 1, 19, 1, 1, 17, 1, 1],
  },
  /** ISC's client, as Debian ships it */
  dhclient: { 12: 'debian', 55: [1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42] },
  /** busybox */
  udhcpc: {
    55: [1, 3, 6, 12, 15, 28, 42],
    57: [2, 64],
    60: 'udhcp 1.35.0',
    61: [1, 0x52, 0x54, 0, 0x12, 0x34, 0x56],
  },
} as const satisfies Record<string, Values>

export const discover = { 53: [1] }
export const requestType = { 53: [3] }
