import type { Ip4 } from '../model/ip4.ts'
import type { Machine } from '../model/machine.ts'
import { addBootOptions, bootFields } from './boot.ts'
import type { Boot, BootContext } from './boot.ts'
import type { LeaseChange } from './leases.ts'
import { isHost, isOnLink } from './link.ts'
import type { Subnet } from './link.ts'
import { ip } from './options/codec.ts'
import { dhcpOption, getOption, messageTypes, setOption } from './options/table.ts'
import type { MessageType } from './options/table.ts'
import { broadcastFlag, broadcastIp, unsetIp } from './packet.ts'
import type { DhcpPacket } from './packet.ts'
import type { Pool } from './pool.ts'
import type { Query } from './query.ts'
import { addSettings, leaseSettings } from './settings.ts'

/** `reservation`: we give the addresses. `proxy`: another server does, we say what to boot; `auto-proxy`: to all. */
export type DhcpMode = 'reservation' | 'proxy' | 'auto-proxy'

/** What every decision of one server depends on, besides the query and the machine. */
export type DhcpContext = BootContext & {
  /** `reservation` when left out */
  mode?: DhcpMode | undefined
  /** the UDP port that the query came to; `proxy` is 4011. `dhcp` when left out */
  door?: 'dhcp' | 'proxy' | undefined
  syslogIp?: Ip4 | undefined
  /** of the interface that heard the query; left out when they are not known */
  subnets?: readonly Subnet[] | undefined
  /** addresses for machines without a reservation, if the interface has any */
  pool?: Pool | undefined
}

/** Where a reply goes: a relay listens on the server port, a client on the client port, the sender where it sent from. */
export type Destination = { ip: Ip4; role: 'relay' | 'client' } | { ip: undefined; role: 'sender' }

/** Why a query gets no answer. */
export type Silence =
  | 'unknown-machine'
  | 'dhcp-disabled'
  | 'no-address'
  /** it asks with BOOTP, which knows no leases */
  | 'bootp'
  /** neither its relay's nor its own address can be answered */
  | 'bad-address'
  | 'other-server'
  /** it asks for an address of a link that is not the one of its reservation: another server's business */
  | 'other-link'
  | 'released'
  | 'declined'
  /** in the proxy modes: a running system, which the other DHCP server serves alone */
  | 'not-netboot'
  | 'netboot-off'
  /** in the proxy modes: no boot program for its processor */
  | 'unknown-arch'
  /** its address is being looked for on the link, before it is offered */
  | 'probing'
  | 'pool-exhausted'
  /** it comes from another link than the pool's */
  | 'other-pool'
  /** it asks for an address of the pool's link that the pool does not have */
  | 'not-in-pool'
  /** this client has sent too much */
  | 'rate-limited'
  /** the server has just started, and does not know its machines yet */
  | 'not-ready'

/**
 * `offLink`: the reservation is no address of the link that the client asks from, so it will hardly get further.
 * `change`: what becomes of a lease of the pool by this.
 */
export type Reply =
  | {
      kind: 'offer' | 'ack'
      ip: Ip4 | undefined
      offLink: boolean
      boot: Boot
      packet: DhcpPacket
      to: Destination
      change?: LeaseChange
    }
  | { kind: 'nak'; why: 'wrong-address'; wanted: Ip4; packet: DhcpPacket; to: Destination }
  | { kind: 'silent'; why: Silence; change?: LeaseChange }

export const silent = (why: Silence, change?: LeaseChange): Reply =>
  change ? { kind: 'silent', why, change } : { kind: 'silent', why }

export function isAnswerable({ type, packet: { giaddr, ciaddr } }: Query): boolean {
  const isRelayed = giaddr !== unsetIp
  return (!isRelayed || isHost(giaddr)) && (type !== 'inform' || ciaddr === unsetIp || isHost(ciaddr))
}

/** A relay that overrides the server identifier (RFC 5107) makes clients name that address instead of ours. */
function serverIdOf({ packet }: Query, { serverIp }: Pick<DhcpContext, 'serverIp'>): Ip4 {
  const override = getOption(packet.options, dhcpOption.relayAgent)?.get(11)
  const id = override && ip.decode(override)
  return id && isHost(id) ? id : serverIp
}

/** A malformed server identifier is not ours: the client means somebody. */
export function isForUs(query: Query, context: Pick<DhcpContext, 'serverIp'>): boolean {
  const { options } = query.packet
  const named = getOption(options, dhcpOption.serverId)
  if (named === undefined) return !options.has(dhcpOption.serverId.code)
  return named === context.serverIp || named === serverIdOf(query, context)
}

/** What a REQUEST claims: option 50 when selecting or rebooting, `ciaddr` when renewing (RFC 2131 §4.3.2). */
export function wantedIps({ packet }: Query): Ip4[] {
  const requested = getOption(packet.options, dhcpOption.requestedIp)
  return [requested, packet.ciaddr].flatMap((wanted) => (wanted && wanted !== unsetIp ? [wanted] : []))
}

/** The machine is given its address and what goes with it. */
export function lease(
  kind: 'offer' | 'ack',
  query: Query,
  machine: Machine,
  boot: Boot,
  context: DhcpContext,
): Extract<Reply, { kind: 'offer' | 'ack' }> {
  const options = firstOptions(kind, query, context)
  for (const [code, value] of leaseSettings(machine, context.syslogIp)) options.set(code, value)
  addBootOptions(options, query, machine, boot)
  addEchoes(options, query)
  const address = machine.ip ?? unsetIp
  const ciaddr = kind === 'ack' ? query.packet.ciaddr : unsetIp
  const packet = replyPacket(query, options, { ...bootFields(boot), yiaddr: address, ciaddr })
  const offLink = isOnLink(address, query.packet, machine, context.subnets ?? []) === false
  return { kind, ip: machine.ip, offLink, boot, packet, to: destination(query) }
}

/**
 * An INFORM is answered with settings only, at the address that the client has: no address, no lease (RFC 2131 §4.3.5).
 * A relay delivers to `yiaddr`, which is empty here, so that it is told to broadcast to a client that names no address.
 */
export function inform(query: Query, machine: Machine, boot: Boot, context: DhcpContext): Reply {
  const options = firstOptions('ack', query, context)
  addSettings(options, machine, context.syslogIp)
  addBootOptions(options, query, machine, boot)
  addEchoes(options, query)
  const { ciaddr, giaddr } = query.packet
  const flags = query.packet.flags | (ciaddr === unsetIp && giaddr !== unsetIp ? broadcastFlag : 0)
  const packet = replyPacket(query, options, { ...bootFields(boot), ciaddr, flags })
  const to: Destination = ciaddr === unsetIp ? destination(query) : { ip: ciaddr, role: 'client' }
  return { kind: 'ack', ip: undefined, offLink: false, boot, packet, to }
}

/** A client refused may not have the address it claims: a NAK is broadcast, by the relay too (RFC 2131 §4.3.2). */
export function nak(query: Query, wanted: Ip4, context: DhcpContext): Reply {
  const options = firstOptions('nak', query, context)
  setOption(options, dhcpOption.message, `${wanted} is not the address of ${query.mac}`)
  addEchoes(options, query)
  const { giaddr, flags } = query.packet
  const relayed = giaddr !== unsetIp
  const packet = replyPacket(query, options, { flags: relayed ? flags | broadcastFlag : flags })
  const to: Destination = relayed ? { ip: giaddr, role: 'relay' } : { ip: broadcastIp, role: 'client' }
  return { kind: 'nak', why: 'wrong-address', wanted, packet, to }
}

export function firstOptions(type: MessageType, query: Query, context: DhcpContext): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>()
  setOption(options, dhcpOption.messageType, messageTypes[type])
  setOption(options, dhcpOption.serverId, serverIdOf(query, context))
  return options
}

/** Client identifier (RFC 6842) and relay agent information (RFC 3046 §2.2) go back as they came. */
export function addEchoes(options: Map<number, Uint8Array>, { packet }: Query): void {
  for (const { code } of [dhcpOption.clientId, dhcpOption.relayAgent]) {
    const value = packet.options.get(code)
    if (value) options.set(code, value)
  }
}

export function replyPacket(
  query: Query,
  options: DhcpPacket['options'],
  fields: Partial<DhcpPacket>,
): DhcpPacket {
  const { htype, hlen, xid, flags, giaddr, chaddr } = query.packet
  const { ciaddr = unsetIp, yiaddr = unsetIp, siaddr = unsetIp, sname = '', file = '' } = fields
  const same = { htype, hlen, xid, flags: fields.flags ?? flags, giaddr, chaddr }
  return { op: 2, hops: 0, secs: 0, ...same, ciaddr, yiaddr, siaddr, sname, file, options }
}

/**
 * A client that has no address yet is answered by broadcast whatever it asks for: RFC 2131 §4.1 allows it, and unicast
 * to an address that answers no ARP needs raw sockets.
 */
export function destination({ packet: { giaddr, ciaddr } }: Query): Destination {
  if (giaddr !== unsetIp) return { ip: giaddr, role: 'relay' }
  if (ciaddr !== unsetIp) return { ip: ciaddr, role: 'client' }
  return { ip: broadcastIp, role: 'client' }
}
