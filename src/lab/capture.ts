import { parse as parseDhcp } from '../dhcp/packet.ts'
import type { DhcpPacket } from '../dhcp/packet.ts'
import { parse as parseTftp } from '../tftp/packet.ts'
import type { TftpPacket } from '../tftp/packet.ts'
import { endText, segmentOf } from './frame.ts'
import type { End, Segment } from './frame.ts'
import type { Frame } from './pcap.ts'

/** What a segment is of a boot. `reason`: why the parser of our own server finds that it is no such message. */
export type Content =
  | { kind: 'dhcp'; packet: DhcpPacket }
  | { kind: 'tftp'; packet: TftpPacket }
  | { kind: 'broken'; protocol: 'dhcp' | 'tftp'; reason: string }
  | { kind: 'http-request'; head: string }
  | HttpResponse
  | { kind: 'http-more' }
  /** an agent opens a connection to the server */
  | { kind: 'agent' }

/** `body`: of scripts only */
type HttpResponse = { kind: 'http-response'; head: string; body: string | undefined }

/** One step of a boot, as the wire shows it. */
export type Message = { frame: Frame; segment: Segment; content: Content }

const ports = { dhcp: [67, 68], tftp: 69, http: [7171, 7172, 50061], agents: 42113 } as const
const methods = /^(GET|HEAD|POST|PUT) /
const endOfHead = '\r\n\r\n'

/** The DHCP, TFTP and HTTP messages of a capture, and the agents' connections; anything else is passed over. */
export function messagesOf(frames: readonly Frame[]): Message[] {
  const reader = new Reader()
  return frames.flatMap((frame) => {
    const segment = segmentOf(frame)
    const content = segment && reader.contentOf(segment)
    return content ? [{ frame, segment: segment!, content }] : []
  })
}

/** What has to be remembered to tell what a segment is. */
class Reader {
  /** ends from which a client asked for a file */
  readonly #tftpClients = new Set<string>()
  /** per connection: what was asked for last, and the sequence number that goes on with its answer */
  readonly #connections = new Map<string, { asked: string; answer?: HttpResponse; next?: number }>()

  contentOf(segment: Segment): Content | undefined {
    return segment.protocol === 'udp' ? this.#datagram(segment) : this.#tcp(segment)
  }

  #datagram({ from, to, payload }: Segment): Content | undefined {
    const isDhcp = [from, to].every(({ port }) => (ports.dhcp as readonly number[]).includes(port))
    if (isDhcp) return parsed('dhcp', parseDhcp(payload))
    if (to.port === ports.tftp) this.#tftpClients.add(endText(from))
    const isTftp = [from, to].some((end) => this.#tftpClients.has(endText(end)))
    return isTftp ? parsed('tftp', parseTftp(payload)) : undefined
  }

  #tcp(segment: Segment): Content | undefined {
    const { from, to, payload } = segment
    if (to.port === ports.agents) return segment.opens ? { kind: 'agent' } : undefined
    const isHttp = ({ port }: End) => (ports.http as readonly number[]).includes(port)
    if (isHttp(to)) return this.#fromClient(segment)
    return isHttp(from) && payload.length > 0 ? this.#fromServer(segment) : undefined
  }

  #fromClient({ from, to, payload }: Segment): Content | undefined {
    const head = headOf(payload)
    if (!methods.test(head)) return undefined
    this.#connections.set(`${endText(from)} ${endText(to)}`, { asked: head })
    return { kind: 'http-request', head }
  }

  #fromServer({ from, to, payload, size, sequence }: Segment): Content | undefined {
    const connection = this.#connections.get(`${endText(to)} ${endText(from)}`)
    if (!connection) return undefined
    const text = textOf(payload)
    const next = (sequence + size) >>> 0
    if (text.startsWith('HTTP/1.') && !connection.answer) {
      const head = headOf(payload)
      const body = isScript(connection.asked) ? text.slice(head.length + endOfHead.length) : undefined
      connection.answer = { kind: 'http-response', head, body }
      connection.next = next
      return connection.answer
    }
    const { answer } = connection
    if (connection.next !== sequence || answer?.body === undefined) return undefined
    answer.body += text
    connection.next = next
    return { kind: 'http-more' }
  }
}

function parsed(protocol: 'dhcp', packet: DhcpPacket | string): Content
function parsed(protocol: 'tftp', packet: TftpPacket | string): Content
function parsed(protocol: 'dhcp' | 'tftp', packet: DhcpPacket | TftpPacket | string): Content {
  if (typeof packet === 'string') return { kind: 'broken', protocol, reason: packet }
  return { kind: protocol, packet } as Content
}

const textOf = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes)
const headOf = (payload: Uint8Array): string => textOf(payload).split(endOfHead)[0]!
const isScript = (request: string): boolean => /^GET \S+\.ipxe /.test(request)

/** of a file that is sent by TFTP: packets kept at its beginning and its end, and octets of each block */
const kept = { first: 8, last: 6, data: 64 } as const

/**
 * The part of a capture that shows how a boot goes, small enough to be kept: DHCP and scripts whole, the beginning and
 * the end of files sent by TFTP, heads of HTTP. Frames are cut as a capture of fewer octets would have cut them.
 */
export function essence(frames: readonly Frame[]): Frame[] {
  const messages = messagesOf(frames)
  const transfers = transfersOf(messages)
  return messages.flatMap((message) => {
    const { frame, segment } = message
    const transfer = transfers.get(message)
    if (transfer && isInMiddle(transfer)) return []
    return [{ ...frame, bytes: frame.bytes.subarray(0, segment.headers + payloadKept(message)) }]
  })
}

type Place = { index: number; of: { count: number } }

const isInMiddle = ({ index, of }: Place): boolean => index >= kept.first && index < of.count - kept.last

/** Where each TFTP message stands in its transfer, which a read request begins. */
function transfersOf(messages: readonly Message[]): Map<Message, Place> {
  const places = new Map<Message, Place>()
  const running = new Map<string, { count: number }>()
  for (const message of messages) {
    if (message.content.kind !== 'tftp') continue
    const { from, to } = message.segment
    if (to.port === ports.tftp) running.set(endText(from), { count: 0 })
    const of = running.get(endText(from)) ?? running.get(endText(to))
    if (!of) continue
    places.set(message, { index: of.count, of })
    of.count += 1
  }
  return places
}

function payloadKept({ content, segment: { payload } }: Message): number {
  if (content.kind === 'tftp' && content.packet.op === 'data') return Math.min(payload.length, 4 + kept.data)
  const isHead =
    content.kind === 'http-request' || (content.kind === 'http-response' && content.body === undefined)
  return isHead ? Math.min(payload.length, content.head.length + endOfHead.length) : payload.length
}
