import type dgram from 'node:dgram'
import type { RemoteInfo } from 'node:dgram'
import { messageOf } from '../model/error.ts'
import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import { createLimiter } from '../model/limiter.ts'
import { withoutTrace } from '../model/trace-parent.ts'
import type { Facts, Stage } from '../timeline/stage.ts'
import type { TftpFile } from './blocks.ts'
import { sharedLine } from './line.ts'
import type { Line, Peer } from './line.ts'
import { asNetascii } from './netascii.ts'
import { openOwnLines } from './own-lines.ts'
import { encode, errorCodes, parse } from './packet.ts'
import type { TftpPacket } from './packet.ts'
import { refusalOf, shown } from './request.ts'
import type { Request } from './request.ts'
import type { Most, TftpDeps, TftpOutcome } from './server.ts'
import { sendFile } from './session.ts'
import type { Outcome } from './session.ts'
import { Shelf } from './shelf.ts'
import { defaultLimits } from './transfer.ts'

const defaultMost: Most = { transfers: 4096, ofClient: 16 }

/** a copy that the network makes of a request comes within this time, ms */
const copyMs = 1000

type Read = {
  request: string
  startedAt: number
  hasBegun: boolean
  stop: AbortController
  /** hands on what the client sends, when it comes to the server's own socket */
  received?: ((bytes: Uint8Array) => void) | undefined
}

export type Reads = {
  received(bytes: Uint8Array, from: RemoteInfo): void
  /** Warns, of the same thing once in a while. */
  trouble(facts: Record<string, string>, what: string): void
  /** ends all */
  stop(): void
  settled(): Promise<void>
}

/**
 * The reads in progress, one per client port. A request that is repeated there belongs to the read that runs; another
 * one, or the same one when data was acknowledged before, comes from a client that started anew, and takes its place.
 */
export function createReads(deps: TftpDeps, socket: dgram.Socket): Reads {
  const { clock, log, observe, most = defaultMost } = deps
  const running = new Map<string, Read>()
  const unsettled = new Set<Promise<void>>()
  const ofClient = new Map<Ip4, number>()
  const shelf = new Shelf()
  const ownLines = deps.singlePort ? undefined : openOwnLines()
  const mayLog = createLimiter({ everyMs: 10_000, perMinute: 30, maxKeys: 256 })

  function trouble(facts: Record<string, string>, what: string): void {
    if (mayLog.allow(JSON.stringify([what, facts]), clock.now())) log.warn(facts, what)
  }

  function received(bytes: Uint8Array, from: RemoteInfo): void {
    const packet = parse(bytes)
    const ip = parseIp4(from.address)
    if (typeof packet === 'string' || !ip || from.port === 0) {
      return log.debug({ from, why: packet }, 'tftp packet dropped')
    }
    const peer = { ip, port: from.port }
    if (packet.op !== 'read' && packet.op !== 'write') return running.get(keyOf(peer))?.received?.(bytes)
    const refusal = refusalOf(packet)
    if (refusal) refuse(peer, packet, refusal.code, refusal.message, 'refused')
    else admit(peer, packet)
  }

  function admit(peer: Peer, request: Request): void {
    const key = keyOf(peer)
    const wanted = JSON.stringify([request.file, request.mode, [...request.options]])
    const before = running.get(key)
    if (before && isRepeated(before, wanted, clock.now())) return
    const [count, ending] = [ofClient.get(peer.ip) ?? 0, before ? 1 : 0]
    if (unsettled.size - ending >= most.transfers || count - ending >= most.ofClient)
      return refuse(peer, request, errorCodes.other, 'too many transfers, try again', 'too-many-transfers')
    before?.stop.abort()
    const read = { request: wanted, startedAt: clock.now(), hasBegun: false, stop: new AbortController() }
    running.set(key, read)
    ofClient.set(peer.ip, count + 1)
    const done = serve(peer, request, read).finally(() => {
      unsettled.delete(done)
      if (running.get(key) === read) running.delete(key)
      const left = (ofClient.get(peer.ip) ?? 1) - 1
      if (left > 0) ofClient.set(peer.ip, left)
      else ofClient.delete(peer.ip)
    })
    unsettled.add(done)
  }

  /** Does not throw. */
  async function serve(peer: Peer, request: Request, read: Read): Promise<void> {
    const isText = request.mode === 'netascii'
    let opened: TftpFile | undefined
    try {
      opened = await deps.open(request.file, peer)
      if (!opened) return refuse(peer, request, errorCodes.notFound, 'no such file', 'no-such-file')
      const file = isText ? await asNetascii(opened) : opened
      observe?.began()
      const outcome = await transfer(peer, { file, options: request.options, isText }, read)
      ended(peer, request, outcome, { total: file.size, ms: clock.now() - read.startedAt })
    } catch (error) {
      trouble({ file: shown(request.file), error: messageOf(error) }, 'a file cannot be opened for tftp')
      refuse(peer, request, errorCodes.other, 'the file cannot be read', 'read-error')
    } finally {
      await close(opened, request)
    }
  }

  async function transfer(peer: Peer, asked: Parameters<typeof sendFile>[2], read: Read): Promise<Outcome> {
    const { limits = defaultLimits } = deps
    const session = { clock, limits, shelf, hasBegun: () => void (read.hasBegun = true) }
    try {
      return await sendFile(session, lineTo(peer, read), asked, read.stop.signal)
    } catch (error) {
      return { end: 'failed', why: 'socket-error', detail: messageOf(error), bytes: 0 }
    }
  }

  /** @throws Error of the system */
  function lineTo(peer: Peer, read: Read): Line {
    if (ownLines) return ownLines.open(deps.address, peer)
    const line = sharedLine(socket, peer)
    read.received = line.received
    return line
  }

  async function close(file: TftpFile | undefined, request: Request): Promise<void> {
    try {
      await file?.close()
    } catch (error) {
      trouble({ file: shown(request.file), error: messageOf(error) }, 'a file cannot be closed after tftp')
    }
  }

  function ended(peer: Peer, request: Request, outcome: Outcome, facts: { total: number; ms: number }): void {
    const file = shown(withoutTrace(request.file))
    observe?.ended(outcome.end === 'failed' ? outcome.why : outcome.end, outcome.bytes, facts.ms)
    if (outcome.end === 'sent') note(peer, 'tftp-read', { file, bytes: facts.total, ms: facts.ms })
    if (outcome.end === 'failed')
      note(peer, 'tftp-failed', { file, why: outcome.why, detail: shown(outcome.detail), ...facts })
  }

  function refuse(peer: Peer, request: Request, code: number, message: string, outcome: TftpOutcome): void {
    observe?.refused(outcome)
    const why = outcome === 'too-many-transfers' ? outcome : message
    note(peer, 'tftp-failed', { file: shown(withoutTrace(request.file)), why })
    say(peer, { op: 'error', code, message })
  }

  function say(peer: Peer, packet: TftpPacket): void {
    try {
      socket.send(encode(packet), peer.port, peer.ip, () => {})
    } catch (error) {
      log.debug({ to: peer.ip, error: messageOf(error) }, 'a tftp refusal cannot be sent')
    }
  }

  function note(peer: Peer, stage: Stage, facts: Facts): void {
    const machine = deps.machineByIp(peer.ip)
    log.debug({ from: peer.ip, mac: machine?.mac, ...facts }, stage)
    if (machine) deps.record(machine.mac, stage, facts)
  }

  return {
    received,
    trouble,
    stop: () => running.forEach(({ stop }) => stop.abort()),
    settled: async () => {
      await Promise.all(unsettled)
      ownLines?.close()
    },
  }
}

const keyOf = ({ ip, port }: Peer): string => `${ip}:${port}`

function isRepeated(before: Read, request: string, now: number): boolean {
  return before.request === request && (!before.hasBegun || now - before.startedAt < copyMs)
}
