import type { Clock } from '../model/clock.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { Logger } from '../log.ts'
import type { RecordStage } from '../timeline/stage.ts'
import type { ArchBinaries } from './arch.ts'
import type { BootContext } from './boot.ts'
import type { Elsewhere } from './elsewhere.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { DhcpMode } from './reply.ts'

/** Addresses for machines without a reservation. */
export type PoolDeps = {
  keeper: LeaseKeeper
  leaseSeconds: number
  gateway: Ip4 | undefined
  nameServers: readonly Ip4[]
  /** whether a Hardware has the address */
  isReserved(ip: Ip4): boolean
}

export type DhcpDeps = {
  machineByMac(mac: Mac): Machine | undefined
  /** whether all machines of the inventory are known already: until then no machine is called unknown. Yes when left out */
  ready?(): boolean
  /** URL of the machine's iPXE script, with its nonce; at most 127 octets to fit the oldest clients */
  scriptUrl(machine: Machine): string
  /** URL of the script for a machine that no Hardware knows, for `auto-proxy` and a pool */
  strangerUrl?: ((mac: Mac) => string) | undefined
  record: RecordStage
  log: Logger
  clock: Clock
  /** the advertised address: server identifier, source of every reply, next server */
  serverIp: Ip4
  /** network interfaces to serve; when empty, all, with broadcasts leaving where `serverIp` is */
  interfaces: readonly string[]
  /** `reservation` when left out */
  mode?: DhcpMode | undefined
  /** UDP port, 67; clients are answered on the next one. 0 takes any free port */
  port: number
  /** UDP port of the proxy modes, 4011 when left out. 0 takes any free port */
  proxyPort?: number
  httpPort: number
  /** log server (option 7) */
  syslogIp?: Ip4 | undefined
  /** whether clients get boot files; yes when left out */
  netboot?: boolean | undefined
  archBinaries?: ArchBinaries | undefined
  traceParent?: BootContext['traceParent']
  /** messages that one client may send, a second and at once; any number when left out */
  clientRate?: { perSecond: number; burst: number }
  pool?: PoolDeps | undefined
  /** hears which addresses clients take from other servers */
  elsewhere?: Pick<Elsewhere, 'hear'> | undefined
  /** is told of every message, for figures: its type, what became of it, ms that this took */
  observe?: ((type: string, outcome: string, ms: number) => void) | undefined
  /** called once every interface is served */
  onListening?(port: number, proxyPort: number | undefined): void
}
