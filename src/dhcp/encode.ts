import { textBytes, writeIp4 } from './options/codec.ts'
import { dhcpOption } from './options/table.ts'
import type { Options } from './options/table.ts'
import { cookie, endOption, layout, unsetIp } from './packet.ts'
import type { DhcpPacket, Field } from './packet.ts'

/** below this, some relays and BOOTP clients drop a message (RFC 1542 §2.1) */
const minimumSize = 300
/** what a client takes when it does not say (RFC 2131 §2), and what fits into one Ethernet frame */
const sizes = { default: 576, ethernet: 1500 }
const ipAndUdpHeaders = 28
/** octets that the server's own options need at least beside an echoed option 82 */
const ownOptions = 128

type Entry = readonly [code: number, value: Uint8Array]
type Plan = { options: Entry[]; file: Entry[]; sname: Entry[]; leftOut: number[] }

/**
 * The octets of `packet`: option 53 first, 82 last (RFC 3046 §2.1), at least 300 octets. Options that do not fit into
 * the options field go to an unused `file` or `sname` (option 52); what still does not fit is left out and named.
 * @param maxSize what the client takes (option 57, RFC 2132 §9.10), IP and UDP headers included; used between 576 and
 *   1500
 */
export function encode(
  packet: DhcpPacket,
  maxSize = sizes.default,
): { bytes: Uint8Array; leftOut: number[] } {
  const limit = Math.min(Math.max(maxSize, sizes.default), sizes.ethernet) - ipAndUdpHeaders
  const plan = planOptions(packet, limit - layout.options)
  const bytes = new Uint8Array(Math.max(minimumSize, layout.options + sizeOf(plan.options)))
  writeHeader(packet, bytes)
  if (plan.file.length > 0) writeOptions(bytes, layout.file.start, plan.file)
  else writeText(bytes, layout.file, packet.file)
  if (plan.sname.length > 0) writeOptions(bytes, layout.sname.start, plan.sname)
  else writeText(bytes, layout.sname, packet.sname)
  bytes.set(cookie, layout.cookie.start)
  writeOptions(bytes, layout.options, plan.options)
  return { bytes, leftOut: plan.leftOut }
}

function writeHeader(packet: DhcpPacket, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer)
  bytes[0] = packet.op
  bytes[1] = packet.htype
  bytes[2] = packet.hlen
  bytes[3] = packet.hops
  view.setUint32(4, packet.xid)
  view.setUint16(8, packet.secs)
  view.setUint16(10, packet.flags)
  if (packet.ciaddr !== unsetIp) writeIp4(packet.ciaddr, bytes, 12)
  if (packet.yiaddr !== unsetIp) writeIp4(packet.yiaddr, bytes, 16)
  if (packet.siaddr !== unsetIp) writeIp4(packet.siaddr, bytes, 20)
  if (packet.giaddr !== unsetIp) writeIp4(packet.giaddr, bytes, 24)
  bytes.set(packet.chaddr.subarray(0, layout.chaddr.size), layout.chaddr.start)
}

/** A text that does not fit with its terminator is not written: half a file name is worse than none. */
function writeText(bytes: Uint8Array, { start, size }: Field, text: string): void {
  if (text === '') return
  const encoded = textBytes(text)
  if (encoded.length < size) bytes.set(encoded, start)
}

/** Octets of one option on the wire, with a header for each piece of 255. */
function wireSize([, value]: Entry): number {
  return value.length <= 255 ? value.length + 2 : value.length + 2 * Math.ceil(value.length / 255)
}

/** Octets of `entries` and the end option. */
function sizeOf(entries: readonly Entry[]): number {
  let size = 1
  for (const entry of entries) size += wireSize(entry)
  return size
}

/** Writes options and the end option; long ones in pieces of at most 255 octets (RFC 3396 §6). */
function writeOptions(bytes: Uint8Array, start: number, entries: readonly Entry[]): void {
  let offset = start
  for (const [code, value] of entries) {
    for (let from = 0; from === 0 || from < value.length; from += 255) {
      const piece = value.length <= 255 ? value : value.subarray(from, from + 255)
      bytes[offset] = code
      bytes[offset + 1] = piece.length
      bytes.set(piece, offset + 2)
      offset += 2 + piece.length
    }
  }
  bytes[offset] = endOption
}

function planOptions(packet: DhcpPacket, room: number): Plan {
  const options = wireOrder(packet.options)
  if (sizeOf(options) <= room) return { options, file: [], sname: [], leftOut: [] }
  return planOverload(packet, options, room)
}

function wireOrder(options: Options): Entry[] {
  const { messageType, relayAgent, overload } = dhcpOption
  const ordered: Entry[] = []
  const add = (code: number, value: Uint8Array | undefined) => value && ordered.push([code, value])
  add(messageType.code, options.get(messageType.code))
  for (const [code, value] of options) {
    if (code !== messageType.code && code !== relayAgent.code && code !== overload.code)
      ordered.push([code, value])
  }
  add(relayAgent.code, options.get(relayAgent.code))
  return ordered
}

function planOverload(packet: DhcpPacket, entries: readonly Entry[], room: number): Plan {
  const relayCode = dhcpOption.relayAgent.code
  const overloadEntry = (which: number): Entry => [dhcpOption.overload.code, Uint8Array.of(which)]
  const relay = entries.filter((entry) => entry[0] === relayCode && wireSize(entry) + ownOptions <= room)
  const plan: Plan = { options: [], file: [], sname: [], leftOut: [] }
  const free = {
    options: room - sizeOf(relay) - wireSize(overloadEntry(0)) + 1,
    file: packet.file === '' ? layout.file.size : 0,
    sname: packet.sname === '' ? layout.sname.size : 0,
  }
  for (const entry of entries) {
    if (relay.includes(entry)) continue
    const fits = (area: keyof typeof free) => sizeOf(plan[area]) + wireSize(entry) <= free[area]
    const area = (['options', 'file', 'sname'] as const).find(fits)
    if (area && entry[0] !== relayCode) plan[area].push(entry)
    else plan.leftOut.push(entry[0])
  }
  const which = (plan.file.length > 0 ? 1 : 0) + (plan.sname.length > 0 ? 2 : 0)
  if (which > 0) plan.options.push(overloadEntry(which))
  plan.options.push(...relay)
  return plan
}
