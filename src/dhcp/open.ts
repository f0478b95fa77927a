import type { Ip4 } from '../model/ip4.ts'
import { parseIp4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { SideStore } from '../store/side.ts'
import { parseArchBinaries } from './arch.ts'
import type { DhcpConfig } from './config.ts'
import { hostFinder } from './conflict.ts'
import { createElsewhere } from './elsewhere.ts'
import { createLeaseKeeper } from './lease-keeper.ts'
import type { LeaseView } from './lease-keeper.ts'
import { parseRange } from './range.ts'
import { dhcpServer } from './server.ts'
import type { DhcpDeps, PoolDeps } from './server.ts'

type Settings = {
  interface: readonly string[]
  dhcp: DhcpConfig
  http: { port: number }
  syslog: { port: number }
}
type Deps = Pick<
  DhcpDeps,
  | 'machineByMac'
  | 'ready'
  | 'scriptUrl'
  | 'strangerUrl'
  | 'record'
  | 'log'
  | 'clock'
  | 'serverIp'
  | 'observe'
  | 'traceParent'
> & {
  side: SideStore
  machineByIp(ip: Ip4): Machine | undefined
}

/** The only port that clients of option 7 (RFC 2132 §3.9) send to: none is told a server on another one. */
const syslogPort = 514

/** DHCP as it is configured. */
export type OpenDhcp = {
  /** leases of the pool; `undefined` without one */
  leases: (() => LeaseView[]) | undefined
  /** who has this address of the pool now */
  holderOf(ip: Ip4): Mac | undefined
  /** in the proxy modes: who says to have this address from the other server */
  heardOf(ip: Ip4): Mac | undefined
  serve(onListening: () => void): (signal: AbortSignal) => Promise<void>
}

/** Reads the leases of earlier runs. @returns `undefined` when DHCP is switched off */
export async function openDhcp(config: Settings, deps: Deps): Promise<OpenDhcp | undefined> {
  const { dhcp } = config
  const { mode } = dhcp
  if (mode === 'off') return undefined
  const pool = await openPool(dhcp.pool, deps)
  const { archBinaries, clientRate } = dhcp
  const elsewhere = mode === 'reservation' ? undefined : createElsewhere({ serverIp: deps.serverIp })
  return {
    leases: pool && (() => pool.keeper.list()),
    holderOf: (ip) => {
      const lease = pool?.keeper.leases.at(ip)
      return lease?.state === 'bound' && lease.until > deps.clock.now() ? lease.mac : undefined
    },
    heardOf: (ip) => elsewhere?.holderOf(ip, deps.clock.now()),
    serve: (onListening) =>
      dhcpServer({
        ...deps,
        mode,
        interfaces: config.interface,
        port: dhcp.port,
        proxyPort: dhcp.proxyPort,
        httpPort: config.http.port,
        syslogIp: config.syslog.port === syslogPort ? deps.serverIp : undefined,
        archBinaries: archBinaries.length > 0 ? parseArchBinaries(archBinaries) : undefined,
        clientRate: { perSecond: clientRate, burst: 3 * clientRate },
        pool,
        elsewhere,
        onListening,
      }),
  }
}

async function openPool(pool: DhcpConfig['pool'], deps: Deps): Promise<PoolDeps | undefined> {
  const range = parseRange(pool.range)
  if (typeof range === 'string') return undefined
  const { leaseSeconds } = pool
  const { side, clock, log } = deps
  const findHost = pool.probe ? hostFinder(clock) : undefined
  const keeper = createLeaseKeeper({ side, clock, log, range, leaseSeconds, findHost })
  await keeper.load()
  return {
    keeper,
    leaseSeconds,
    gateway: parseIp4(pool.gateway),
    nameServers: pool.nameServers.flatMap((text) => parseIp4(text) ?? []),
    isReserved: (ip) => deps.machineByIp(ip) !== undefined,
  }
}
