import type { Ip4 } from '../model/ip4.ts'
import { readIp4 } from './options/codec.ts'
import { dhcpOption } from './options/table.ts'
import type { Options } from './options/table.ts'

/** A BOOTP message with DHCP options (RFC 2131 §2). Addresses that are not set are `0.0.0.0`. */
export type DhcpPacket = {
  /** 1 request, 2 reply */
  op: number
  /** hardware type, 1 = Ethernet, and the length of its addresses */
  htype: number
  hlen: number
  hops: number
  /** transaction id, unsigned 32 bits */
  xid: number
  secs: number
  /** 0x8000 = the client asks for broadcast replies */
  flags: number
  ciaddr: Ip4
  yiaddr: Ip4
  siaddr: Ip4
  giaddr: Ip4
  /** 16 octets, of which `hlen` count */
  chaddr: Uint8Array
  /** server host name, at most 63 octets; empty when options are overloaded into it */
  sname: string
  /** boot file, at most 127 octets; empty when options are overloaded into it */
  file: string
  options: Options
}

export const unsetIp = '0.0.0.0' as Ip4
export const broadcastIp = '255.255.255.255' as Ip4
export const broadcastFlag = 0x8000

export type Field = { start: number; size: number }

/** Where the parts of a message lie (RFC 2131 §2, RFC 2132 §2). */
export const layout = {
  chaddr: { start: 28, size: 16 },
  sname: { start: 44, size: 64 },
  file: { start: 108, size: 128 },
  cookie: { start: 236, size: 4 },
  options: 240,
} as const
export const cookie = [99, 130, 83, 99] as const
export const padOption = 0
export const endOption = 255

/**
 * @returns the packet, or the reason why it is none. Never reads past the end of `bytes`, and shares its memory.
 */
export function parse(bytes: Uint8Array): DhcpPacket | string {
  if (bytes.length < layout.options) return `${bytes.length} octets are too short for a DHCP message`
  if (cookie.some((byte, index) => bytes[layout.cookie.start + index] !== byte)) return 'no DHCP magic cookie'
  const op = bytes[0]!
  if (op !== 1 && op !== 2) return `op ${op} is neither a request nor a reply`
  if (bytes[2]! > 16) return `hardware addresses of ${bytes[2]} octets do not fit`
  const options = new Map<number, Uint8Array>()
  const fault = readOptions(bytes.subarray(layout.options), options) ?? readOverload(bytes, options)
  if (fault !== undefined) return fault
  const overload = options.get(dhcpOption.overload.code)?.[0] ?? 0
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    op,
    htype: bytes[1]!,
    hlen: bytes[2]!,
    hops: bytes[3]!,
    xid: view.getUint32(4),
    secs: view.getUint16(8),
    flags: view.getUint16(10),
    ciaddr: address(view, 12),
    yiaddr: address(view, 16),
    siaddr: address(view, 20),
    giaddr: address(view, 24),
    chaddr: bytes.subarray(layout.chaddr.start, layout.sname.start),
    sname: overload & 2 ? '' : terminated(bytes, layout.sname),
    file: overload & 1 ? '' : terminated(bytes, layout.file),
    options,
  }
}

/** @param bytes of a message */
export const xidOf = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(4)

function address(view: DataView, offset: number): Ip4 {
  if (view.getUint32(offset) === 0) return unsetIp
  return readIp4(new Uint8Array(view.buffer, view.byteOffset + offset, 4), 0)
}

function terminated(bytes: Uint8Array, { start, size }: Field): string {
  if (bytes[start] === 0) return ''
  const field = bytes.subarray(start, start + size)
  const length = field.indexOf(0)
  return new TextDecoder().decode(length < 0 ? field : field.subarray(0, length))
}

/** Reads options into `into`, joining repeated ones (RFC 3396 §5). @returns a fault, or nothing */
function readOptions(bytes: Uint8Array, into: Map<number, Uint8Array>): string | undefined {
  for (let offset = 0; offset < bytes.length;) {
    const code = bytes[offset]!
    if (code === endOption) return undefined
    if (code === padOption) {
      offset += 1
      continue
    }
    const length = bytes[offset + 1]
    const next = offset + 2 + (length ?? 0)
    if (length === undefined || next > bytes.length) return `option ${code} runs past the end`
    const value = bytes.subarray(offset + 2, next)
    const before = into.get(code)
    into.set(code, before ? joined(before, value) : value)
    offset = next
  }
  return undefined
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}

/** Options that continue in `file` and `sname`, in this order (RFC 2131 §4.1, RFC 3396 §5). */
function readOverload(bytes: Uint8Array, options: Map<number, Uint8Array>): string | undefined {
  const overload = options.get(dhcpOption.overload.code)
  if (!overload) return undefined
  if (overload.length !== 1 || overload[0]! < 1 || overload[0]! > 3) return 'option 52 is not 1, 2 or 3'
  const which = overload[0]!
  const fields = [which & 1 ? [layout.file] : [], which & 2 ? [layout.sname] : []].flat()
  for (const { start, size } of fields) {
    const fault = readOptions(bytes.subarray(start, start + size), options)
    if (fault !== undefined) return fault
  }
  return undefined
}
