import { macFromBytes } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import { dhcpOption, getOption, messageTypes } from './options/table.ts'
import type { Options } from './options/table.ts'
import { layout } from './packet.ts'
import type { DhcpPacket } from './packet.ts'

/**
 * Who speaks: a firmware's PXE client, its HTTP boot client, iPXE (which takes a script instead of a program), or a
 * running system. `archs` are the values of option 93, in the client's order.
 */
export type Client = { stage: 'firmware' | 'http' | 'ipxe' | 'os'; archs: readonly number[] }

/** `bootp`: a message without option 53 (RFC 1534). */
export type QueryType = 'discover' | 'request' | 'decline' | 'release' | 'inform' | 'bootp'

/** A message from a client on Ethernet. The machine is the one with this MAC; a client id (61) is only echoed. */
export type Query = { type: QueryType; mac: Mac; client: Client; packet: DhcpPacket }

/** Why a well-formed packet is no query. */
export type NoQuery = 'not-a-request' | 'not-ethernet' | 'not-a-client-message'

const queryTypes = new Map<number, QueryType>(
  (['discover', 'request', 'decline', 'release', 'inform'] as const).map((type) => [
    messageTypes[type],
    type,
  ]),
)
const ethernet = { htype: 1, hlen: 6 }

/** @returns the MAC of whoever sent a message, if it may be one from a client on Ethernet: more is not looked at */
export function macOf(bytes: Uint8Array): Mac | undefined {
  const { start } = layout.chaddr
  if (bytes.length < layout.options || bytes[0] !== 1) return undefined
  if (bytes[1] !== ethernet.htype || bytes[2] !== ethernet.hlen) return undefined
  return macFromBytes(bytes.subarray(start, start + ethernet.hlen))
}

export function readQuery(packet: DhcpPacket): Query | NoQuery {
  if (packet.op !== 1) return 'not-a-request'
  const mac = macFromBytes(packet.chaddr.subarray(0, ethernet.hlen))
  if (packet.htype !== ethernet.htype || packet.hlen !== ethernet.hlen || !mac) return 'not-ethernet'
  const code = getOption(packet.options, dhcpOption.messageType) ?? -1
  const type = packet.options.has(dhcpOption.messageType.code) ? queryTypes.get(code) : 'bootp'
  return type ? { type, mac, client: clientOf(packet.options), packet } : 'not-a-client-message'
}

function clientOf(options: Options): Client {
  const vendorClass = getOption(options, dhcpOption.vendorClass) ?? ''
  const archs = getOption(options, dhcpOption.clientArch) ?? archInVendorClass(vendorClass)
  return { stage: stageOf(options, vendorClass), archs }
}

/** what iPXE says of itself, and what Tinkerbell's build of it says */
const ipxeClasses = new Set(['iPXE', 'Tinkerbell'])

function stageOf(options: Options, vendorClass: string): Client['stage'] {
  const classes = getOption(options, dhcpOption.userClass)
  if (options.has(dhcpOption.ipxe.code) || classes?.some((name) => ipxeClasses.has(name))) return 'ipxe'
  if (vendorClass.startsWith('HTTPClient')) return 'http'
  return vendorClass.startsWith('PXEClient') ? 'firmware' : 'os'
}

/** `PXEClient:Arch:00007:UNDI:003016` (RFC 4578 §2; PXE 2.1 table 2-1), for clients that leave out option 93 */
function archInVendorClass(vendorClass: string): number[] {
  const digits = /:Arch:([0-9]{5})/.exec(vendorClass)?.[1]
  return digits === undefined ? [] : [Number(digits)]
}
