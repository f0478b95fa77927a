import type { RemoteInfo } from 'node:dgram'
import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import type { Ip4 } from '../model/ip4.ts'
import { createLimiter } from '../model/limiter.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { Logger } from '../log.ts'
import type { RecordStage } from '../timeline/stage.ts'
import { createLinks } from './channels.ts'
import type { Link } from './channels.ts'
import { decide } from './decide.ts'
import type { DhcpContext, Reply } from './decide.ts'
import { encode } from './encode.ts'
import { dhcpOption, getOption } from './options/table.ts'
import { parse } from './packet.ts'
import { readQuery } from './query.ts'
import type { Query } from './query.ts'
import type { Channel } from './socket.ts'
import { tracesOf } from './trail.ts'

export type DhcpDeps = {
  machineByMac(mac: Mac): Machine | undefined
  /** URL of the machine's iPXE script, with its nonce; at most 127 octets to fit the oldest clients */
  scriptUrl(machine: Machine): string
  record: RecordStage
  log: Logger
  clock: Clock
  /** the advertised address: server identifier, source of every reply, next server */
  serverIp: Ip4
  /** network interfaces to serve; when empty, all, with broadcasts leaving where `serverIp` is */
  interfaces: readonly string[]
  /** UDP port, 67; clients are answered on the next one. 0 takes any free port */
  port: number
  httpPort: number
  /** log server (option 7) */
  syslogIp?: Ip4 | undefined
  /** whether clients get boot files; yes when left out */
  netboot?: boolean | undefined
  /** called once every interface is served */
  onListening?(port: number): void
}

/**
 * Answers DHCP until `signal` aborts. No packet ends it, and no interface or address that goes away or comes late: it
 * says so, and goes on when it is there.
 * @throws AppError Unavailable at the start, for a port in use or a missing right
 */
export function dhcpServer(deps: DhcpDeps): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    if (signal.aborted) return
    const answer = answerer(deps)
    const links = createLinks({ ...deps, serve })
    let isAnnounced = false
    const announce = () => {
      if (isAnnounced || !links.areOpen()) return
      isAnnounced = true
      deps.log.info({ serverIp: deps.serverIp, interfaces: deps.interfaces }, 'dhcp listens')
      deps.onListening?.(links.port())
    }
    function serve(link: Link, channel: Channel): void {
      for (const socket of [channel.any, channel.own]) {
        socket.on('message', (bytes, from) => answer(bytes, from, channel, link))
        socket.on('error', (error) => links.failed(channel, error))
      }
      announce()
    }
    try {
      links.open()
      await links.follow(signal)
    } finally {
      links.close()
    }
  }
}

type Answer = (bytes: Uint8Array, from: RemoteInfo, channel: Channel, link: Link) => void

function answerer(deps: DhcpDeps): Answer {
  const { log, clock, record } = deps
  const { serverIp, httpPort, syslogIp, netboot = true } = deps
  const scriptUrl = (machine: Machine) => deps.scriptUrl(machine)
  const context: DhcpContext = { serverIp, httpPort, syslogIp, netboot, scriptUrl }
  const strangers = createLimiter({ everyMs: 600_000, perMinute: 30, maxKeys: 4096 })
  const faults = createLimiter({ everyMs: 10_000, perMinute: 30, maxKeys: 256 })
  const troubles = createLimiter({ everyMs: 600_000, perMinute: 60, maxKeys: 4096 })

  const note = (query: Query, reply: Reply, link: Link) => {
    const { mac } = query
    if (reply.kind === 'silent' && reply.why === 'unknown-machine') {
      if (!strangers.allow(mac, clock.now())) return
      log.info({ mac, client: query.client.stage }, 'an unknown machine asks for an address')
    }
    const traces = tracesOf(query, reply)
    for (const { stage, facts } of traces) record(mac, stage, facts)
    const trouble = troubleOf(reply)
    if (trouble && troubles.allow(`${mac} ${trouble}`, clock.now()))
      log.warn({ mac, device: link.device, ...traces.at(-1)?.facts }, trouble)
  }

  const send = (query: Query, reply: Exclude<Reply, { kind: 'silent' }>, channel: Channel) => {
    const { bytes, leftOut } = encode(
      reply.packet,
      getOption(query.packet.options, dhcpOption.maxMessageSize),
    )
    if (leftOut.length > 0 && troubles.allow(`${query.mac} ${leftOut.join()}`, clock.now()))
      log.warn({ mac: query.mac, leftOut }, 'dhcp options do not fit, and are left out')
    const { ip, role } = reply.to
    const port = role === 'relay' ? channel.port : channel.port + 1
    channel.own.send(bytes, port, ip, (error) => {
      if (!error || !faults.allow(error.message, clock.now())) return
      log.warn({ mac: query.mac, to: `${ip}:${port}`, error: error.message }, 'a dhcp reply cannot be sent')
    })
  }

  const answer: Answer = (bytes, from, channel, link) => {
    const packet = parse(bytes)
    const query = typeof packet === 'string' ? packet : readQuery(packet)
    if (typeof query === 'string') return log.debug({ from: from.address, why: query }, 'dhcp packet dropped')
    const reply = decide(query, deps.machineByMac(query.mac), { ...context, subnets: link.subnets })
    if (log.isLevelEnabled('debug')) {
      log.debug({ mac: query.mac, xid: query.packet.xid, traces: tracesOf(query, reply) }, 'dhcp decided')
    }
    note(query, reply, link)
    if (reply.kind !== 'silent') send(query, reply, channel)
  }

  return (bytes, from, channel, link) => {
    try {
      answer(bytes, from, channel, link)
    } catch (error) {
      if (faults.allow(messageOf(error), clock.now()))
        log.error({ error: messageOf(error) }, 'a dhcp packet failed')
    }
  }
}

/** What someone must look into, once in a while for each machine. */
function troubleOf(reply: Reply): string | undefined {
  if (reply.kind === 'silent') {
    return reply.why === 'declined' ? 'a machine declines its address: another one uses it' : undefined
  }
  const isOffLink = reply.kind !== 'nak' && reply.offLink
  return isOffLink ? 'a machine asks on a link that its address does not belong to' : undefined
}
