import { ip4ToNumber } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Machine } from '../model/machine.ts'
import { ip } from './options/codec.ts'
import { dhcpOption, getOption } from './options/table.ts'
import { unsetIp } from './packet.ts'
import type { DhcpPacket } from './packet.ts'

/** An address of one of our interfaces, and its mask. */
export type Subnet = { ip: Ip4; netmask: Ip4 }

/**
 * Whether `address` belongs to the link that a client asks from (RFC 2131 §4.3.1, §4.3.2): the relay's (or the one that
 * the relay names, RFC 3527), as wide as the machine's own mask; else one of the subnets of our interface.
 * @param subnets of the interface that heard the client; empty when they are not known
 * @returns `undefined` when it cannot be told; so it is for a client that has an address, which may write from anywhere
 */
export function isOnLink(
  address: Ip4,
  { giaddr, ciaddr, options }: DhcpPacket,
  { netmask }: Machine,
  subnets: readonly Subnet[],
): boolean | undefined {
  if (giaddr !== unsetIp) {
    const named = getOption(options, dhcpOption.relayAgent)?.get(linkSelection)
    const link = (named && ip.decode(named)) ?? giaddr
    return netmask && isSameNet(address, link, netmask)
  }
  if (ciaddr !== unsetIp || subnets.length === 0) return undefined
  return subnets.some((own) =>
    [own.netmask, netmask].some((mask) => mask && isSameNet(address, own.ip, mask)),
  )
}

const linkSelection = 5

const isSameNet = (a: Ip4, b: Ip4, mask: Ip4): boolean =>
  ((ip4ToNumber(a) ^ ip4ToNumber(b)) & ip4ToNumber(mask)) === 0

/** Whether a reply can go to `address`: `0.x` names no host, 224 and above are groups, broadcast and reserved. */
export function isHost(address: Ip4): boolean {
  const first = Number(address.slice(0, address.indexOf('.')))
  return first > 0 && first < 224
}
