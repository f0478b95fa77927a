import { broadcastOf, ip4FromNumber, ip4ToNumber } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Machine } from '../model/machine.ts'
import { bootOf } from './boot.ts'
import type { Lease, Leases } from './leases.ts'
import type { Subnet } from './link.ts'
import { dhcpOption, getOption } from './options/table.ts'
import { unsetIp } from './packet.ts'
import type { Query } from './query.ts'
import type { PoolRange } from './range.ts'
import { inform, isAnswerable, isForUs, lease, nak, silent, wantedIps } from './reply.ts'
import type { DhcpContext, Reply } from './reply.ts'
import { asStranger, stranger } from './stranger.ts'

/** What machines without a reservation are given on one link. */
export type Pool = {
  leases: Pick<Leases, 'of' | 'includes' | 'isFree' | 'choose'>
  leaseSeconds: number
  /** our address on the link */
  link: Subnet
  gateway: Ip4 | undefined
  nameServers: readonly Ip4[]
  /** whether a Hardware has the address */
  isReserved(ip: Ip4): boolean
  /** epoch ms */
  now: number
}

/** The subnet of an interface that the pool's addresses belong to. */
export function poolLink({ first, last }: PoolRange, subnets: readonly Subnet[]): Subnet | undefined {
  return subnets.find((subnet) => isIn(first, subnet) && isIn(last, subnet))
}

const isIn = (address: Ip4, { ip, netmask }: Subnet): boolean =>
  ((ip4ToNumber(address) ^ ip4ToNumber(ip)) & ip4ToNumber(netmask)) === 0

/** The answer to a machine without a reservation (RFC 2131 §4.3): an address of the pool, for a short while. */
export function decidePool(
  query: Query,
  known: Machine | undefined,
  pool: Pool,
  context: DhcpContext,
): Reply {
  const { type, packet } = query
  if (type === 'bootp') return silent('bootp')
  if (!isAnswerable(query)) return silent('bad-address')
  if (packet.giaddr !== unsetIp) return silent(known ? 'no-address' : 'other-pool')
  if (type !== 'discover' && !isForUs(query, context)) return silent('other-server')
  if (type === 'release' || type === 'decline') return givenBack(query, type, pool)
  const guest: Guest = { query, known, pool, context }
  if (type === 'inform') return inform(query, machineOf(guest, undefined), bootFor(guest), context)
  return type === 'discover' ? offered(guest) : requested(guest)
}

type Guest = { query: Query; known: Machine | undefined; pool: Pool; context: DhcpContext }

/** Only whose lease it is may give it back, or complain about it. */
function givenBack(query: Query, type: 'release' | 'decline', { leases }: Pool): Reply {
  const { packet, mac } = query
  const ip = type === 'release' ? packet.ciaddr : getOption(packet.options, dhcpOption.requestedIp)
  const held = leases.of(mac)
  const isOwn = held && held.ip === ip && (held.state === 'bound' || held.state === 'offered')
  return silent(type === 'release' ? 'released' : 'declined', isOwn ? { kind: type, ip: held.ip } : undefined)
}

function offered(guest: Guest): Reply {
  const { query, pool } = guest
  const { leases, now } = pool
  const held = leases.of(query.mac)
  if (held?.state === 'probing' && held.until > now) return silent('probing')
  const wanted = getOption(query.packet.options, dhcpOption.requestedIp)
  const isReserved = (ip: Ip4) => isOut(ip, pool)
  const ip = leases.choose({ mac: query.mac, wanted, now, isReserved })
  if (!ip) return silent('pool-exhausted')
  return { ...give('offer', guest, ip), change: { kind: 'offer', ip, isNew: !isHeld(held, ip, now) } }
}

/**
 * A client that takes our offer, comes back after a restart or renews. An address of the pool that nobody else has is
 * its own, though we may have forgotten the lease.
 */
function requested(guest: Guest): Reply {
  const { query, pool, context } = guest
  const { leases, now, link } = pool
  const held = leases.of(query.mac)
  const [wanted = held?.ip, second = wanted] = wantedIps(query)
  if (!wanted) return silent('no-address')
  if (wanted === second && leases.isFree(wanted, query.mac, now) && !isOut(wanted, pool)) {
    const hostname = getOption(query.packet.options, dhcpOption.hostname)?.slice(0, 64)
    const isNew = held?.state !== 'bound' || !isHeld(held, wanted, now)
    return { ...give('ack', guest, wanted), change: { kind: 'bind', ip: wanted, isNew, hostname } }
  }
  const hasChosenUs = query.packet.options.has(dhcpOption.serverId.code)
  const isOthers = !hasChosenUs && !held && !leases.includes(wanted) && isIn(wanted, link)
  return isOthers ? silent('not-in-pool') : nak(query, wanted, context)
}

const isHeld = (held: Lease | undefined, ip: Ip4, now: number): boolean =>
  held !== undefined &&
  held.ip === ip &&
  held.until > now &&
  (held.state === 'offered' || held.state === 'bound')

/** Never given out: addresses of Hardware, of the network itself, of ourselves and of the router. */
function isOut(address: Ip4, { link, gateway, isReserved }: Pool): boolean {
  if (address === link.ip || address === gateway || isReserved(address)) return true
  const network = ip4FromNumber((ip4ToNumber(link.ip) & ip4ToNumber(link.netmask)) >>> 0)
  return address === network || address === broadcastOf(link.ip, link.netmask)
}

const give = (kind: 'offer' | 'ack', guest: Guest, ip: Ip4) =>
  lease(kind, guest.query, machineOf(guest, ip), bootFor(guest), guest.context)

const bootFor = ({ query, known, context }: Guest) =>
  known
    ? bootOf(query.client, known, context)
    : bootOf(query.client, stranger(query.mac), asStranger(context))

function machineOf({ query, known, pool }: Guest, ip: Ip4 | undefined): Machine {
  const machine = known ?? stranger(query.mac)
  return {
    ...machine,
    ip,
    netmask: pool.link.netmask,
    gateway: machine.gateway ?? pool.gateway,
    nameServers: machine.nameServers.length > 0 ? machine.nameServers : pool.nameServers,
    leaseSeconds: pool.leaseSeconds,
  }
}
