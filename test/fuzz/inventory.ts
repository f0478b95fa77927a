import { decide } from '../../src/dhcp/decide.ts'
import type { DhcpContext, Reply } from '../../src/dhcp/decide.ts'
import { dhcpOption, getOption, messageTypes } from '../../src/dhcp/options/table.ts'
import { encode } from '../../src/dhcp/encode.ts'
import { broadcastIp, parse, unsetIp } from '../../src/dhcp/packet.ts'
import { readQuery } from '../../src/dhcp/query.ts'
import type { Query } from '../../src/dhcp/query.ts'
import { tracesOf } from '../../src/dhcp/trail.ts'
import { macToBytes, parseMac } from '../../src/model/mac.ts'
import type { Mac } from '../../src/model/mac.ts'
import type { Machine } from '../../src/model/machine.ts'
import { payloads } from '../lab/captures.ts'
import { clients, discover, ip4, machine, request, requestType } from '../dhcp/packets.ts'

const serverIp = ip4('192.168.77.1')

/** What is the same for every message that the test's server answers. */
export const context: DhcpContext = {
  serverIp,
  httpPort: 7171,
  netboot: true,
  syslogIp: serverIp,
  subnets: [{ ip: serverIp, netmask: ip4('255.255.255.0') }],
  scriptUrl: ({ mac }) => `http://192.168.77.1:7171/ipxe/script/${mac}/${'0'.repeat(32)}/auto.ipxe`,
}

const long = 'a-label-as-long-as-they-can-be-which-is-sixty-three-characters-1'.slice(0, 63)
const manyRoutes = Array.from({ length: 12 }, (_, index) => ({
  destination: `10.${index}.0.0/16`,
  router: ip4('192.168.77.254'),
}))

/** The captured machines, and others whose addresses differ from theirs in one bit. */
const changes: Readonly<Record<string, Partial<Machine>>> = {
  '52:54:00:77:03:01': { ip: ip4('192.168.77.21') },
  '52:54:00:77:03:02': {
    ip: ip4('192.168.77.22'),
    tftpServerName: 'boot.example',
    bootFileName: 'x'.repeat(200),
  },
  '52:54:00:77:03:03': {
    ip: ip4('192.168.77.23'),
    hostname: long.repeat(4),
    domainName: [long, long, long, 'example'].join('.'),
    routes: manyRoutes,
  },
  '52:54:00:77:03:04': { ip: ip4('192.168.77.24'), leaseSeconds: 0xffffffff },
  '52:54:00:77:03:00': { ip: ip4('192.168.77.20') },
  '52:54:00:77:03:05': { ip: ip4('192.168.77.25'), dhcpDisabled: true },
  '52:54:00:77:03:06': { ip: undefined },
  '52:54:00:77:02:01': { ip: ip4('192.168.77.26') },
  '53:54:00:77:03:01': { ip: ip4('192.168.77.27') },
}

export const inventory: ReadonlyMap<Mac, Machine> = new Map(
  Object.entries(changes).map(([text, change]) => {
    const mac = parseMac(text)!
    return [mac, { ...machine, mac, macs: [mac], agentId: mac, ...change }]
  }),
)

const captured = payloads('dhcp')
const asked = captured.filter((bytes) => bytes[0] === 1)

/** Clients that no emulated machine is, under the addresses of machines that are known. */
const others = [...inventory.keys()].flatMap((mac) => {
  const chaddr = new Uint8Array(16)
  chaddr.set(macToBytes(mac))
  return Object.values(clients).flatMap((values) => [
    encode(request({ ...discover, ...values }, { chaddr }), 1500).bytes,
    encode(request({ ...requestType, ...values, 82: [1, 2, 3, 4] }, { chaddr }), 1500).bytes,
    encode(request({ 53: [messageTypes.inform], ...values }, { chaddr })).bytes,
  ])
})

/** What clients send, half of it captured; parts may come from what servers answer, too. */
export const dhcpPackets = {
  packets: [...others, ...others.map((_, index) => asked[index % asked.length]!)],
  lenders: [...captured, ...others],
}

export type Verdict = 'dropped' | 'silent' | 'offer' | 'ack' | 'nak'

/** Answers as the server does. @throws Error when the answer is one that must never be given */
export function judge(bytes: Uint8Array): Verdict {
  const packet = parse(bytes)
  const query = typeof packet === 'string' ? packet : readQuery(packet)
  if (typeof query === 'string') return 'dropped'
  const reply = decide(query, inventory.get(query.mac), context)
  tracesOf(query, reply)
  if (reply.kind !== 'silent') examine(bytes, query, reply)
  return reply.kind
}

function claim(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

/** Reads the question from its octets and not by the server's parser, where the format allows that. */
function examine(asked: Uint8Array, query: Query, reply: Exclude<Reply, { kind: 'silent' }>): void {
  const maximum = getOption(query.packet.options, dhcpOption.maxMessageSize)
  const { bytes } = encode(reply.packet, maximum)
  const limit = Math.min(Math.max(maximum ?? 576, 576), 1500)
  claim(bytes.length + 28 <= limit, `${bytes.length + 28} octets are more than the client's ${limit}`)
  claim(bytes.length >= 300, `${bytes.length} octets are too short for old relays`)
  const same = (start: number, end: number) =>
    Buffer.compare(bytes.subarray(start, end), asked.subarray(start, end)) === 0
  claim(bytes[0] === 2 && same(1, 3), 'it is no reply to this kind of hardware')
  claim(same(4, 8), 'another transaction id')
  claim(same(28, 44), 'another hardware address')
  claim(same(24, 28), 'another relay')
  const sent = parse(bytes)
  if (typeof sent === 'string') throw new Error(`the reply cannot be read: ${sent}`)
  const mac = Array.from(asked.subarray(28, 34), (byte) => byte.toString(16).padStart(2, '0')).join(
    ':',
  ) as Mac
  const reserved = inventory.get(mac)
  claim(reserved !== undefined && !reserved.dhcpDisabled, `an answer to ${mac}`)
  claim(sent.yiaddr === unsetIp || sent.yiaddr === reserved?.ip, `${sent.yiaddr} given to ${mac}`)
  claim(getOption(sent.options, dhcpOption.messageType) === messageTypes[reply.kind], 'another message type')
  const relayed = getOption(query.packet.options, dhcpOption.relayAgent)?.get(11)
  const names = [serverIp, relayed?.join('.')]
  claim(names.includes(getOption(sent.options, dhcpOption.serverId)), 'another server id')
  claim(
    sent.yiaddr === unsetIp || sent.options.has(dhcpOption.leaseSeconds.code),
    'an address without a lease',
  )
  const want = destinationOf(asked, query.type === 'inform', reply.kind === 'nak')
  claim(reply.to.ip === want.ip && reply.to.role === want.role, `sent to ${reply.to.ip}, not to ${want.ip}`)
}

/** RFC 2131 §4.1 and, for a client that has its address already, §4.3.5 */
function destinationOf(
  asked: Uint8Array,
  isInform: boolean,
  isRefused: boolean,
): { ip: string; role: string } {
  const at = (start: number) => asked.subarray(start, start + 4).join('.')
  const [ciaddr, giaddr] = [at(12), at(24)]
  const own = ciaddr === unsetIp || isRefused ? undefined : { ip: ciaddr, role: 'client' }
  if (isInform && own) return own
  if (giaddr !== unsetIp) return { ip: giaddr, role: 'relay' }
  return own ?? { ip: broadcastIp, role: 'client' }
}
