import { dhcpOption, messageTypes } from '../dhcp/options/table.ts'
import type { Option } from '../dhcp/options/table.ts'
import { ip, ips, text } from '../dhcp/options/codec.ts'
import { broadcastFlag, unsetIp } from '../dhcp/packet.ts'
import type { DhcpPacket } from '../dhcp/packet.ts'
import { macFromBytes } from '../model/mac.ts'
import type { TftpPacket } from '../tftp/packet.ts'
import type { Content, Message } from './capture.ts'
import { endText } from './frame.ts'

/** One line of a message's description; `key` is the option's number, or the name of the field or the HTTP header. */
export type Detail = { key: string; text: string }

/** A message in words: what it is in one line, and what it holds. */
export type Description = { summary: string; details: Detail[] }

/** Every message of a capture with all it holds, a paragraph each. */
export function captureText(messages: readonly Message[]): string {
  let block = 0
  return messages
    .map((message) => {
      const { content } = message
      const now = content.kind === 'tftp' && content.packet.op === 'data' ? content.packet.block : undefined
      const gap =
        now !== undefined && now > block + 1 && block > 0
          ? `${margin}(blocks up to ${now - 1} are not kept)\n\n`
          : ''
      block = now ?? (content.kind === 'tftp' && content.packet.op === 'ack' ? block : 0)
      return `${gap}${paragraph(message, () => true)}\n`
    })
    .join('\n')
}

const margin = ' '.repeat(12)

/**
 * One message: time, ends and summary in the first line, then those details that `wanted` accepts, one a line.
 * A value that is longer than `width` characters is cut there.
 */
export function paragraph(message: Message, wanted: (key: string) => boolean, width = 2000): string {
  const { segment, content } = message
  const { summary, details } = describeMessage(content, segment.size)
  const seconds = `${(segment.at / 1e6).toFixed(3).padStart(8)} s`
  const lines = details.filter(({ key }) => wanted(key)).map((detail) => margin + cut(detail.text, width))
  return [`${seconds}  ${endText(segment.from)} → ${endText(segment.to)}  ${summary}`, ...lines].join('\n')
}

const cut = (line: string, width: number) => (line.length > width ? `${line.slice(0, width - 1)}…` : line)

/** @param size octets of the message on the wire, of which fewer may have been captured */
export function describeMessage(content: Content, size: number): Description {
  switch (content.kind) {
    case 'dhcp':
      return describeDhcp(content.packet, size)
    case 'tftp':
      return { summary: `TFTP ${describeTftp(content.packet, size)}`, details: [] }
    case 'broken':
      return { summary: `${content.protocol.toUpperCase()}, not readable: ${content.reason}`, details: [] }
    case 'http-request':
      return describeHttp(content.head, undefined)
    case 'http-response':
      return describeHttp(content.head, content.body)
    case 'http-more':
      return { summary: `HTTP, ${size} octets more`, details: [] }
    case 'agent':
      return { summary: 'the agent connects (TLS)', details: [] }
  }
}

function describeHttp(head: string, body: string | undefined): Description {
  const [first = '', ...headers] = head.split('\r\n').map(printable)
  const script = body === undefined ? [] : body.trimEnd().split('\n').map(printable)
  return {
    summary: first.startsWith('HTTP/') ? first : `HTTP ${first}`,
    details: [
      ...headers.map((line) => ({ key: line.split(':')[0]!.toLowerCase(), text: line })),
      ...script.map((line) => ({ key: 'body', text: `| ${line}`.trimEnd() })),
    ],
  }
}

function describeTftp(packet: TftpPacket, size: number): string {
  switch (packet.op) {
    case 'read':
    case 'write':
      return `${packet.op} ${quoted(packet.file)} ${printable(packet.mode)}${pairs(packet.options)}`
    case 'oack':
      return `options taken:${pairs(packet.options)}`
    case 'data':
      return `data, block ${packet.block}, ${size - 4} octets`
    case 'ack':
      return `acknowledgement of block ${packet.block}`
    case 'error':
      return `error ${packet.code} ${quoted(packet.message)}`
  }
}

const pairs = (options: ReadonlyMap<string, string>): string =>
  [...options].map(([name, value]) => ` ${printable(name)}=${printable(value)}`).join('')

const typeNames = new Map(Object.entries(messageTypes).map(([name, code]) => [code as number, name]))

function describeDhcp(packet: DhcpPacket, size: number): Description {
  const type = packet.options.get(dhcpOption.messageType.code)?.[0] ?? 0
  const mac = macFromBytes(packet.chaddr.subarray(0, packet.hlen))
  const { op, htype, hlen, hops, secs, flags } = packet
  const xid = packet.xid.toString(16).padStart(8, '0')
  const fields: [key: string, text: string][] = [
    ['header', `op ${op}  htype ${htype}  hlen ${hlen}  hops ${hops}  xid 0x${xid}  secs ${secs}`],
    ['flags', flags === 0 ? '' : `0x${hex(flags, 4)}${flags & broadcastFlag ? ' broadcast' : ''}`],
    ...(['ciaddr', 'yiaddr', 'siaddr', 'giaddr'] as const).map((key): [string, string] => [
      key,
      packet[key] === unsetIp ? '' : packet[key],
    ]),
    ['chaddr', mac ?? octetText(packet.chaddr.subarray(0, packet.hlen))],
    ['sname', packet.sname && quoted(packet.sname)],
    ['file', packet.file && quoted(packet.file)],
  ]
  const options = [...packet.options].map(([code, value]) => optionDetail(code, value))
  const named = fields.filter(([, value]) => value !== '')
  return {
    summary: `DHCP ${typeNames.get(type) ?? 'without a message type'}, ${size} octets`,
    details: [
      ...named.map(([key, value]) => ({
        key,
        text: key === 'header' ? value : `${key.padEnd(6)}  ${value}`,
      })),
      ...options,
    ],
  }
}

const hex = (value: number, width: number) => value.toString(16).padStart(width, '0')

const known = new Map<number, { name: string; option: Option<unknown> }>(
  Object.entries(dhcpOption).map(([name, option]) => [
    option.code,
    { name, option: option as Option<unknown> },
  ]),
)

/** `clientArch` → `client arch` */
const words = (name: string) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)

function optionDetail(code: number, bytes: Uint8Array): Detail {
  const { name, option } = known.get(code) ?? { name: '' }
  const value = option?.codec.decode(bytes)
  const shown = option && value !== undefined ? valueText(code, option, value) : octetText(bytes)
  return {
    key: String(code),
    text: `${String(code).padStart(3)} ${words(name).padEnd(18)} ${shown}`.trimEnd(),
  }
}

function valueText(code: number, option: Option<unknown>, value: unknown): string {
  if (code === dhcpOption.messageType.code) return `${String(value)} ${typeNames.get(value as number) ?? ''}`
  if (code === dhcpOption.parameterList.code) return [...(value as Uint8Array)].join(' ')
  if (value instanceof Uint8Array) return octetText(value)
  if (value instanceof Map)
    return [...(value as Map<number, Uint8Array>)].map(([sub, part]) => `${sub}=${octetText(part)}`).join(' ')
  if ((option.codec as unknown) === text) return quoted(value as string)
  const isAddress = [ip, ips].includes(option.codec as never)
  const items = Array.isArray(value) ? (value as unknown[]) : [value]
  return items
    .map((item) => (typeof item === 'string' && !isAddress ? quoted(item) : itemText(item)))
    .join(', ')
}

function itemText(item: unknown): string {
  if (typeof item !== 'object' || item === null) return String(item)
  const { destination, router } = item as { destination: string; router: string }
  return `${destination} by ${router}`
}

const octetText = (bytes: Uint8Array): string => Array.from(bytes, (byte) => hex(byte, 2)).join(':')
const quoted = (value: string): string => `"${printable(value)}"`

/** What a network sent, fit for a text file: one line, without control characters. */
const printable = (value: string): string => value.replace(/[\p{Cc}\p{Cf}\p{Cs}\ufffd]/gu, '?')
