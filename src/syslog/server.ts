import dgram from 'node:dgram'
import type { RemoteInfo } from 'node:dgram'
import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import { createLimiter } from '../model/limiter.ts'
import type { Machine } from '../model/machine.ts'
import type { Facts, RecordStage } from '../timeline/stage.ts'
import { createBudget } from './budget.ts'
import { parseSyslog, severities } from './parse.ts'
import type { SyslogMessage } from './parse.ts'

export type SyslogDeps = {
  machineByIp(ip: Ip4): Machine | undefined
  record: RecordStage
  /** where what this machine says goes besides its timeline, if anywhere now; much more of it than the timeline keeps */
  outputOf?(machine: Machine): ((line: string) => void) | undefined
  log: Logger
  clock: Clock
  address: Ip4
  /** UDP port, 514; 0 takes any free one */
  port: number
  /** called each time that it listens, and with `undefined` when it no longer does */
  onListening?(port: number | undefined): void
}

/** between two tries to listen, ms */
const againMs = 30_000
/** of what machines send at once; more than this waits in the kernel is lost */
const receiveBytes = 1024 * 1024

/**
 * Hears what machines say by syslog (RFC 5424, RFC 3164) until `signal` aborts: the sender's address says which machine
 * it is. What is said is worth less than what is served: a port in use is a warning and tried again, not the end.
 */
export function syslogServer(deps: SyslogDeps): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    const hear = hearer(deps)
    while (!signal.aborted) {
      const why = await listen(deps, hear, signal)
      deps.onListening?.(undefined)
      if (signal.aborted) return
      const { address, port } = deps
      deps.log.warn({ address, port, why }, 'syslog does not listen: tried again in half a minute')
      await deps.clock.sleep(againMs, signal)
    }
  }
}

/** @returns why it listens no longer, once it does not */
function listen(
  { address, port, log, onListening }: SyslogDeps,
  hear: (bytes: Uint8Array, from: RemoteInfo) => void,
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: receiveBytes })
    let isOver = false
    const end = (why: string) => {
      if (isOver) return
      isOver = true
      signal.removeEventListener('abort', stop)
      socket.close(() => resolve(why))
    }
    const stop = () => end('stopped')
    signal.addEventListener('abort', stop)
    socket.on('error', (error) => end(error.message))
    socket.on('message', hear)
    socket.bind({ address, port, exclusive: true }, () => {
      const { port: bound } = socket.address()
      log.info({ address, port: bound }, 'syslog listens')
      onListening?.(bound)
    })
  })
}

/** warnings and worse */
const isBad = ({ severity }: SyslogMessage): boolean => severities.indexOf(severity) <= 4

function hearer({ machineByIp, record, outputOf, log, clock }: SyslogDeps) {
  const output = createBudget({ perMinute: 1200, burst: 600, maxKeys: 4096 })
  const bad = createBudget({ perMinute: 12, burst: 30, maxKeys: 4096 })
  const other = createBudget({ perMinute: 6, burst: 20, maxKeys: 4096 })
  const faults = createLimiter({ everyMs: 10_000, perMinute: 30, maxKeys: 256 })

  function take(bytes: Uint8Array, from: RemoteInfo): void {
    const ip = parseIp4(from.address)
    const machine = ip && machineByIp(ip)
    if (!machine && !log.isLevelEnabled('debug')) return
    const message = parseSyslog(bytes)
    if (!machine) return log.debug({ from: from.address, said: message }, 'syslog of an unknown address')
    const { mac, name } = machine
    handOn(machine, message)
    const leftOut = (isBad(message) ? bad : other).spend(mac, clock.now())
    if (leftOut === undefined) return log.debug({ mac, said: message }, 'syslog')
    log.info({ mac, machine: name, said: message, ...(leftOut > 0 && { leftOut }) }, 'syslog')
    record(mac, 'syslog', factsOf(message, leftOut))
  }

  function handOn(machine: Machine, { app, text }: SyslogMessage): void {
    const take = outputOf?.(machine)
    const leftOut = take && output.spend(machine.mac, clock.now())
    if (!take || leftOut === undefined) return
    if (leftOut > 0) take(`(${leftOut} lines before this one left out)`)
    take(app ? `${app}: ${text}` : text)
  }

  return (bytes: Uint8Array, from: RemoteInfo): void => {
    try {
      take(bytes, from)
    } catch (error) {
      const why = messageOf(error)
      if (faults.allow(why, clock.now())) log.error({ from: from.address, why }, 'a syslog packet failed')
    }
  }
}

/** @param leftOut lines that came before this one and were not kept */
function factsOf({ severity, app, text }: SyslogMessage, leftOut: number): Facts {
  return { severity, ...(app && { app }), text, ...(leftOut > 0 && { leftOut }) }
}
