import type { Ip4 } from '../model/ip4.ts'
import type { Machine } from '../model/machine.ts'
import { bootOf } from './boot.ts'
import { isOnLink } from './link.ts'
import { dhcpOption } from './options/table.ts'
import type { Query } from './query.ts'
import { inform, isAnswerable, isForUs, lease, nak, silent, wantedIps } from './reply.ts'
import type { DhcpContext, Reply } from './reply.ts'

/**
 * The answer to a known machine (RFC 2131 §4.3): it is given the address of its Hardware and no other.
 */
export function decideReservation(query: Query, machine: Machine, context: DhcpContext): Reply {
  if (machine.dhcpDisabled) return silent('dhcp-disabled')
  if (query.type === 'bootp') return silent('bootp')
  if (!isAnswerable(query)) return silent('bad-address')
  if (query.type !== 'discover' && !isForUs(query, context)) return silent('other-server')
  if (query.type === 'release') return silent('released')
  if (query.type === 'decline') return silent('declined')
  const boot = bootOf(query.client, machine, context)
  if (query.type === 'inform') return inform(query, machine, boot, context)
  if (!machine.ip) return silent('no-address')
  if (query.type === 'discover') return lease('offer', query, machine, boot, context)
  const wrong = wantedIps(query).find((wanted) => wanted !== machine.ip)
  if (!wrong) return lease('ack', query, machine, boot, context)
  return isOthers(query, wrong, machine, context) ? silent('other-link') : nak(query, wrong, context)
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
