import { ip4FromNumber } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Frame } from './pcap.ts'

/** One end of a UDP or TCP exchange. */
export type End = { ip: Ip4; port: number }

/** What a frame carries: a UDP datagram or a TCP segment over IPv4. */
export type Segment = {
  protocol: 'udp' | 'tcp'
  /** µs since the first frame */
  at: number
  from: End
  to: End
  /** as far as it was captured */
  payload: Uint8Array
  /** octets of the payload on the wire */
  size: number
  /** octets of the frame before the payload */
  headers: number
  /** of TCP; 0 in a datagram */
  sequence: number
  /** a TCP connection's first segment */
  opens: boolean
}

const sizes = { ethernet: 14, vlan: 4, ip: 20, udp: 8, tcp: 20 } as const
const etherTypes = { ip4: 0x0800, vlan: 0x8100 } as const
const protocols = new Map<number, Segment['protocol']>([
  [6, 'tcp'],
  [17, 'udp'],
])
const tcpFlags = { syn: 2, ack: 16 } as const

/** @returns `undefined` for anything but the first or only fragment of UDP or TCP over IPv4 */
export function segmentOf({ at, bytes }: Frame): Segment | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = ipStart(view)
  if (start === undefined || bytes.length < start + sizes.ip || view.getUint8(start) >> 4 !== 4)
    return undefined
  const protocol = protocols.get(view.getUint8(start + 9))
  const isLaterFragment = (view.getUint16(start + 6) & 0x1fff) !== 0
  const transport = start + 4 * (view.getUint8(start) & 15)
  if (!protocol || isLaterFragment || bytes.length < transport + sizes[protocol]) return undefined
  const headers = transport + (protocol === 'udp' ? sizes.udp : 4 * (view.getUint8(transport + 12) >> 4))
  // Frames shorter than Ethernet's least are padded: the IP header knows where the payload ends.
  const end = start + view.getUint16(start + 2)
  if (end < headers) return undefined
  const flags = protocol === 'tcp' ? view.getUint8(transport + 13) : 0
  return {
    protocol,
    at,
    from: { ip: ip4FromNumber(view.getUint32(start + 12)), port: view.getUint16(transport) },
    to: { ip: ip4FromNumber(view.getUint32(start + 16)), port: view.getUint16(transport + 2) },
    payload: bytes.subarray(headers, end),
    size: end - headers,
    headers,
    sequence: protocol === 'tcp' ? view.getUint32(transport + 4) : 0,
    opens: (flags & (tcpFlags.syn | tcpFlags.ack)) === tcpFlags.syn,
  }
}

function ipStart(view: DataView): number | undefined {
  if (view.byteLength < sizes.ethernet + sizes.vlan) return undefined
  const isTagged = view.getUint16(12) === etherTypes.vlan
  const start = sizes.ethernet + (isTagged ? sizes.vlan : 0)
  return view.getUint16(start - 2) === etherTypes.ip4 ? start : undefined
}

export const endText = ({ ip, port }: End): string => `${ip}:${port}`
