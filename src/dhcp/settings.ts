import { broadcastOf, prefixLength } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Machine } from '../model/machine.ts'
import type { Route } from './options/routes.ts'
import { parseNetwork } from './options/routes.ts'
import { dhcpOption, setOption } from './options/table.ts'

const forEver = 0xffffffff

type Encoded = { syslogIp: Ip4 | undefined; options: ReadonlyMap<number, Uint8Array> }

/** A machine asks several times, and its settings stay what they are. */
const encoded = new WeakMap<Machine, Encoded>()

/** What goes with an address: the lease's times and the machine's network settings, encoded. Shared: not to be changed. */
export function leaseSettings(machine: Machine, syslogIp: Ip4 | undefined): ReadonlyMap<number, Uint8Array> {
  const known = encoded.get(machine)
  if (known && known.syslogIp === syslogIp) return known.options
  const options = new Map<number, Uint8Array>()
  addLease(options, machine.leaseSeconds)
  addSettings(options, machine, syslogIp)
  encoded.set(machine, { syslogIp, options })
  return options
}

/** Lease time and the times to renew (½) and to rebind (⅞), RFC 2131 §4.4.5. A lease for ever has neither. */
export function addLease(options: Map<number, Uint8Array>, leaseSeconds: number): void {
  const lease = Math.min(Math.max(Math.floor(leaseSeconds), 0), forEver)
  setOption(options, dhcpOption.leaseSeconds, lease)
  if (lease === forEver) return
  setOption(options, dhcpOption.renewSeconds, Math.floor(lease / 2))
  setOption(options, dhcpOption.rebindSeconds, Math.floor((lease * 7) / 8))
}

/**
 * The network settings of the machine's Hardware. All are sent whether asked for (option 55) or not: firmware asks for
 * less than it uses.
 */
export function addSettings(
  options: Map<number, Uint8Array>,
  machine: Machine,
  syslogIp: Ip4 | undefined,
): void {
  const { ip, netmask, gateway, domainName } = machine
  setOption(options, dhcpOption.subnetMask, netmask)
  setOption(options, dhcpOption.routers, gateway && [gateway])
  setOption(options, dhcpOption.nameServers, machine.nameServers)
  setOption(options, dhcpOption.hostname, machine.hostname)
  setOption(options, dhcpOption.domainName, domainName)
  const contiguous = netmask && prefixLength(netmask) !== undefined
  setOption(options, dhcpOption.broadcast, ip && contiguous ? broadcastOf(ip, netmask) : undefined)
  setOption(options, dhcpOption.timeServers, machine.timeServers)
  setOption(options, dhcpOption.logServers, syslogIp && [syslogIp])
  setOption(options, dhcpOption.domainSearch, domainName ? [domainName] : undefined)
  setOption(options, dhcpOption.classlessRoutes, routesOf(machine))
}

/** A client that takes option 121 ignores option 3 (RFC 3442 §3), so the gateway is repeated as a default route. */
function routesOf({ routes, gateway }: Machine): readonly Route[] | undefined {
  const usable = routes.filter(({ destination }) => parseNetwork(destination))
  const hasDefault = usable.some(({ destination }) => parseNetwork(destination)?.prefix === 0)
  if (usable.length === 0) return undefined
  return gateway && !hasDefault ? [...usable, { destination: '0.0.0.0/0', router: gateway }] : usable
}
