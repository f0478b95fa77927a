import type { Ip4 } from '../model/ip4.ts'
import type { Machine } from '../model/machine.ts'
import { addBootOptions, bootFields, bootOf } from './boot.ts'
import type { Boot, BootContext } from './boot.ts'
import { isHost, isOnLink } from './link.ts'
import type { Subnet } from './link.ts'
import { ip } from './options/codec.ts'
import { dhcpOption, getOption, messageTypes, setOption } from './options/table.ts'
import type { MessageType } from './options/table.ts'
import { broadcastFlag, broadcastIp, unsetIp } from './packet.ts'
import type { DhcpPacket } from './packet.ts'
import type { Query } from './query.ts'
import { addLease, addSettings } from './reservation.ts'

/** What every decision of one server depends on, besides the query and the machine. */
export type DhcpContext = BootContext & {
  syslogIp?: Ip4 | undefined
  /** of the interface that heard the query; left out when they are not known */
  subnets?: readonly Subnet[] | undefined
}

/** Where a reply goes: a relay listens on the server port, a client on the client port. */
export type Destination = { ip: Ip4; role: 'relay' | 'client' }

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

/** `offLink`: the reservation is no address of the link that the client asks from, so it will hardly get further. */
export type Reply =
  | {
      kind: 'offer' | 'ack'
      ip: Ip4 | undefined
      offLink: boolean
      boot: Boot
      packet: DhcpPacket
      to: Destination
    }
  | { kind: 'nak'; why: 'wrong-address'; wanted: Ip4; packet: DhcpPacket; to: Destination }
  | { kind: 'silent'; why: Silence }

/**
 * The answer to a query in reservation mode (RFC 2131 §4.3): a known machine is given the address of its Hardware and
 * no other; an unknown one is left to other servers.
 */
export function decide(query: Query, machine: Machine | undefined, context: DhcpContext): Reply {
  if (!machine) return silent('unknown-machine')
  if (machine.dhcpDisabled) return silent('dhcp-disabled')
  if (query.type === 'bootp') return silent('bootp')
  if (!isAnswerable(query)) return silent('bad-address')
  if (query.type !== 'discover' && !isForUs(query, context)) return silent('other-server')
  if (query.type === 'release') return silent('released')
  if (query.type === 'decline') return silent('declined')
  if (query.type === 'inform') return inform(query, machine, context)
  if (!machine.ip) return silent('no-address')
  if (query.type === 'discover') return lease('offer', query, machine, context)
  const wrong = wantedIps(query).find((wanted) => wanted !== machine.ip)
  if (!wrong) return lease('ack', query, machine, context)
  return isOthers(query, wrong, machine, context) ? silent('other-link') : nak(query, wrong, context)
}

const silent = (why: Silence): Reply => ({ kind: 'silent', why })

function isAnswerable({ type, packet: { giaddr, ciaddr } }: Query): boolean {
  const isRelayed = giaddr !== unsetIp
  return (!isRelayed || isHost(giaddr)) && (type !== 'inform' || ciaddr === unsetIp || isHost(ciaddr))
}

/** A relay that overrides the server identifier (RFC 5107) makes clients name that address instead of ours. */
function serverIdOf({ packet }: Query, { serverIp }: DhcpContext): Ip4 {
  const override = getOption(packet.options, dhcpOption.relayAgent)?.get(11)
  const id = override && ip.decode(override)
  return id && isHost(id) ? id : serverIp
}

/** A malformed server identifier is not ours: the client means somebody. */
function isForUs(query: Query, context: DhcpContext): boolean {
  const { options } = query.packet
  const named = getOption(options, dhcpOption.serverId)
  if (named === undefined) return !options.has(dhcpOption.serverId.code)
  return named === context.serverIp || named === serverIdOf(query, context)
}

/**
 * Whether a wrong address is right for all we know (RFC 2131 §4.3.2): it fits the link, where the machine has no
 * reservation, as with a network card that also stands in a VLAN of another server. A client that has chosen us, or
 * that asks for an address of no such link, is refused.
 */
function isOthers(query: Query, wanted: Ip4, machine: Machine, context: DhcpContext): boolean {
  const { packet } = query
  if (!machine.ip || packet.options.has(dhcpOption.serverId.code)) return false
  const fits = (address: Ip4) => isOnLink(address, packet, machine, context.subnets ?? [])
  return fits(machine.ip) === false && fits(wanted) === true
}

/** What a REQUEST claims: option 50 when selecting or rebooting, `ciaddr` when renewing (RFC 2131 §4.3.2). */
function wantedIps({ packet }: Query): Ip4[] {
  const requested = getOption(packet.options, dhcpOption.requestedIp)
  return [requested, packet.ciaddr].flatMap((wanted) => (wanted && wanted !== unsetIp ? [wanted] : []))
}

function lease(kind: 'offer' | 'ack', query: Query, machine: Machine, context: DhcpContext): Reply {
  const boot = bootOf(query.client, machine, context)
  const options = firstOptions(kind, query, context)
  addLease(options, machine.leaseSeconds)
  addSettings(options, machine, context.syslogIp)
  addBootOptions(options, query, boot)
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
function inform(query: Query, machine: Machine, context: DhcpContext): Reply {
  const boot = bootOf(query.client, machine, context)
  const options = firstOptions('ack', query, context)
  addSettings(options, machine, context.syslogIp)
  addBootOptions(options, query, boot)
  addEchoes(options, query)
  const { ciaddr, giaddr } = query.packet
  const flags = query.packet.flags | (ciaddr === unsetIp && giaddr !== unsetIp ? broadcastFlag : 0)
  const packet = replyPacket(query, options, { ...bootFields(boot), ciaddr, flags })
  const to: Destination = ciaddr === unsetIp ? destination(query) : { ip: ciaddr, role: 'client' }
  return { kind: 'ack', ip: undefined, offLink: false, boot, packet, to }
}

/** A client refused may not have the address it claims: a NAK is broadcast, by the relay too (RFC 2131 §4.3.2). */
function nak(query: Query, wanted: Ip4, context: DhcpContext): Reply {
  const options = firstOptions('nak', query, context)
  setOption(options, dhcpOption.message, `${wanted} is not the address of ${query.mac}`)
  addEchoes(options, query)
  const { giaddr, flags } = query.packet
  const relayed = giaddr !== unsetIp
  const packet = replyPacket(query, options, { flags: relayed ? flags | broadcastFlag : flags })
  const to: Destination = relayed ? { ip: giaddr, role: 'relay' } : { ip: broadcastIp, role: 'client' }
  return { kind: 'nak', why: 'wrong-address', wanted, packet, to }
}

function firstOptions(type: MessageType, query: Query, context: DhcpContext): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>()
  setOption(options, dhcpOption.messageType, messageTypes[type])
  setOption(options, dhcpOption.serverId, serverIdOf(query, context))
  return options
}

/** Client identifier (RFC 6842) and relay agent information (RFC 3046 §2.2) go back as they came. */
function addEchoes(options: Map<number, Uint8Array>, { packet }: Query): void {
  for (const { code } of [dhcpOption.clientId, dhcpOption.relayAgent]) {
    const value = packet.options.get(code)
    if (value) options.set(code, value)
  }
}

function replyPacket(query: Query, options: DhcpPacket['options'], fields: Partial<DhcpPacket>): DhcpPacket {
  const { htype, hlen, xid, flags, giaddr, chaddr } = query.packet
  const { ciaddr = unsetIp, yiaddr = unsetIp, siaddr = unsetIp, sname = '', file = '' } = fields
  const same = { htype, hlen, xid, flags: fields.flags ?? flags, giaddr, chaddr }
  return { op: 2, hops: 0, secs: 0, ...same, ciaddr, yiaddr, siaddr, sname, file, options }
}

/**
 * A client that has no address yet is answered by broadcast whatever it asks for: RFC 2131 §4.1 allows it, and unicast
 * to an address that answers no ARP needs raw sockets.
 */
function destination({ packet: { giaddr, ciaddr } }: Query): Destination {
  if (giaddr !== unsetIp) return { ip: giaddr, role: 'relay' }
  if (ciaddr !== unsetIp) return { ip: ciaddr, role: 'client' }
  return { ip: broadcastIp, role: 'client' }
}
