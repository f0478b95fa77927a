import type { RemoteInfo } from 'node:dgram'
import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { Logger } from '../log.ts'
import type { RecordStage } from '../timeline/stage.ts'
import type { ArchBinaries } from './arch.ts'
import { createLinks } from './channels.ts'
import type { Link, Links } from './channels.ts'
import { decide } from './decide.ts'
import { silent } from './reply.ts'
import type { DhcpContext, DhcpMode, Reply } from './decide.ts'
import { encode } from './encode.ts'
import { createGate } from './gate.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import { createNotes } from './notes.ts'
import { dhcpOption, getOption } from './options/table.ts'
import { broadcastIp, parse, unsetIp } from './packet.ts'
import { poolLink } from './pool.ts'
import type { Pool } from './pool.ts'
import { readQuery } from './query.ts'
import type { Query } from './query.ts'
import type { Channel } from './socket.ts'
import { tracesOf } from './trail.ts'

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
  /** messages that one client may send, a second and at once; any number when left out */
  clientRate?: { perSecond: number; burst: number }
  pool?: PoolDeps | undefined
  /** is told of every message, for figures: its type, what became of it, ms that this took */
  observe?: ((type: string, outcome: string, ms: number) => void) | undefined
  /** called once every interface is served */
  onListening?(port: number, proxyPort: number | undefined): void
}

const pxePort = 4011
type Door = NonNullable<DhcpContext['door']>

/**
 * Answers DHCP until `signal` aborts. No packet ends it, and no interface or address that goes away or comes late: it
 * says so, and goes on when it is there.
 * @throws AppError Unavailable at the start, for a port in use or a missing right
 */
export function dhcpServer(deps: DhcpDeps): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    if (signal.aborted) return
    const answer = answerer(deps)
    const isProxy = deps.mode !== undefined && deps.mode !== 'reservation'
    const doors = new Map<Door, Links>([['dhcp', linksOf('dhcp', deps.port)]])
    if (isProxy) doors.set('proxy', linksOf('proxy', deps.proxyPort ?? pxePort))
    let isAnnounced = false
    function announce(): void {
      if (isAnnounced || ![...doors.values()].every((links) => links.areOpen())) return
      isAnnounced = true
      const { serverIp, interfaces, mode } = deps
      deps.log.info({ serverIp, interfaces, ...(mode && { mode }) }, 'dhcp listens')
      deps.onListening?.(doors.get('dhcp')!.port(), doors.get('proxy')?.port())
    }
    function linksOf(door: Door, port: number): Links {
      const links: Links = createLinks({
        ...deps,
        port,
        serve(link, channel) {
          for (const socket of [channel.any, channel.own]) {
            socket.on('message', (bytes, from) =>
              answer(bytes, from, { channel, link, door, startedAt: performance.now() }),
            )
            socket.on('error', (error) => links.failed(channel, error))
          }
          announce()
        },
      })
      return links
    }
    const all = [...doors.values()]
    try {
      for (const links of all) links.open()
      await Promise.all(all.map((links) => links.follow(signal)))
    } finally {
      for (const links of all) links.close()
      await deps.pool?.keeper.flush()
    }
  }
}

/** Where a message came in, and when: ms of `performance.now`. */
type Way = { channel: Channel; link: Link; door: Door; startedAt: number }
type Answer = (bytes: Uint8Array, from: RemoteInfo, way: Way) => void

function answerer(deps: DhcpDeps): Answer {
  const { log, clock, observe } = deps
  const notes = createNotes(deps)
  const gate = createGate({ perSecond: 0, burst: 1, ...deps.clientRate, maxClients: 16_384 })
  const contextOf = contexts(deps)

  const send = (
    query: Query,
    reply: Exclude<Reply, { kind: 'silent' }>,
    from: RemoteInfo,
    channel: Channel,
  ) => {
    const { bytes, leftOut } = encode(
      reply.packet,
      getOption(query.packet.options, dhcpOption.maxMessageSize),
    )
    if (leftOut.length > 0 && notes.maySay(`${query.mac} ${leftOut.join()}`))
      log.warn({ mac: query.mac, leftOut }, 'dhcp options do not fit, and are left out')
    const { ip, port } = addressOf(reply, from, channel)
    channel.own.send(bytes, port, ip, (error) => {
      if (!error || !notes.mayComplain(error.message)) return
      log.warn({ mac: query.mac, to: `${ip}:${port}`, error: error.message }, 'a dhcp reply cannot be sent')
    })
  }

  const finish = (query: Query, reply: Reply, machine: Machine | undefined, from: RemoteInfo, way: Way) => {
    if (log.isLevelEnabled('debug')) {
      log.debug({ mac: query.mac, xid: query.packet.xid, traces: tracesOf(query, reply) }, 'dhcp decided')
    }
    notes.decided(query, reply, machine, way.link.device)
    if (reply.kind !== 'silent') send(query, reply, from, way.channel)
    const outcome = reply.kind === 'silent' ? reply.why : reply.kind
    observe?.(query.type, outcome, performance.now() - way.startedAt)
  }

  const judge = (query: Query, machine: Machine | undefined, { link, door }: Way): Reply => {
    if (!machine && deps.ready?.() === false) return silent('not-ready')
    return decide(query, machine, contextOf(link, door, machine))
  }

  const answer: Answer = (bytes, from, way) => {
    const packet = parse(bytes)
    const query = typeof packet === 'string' ? packet : readQuery(packet)
    if (typeof query === 'string') {
      observe?.('none', 'dropped', performance.now() - way.startedAt)
      return log.debug({ from: from.address, why: query }, 'dhcp packet dropped')
    }
    const machine = deps.machineByMac(query.mac)
    if (!gate.allow(query.mac, clock.now())) return finish(query, silent('rate-limited'), machine, from, way)
    const reply = judge(query, machine, way)
    if (!deps.pool || !('change' in reply)) return finish(query, reply, machine, from, way)
    const again = () => judge(query, machine, way)
    deps.pool.keeper.carryOut(query.mac, reply, again, (done) => finish(query, done, machine, from, way))
  }

  return (bytes, from, way) => {
    try {
      answer(bytes, from, way)
    } catch (error) {
      if (notes.mayComplain(messageOf(error))) log.error({ error: messageOf(error) }, 'a dhcp packet failed')
    }
  }
}

/** A client that has an address is answered where it sent from, by a relay or on a port of its own. */
function addressOf(
  { to }: Exclude<Reply, { kind: 'silent' }>,
  from: RemoteInfo,
  channel: Channel,
): { ip: string; port: number } {
  if (to.role === 'sender')
    return { ip: from.address === unsetIp ? broadcastIp : from.address, port: from.port }
  return { ip: to.ip, port: to.role === 'relay' ? channel.port : channel.port + 1 }
}

/** What decisions on a link depend on, made anew when its addresses are. */
function contexts(deps: DhcpDeps) {
  const { serverIp, httpPort, syslogIp, netboot = true, mode, archBinaries, pool } = deps
  const scriptUrl = (machine: Machine) => deps.scriptUrl(machine)
  const strangerUrl = (mac: Mac) => deps.strangerUrl?.(mac) ?? ''
  const common = { serverIp, httpPort, syslogIp, netboot, mode, archBinaries, scriptUrl, strangerUrl }
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
