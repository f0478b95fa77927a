import type { RemoteInfo } from 'node:dgram'
import type { Clock } from '../model/clock.ts'
import { AppError, messageOf } from '../model/error.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { Logger } from '../log.ts'
import type { RecordStage } from '../timeline/stage.ts'
import { decide } from './decide.ts'
import type { DhcpContext, Reply } from './decide.ts'
import { encode } from './encode.ts'
import { createLimiter } from './limiter.ts'
import { dhcpOption, getOption } from './options/table.ts'
import { parse } from './packet.ts'
import { readQuery } from './query.ts'
import type { Query } from './query.ts'
import { openChannel } from './socket.ts'
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
  /** called once all sockets are bound */
  onListening?(port: number): void
}

/** Answers DHCP until `signal` aborts. A packet never ends it; a socket that fails does, with AppError Unavailable. */
export function dhcpServer(deps: DhcpDeps): (signal: AbortSignal) => Promise<void> {
  return (signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return resolve()
      const channels: Channel[] = []
      const end = (error?: Error) => {
        signal.removeEventListener('abort', stop)
        for (const socket of channels.splice(0).flatMap(({ any, own }) => [any, own])) socket.close()
        if (error) reject(error)
        else resolve()
      }
      const stop = () => end()
      signal.addEventListener('abort', stop)
      try {
        channels.push(...openChannels(deps))
      } catch (error) {
        return end(error instanceof Error ? error : new Error(messageOf(error)))
      }
      const answer = answerer(deps)
      for (const channel of channels) serve(channel, answer, end)
      deps.log.info({ serverIp: deps.serverIp, interfaces: deps.interfaces }, 'dhcp listens')
      deps.onListening?.(channels[0]!.port)
    })
}

function openChannels({ serverIp, port, interfaces }: DhcpDeps): Channel[] {
  const opened: Channel[] = []
  try {
    const devices = interfaces.length > 0 ? interfaces : [undefined]
    for (const device of devices) opened.push(openChannel(serverIp, opened[0]?.port ?? port, device))
    return opened
  } catch (error) {
    for (const socket of opened.flatMap(({ any, own }) => [any, own])) socket.close()
    throw error
  }
}

type Answer = (bytes: Uint8Array, from: RemoteInfo, channel: Channel) => void

function serve(channel: Channel, answer: Answer, end: (error: Error) => void): void {
  for (const socket of [channel.any, channel.own]) {
    socket.on('message', (bytes, from) => answer(bytes, from, channel))
    socket.on('error', (cause) =>
      end(new AppError('Unavailable', `DHCP socket failed: ${cause.message}`, { cause })),
    )
  }
}

function answerer(deps: DhcpDeps): Answer {
  const { log, clock, record } = deps
  const { serverIp, httpPort, syslogIp, netboot = true } = deps
  const context: DhcpContext = {
    serverIp,
    httpPort,
    syslogIp,
    netboot,
    scriptUrl: (machine) => deps.scriptUrl(machine),
  }
  const strangers = createLimiter({ everyMs: 600_000, perMinute: 30, maxKeys: 4096 })
  const faults = createLimiter({ everyMs: 10_000, perMinute: 30, maxKeys: 256 })

  const note = (query: Query, reply: Reply) => {
    if (reply.kind === 'silent' && reply.why === 'unknown-machine') {
      if (!strangers.allow(query.mac, clock.now())) return
      log.info({ mac: query.mac, client: query.client.stage }, 'an unknown machine asks for an address')
    }
    for (const { stage, facts } of tracesOf(query, reply)) record(query.mac, stage, facts)
    if (reply.kind === 'silent' && reply.why === 'declined') {
      log.warn({ mac: query.mac }, 'a machine declines its address: another one uses it')
    }
  }

  const send = (query: Query, reply: Exclude<Reply, { kind: 'silent' }>, channel: Channel) => {
    const { bytes, leftOut } = encode(
      reply.packet,
      getOption(query.packet.options, dhcpOption.maxMessageSize),
    )
    if (leftOut.length > 0) log.debug({ mac: query.mac, leftOut }, 'dhcp options do not fit')
    const { ip, role } = reply.to
    const port = role === 'relay' ? channel.port : channel.port + 1
    channel.own.send(bytes, port, ip, (error) => {
      if (!error || !faults.allow(error.message, clock.now())) return
      log.warn({ mac: query.mac, to: `${ip}:${port}`, error: error.message }, 'a dhcp reply cannot be sent')
    })
  }

  const answer: Answer = (bytes, from, channel) => {
    const packet = parse(bytes)
    const query = typeof packet === 'string' ? packet : readQuery(packet)
    if (typeof query === 'string') return log.debug({ from: from.address, why: query }, 'dhcp packet dropped')
    const reply = decide(query, deps.machineByMac(query.mac), context)
    if (log.isLevelEnabled('debug')) {
      log.debug({ mac: query.mac, xid: query.packet.xid, traces: tracesOf(query, reply) }, 'dhcp decided')
    }
    note(query, reply)
    if (reply.kind !== 'silent') send(query, reply, channel)
  }

  return (bytes, from, channel) => {
    try {
      answer(bytes, from, channel)
    } catch (error) {
      if (faults.allow(messageOf(error), clock.now()))
        log.error({ error: messageOf(error) }, 'a dhcp packet failed')
    }
  }
}
