import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { Link } from './channels.ts'
import type { DhcpDeps } from './deps.ts'
import { poolLink } from './pool.ts'
import type { Pool } from './pool.ts'
import type { DhcpContext } from './reply.ts'

/** Which of the ports a message came to. */
export type Door = NonNullable<DhcpContext['door']>

/** What decisions on a link depend on, made anew when its addresses are. */
export function contexts(deps: DhcpDeps) {
  const { serverIp, httpPort, syslogIp, netboot = true, mode, archBinaries, traceParent, pool } = deps
  const scriptUrl = (machine: Machine) => deps.scriptUrl(machine)
  const strangerUrl = (mac: Mac) => deps.strangerUrl?.(mac) ?? ''
  const urls = { scriptUrl, strangerUrl }
  const common = { serverIp, httpPort, syslogIp, netboot, mode, archBinaries, traceParent, ...urls }
  const made = new Map<Link, DhcpContext & { poolLink: Pool['link'] | undefined }>()

  return (link: Link, door: Door, machine: Machine | undefined): DhcpContext => {
    const { subnets } = link
    let context = made.get(link)
    if (context?.subnets !== subnets) {
      context = { ...common, door, subnets, poolLink: pool && poolLink(pool.keeper.range, subnets) }
      made.set(link, context)
    }
    if (!pool || !context.poolLink || machine?.ip !== undefined) return context
    const { leaseSeconds, gateway, nameServers, keeper } = pool
    const isReserved = (ip: Ip4) => ip === serverIp || pool.isReserved(ip)
    const settings = { leaseSeconds, gateway, nameServers, isReserved, now: deps.clock.now() }
    return { ...context, pool: { ...settings, leases: keeper.leases, link: context.poolLink } }
  }
}
