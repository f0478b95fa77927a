import dgram from 'node:dgram'
import type { RemoteInfo } from 'node:dgram'
import type { Clock } from '../model/clock.ts'
import { AppError, messageOf } from '../model/error.ts'
import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import { createLimiter } from '../model/limiter.ts'
import type { Machine } from '../model/machine.ts'
import type { Logger } from '../log.ts'
import type { Facts, RecordStage, Stage } from '../timeline/stage.ts'
import type { TftpFile } from './blocks.ts'
import { encode, errorCodes, parse } from './packet.ts'
import type { TftpPacket } from './packet.ts'
import { sendFile } from './session.ts'
import type { Outcome, Peer } from './session.ts'
import { defaultLimits } from './transfer.ts'
import type { Limits } from './transfer.ts'

export type TftpDeps = {
  /** The file that a client asks for by `name`, which is as it came from the network; `undefined` = there is none. */
  open(name: string, from: Peer): Promise<TftpFile | undefined>
  machineByIp(ip: Ip4): Machine | undefined
  record: RecordStage
  log: Logger
  clock: Clock
  /** bound and answered from */
  address: Ip4
  /** UDP port, 69; 0 takes any free one */
  port: number
  /** a block of 1468 octets and a window of 64 blocks when left out */
  limits?: Limits | undefined
  /** reads at once, in all (512) and of one client (8); requests beyond are left for the client to repeat */
  most?: { transfers: number; ofClient: number } | undefined
  /** called once the socket is bound */
  onListening?(port: number): void
}

type Request = Extract<TftpPacket, { op: 'read' | 'write' }>

/**
 * Serves files for reading until `signal` aborts. No packet ends it, and no error of its socket once that listens.
 * @throws AppError Unavailable when it cannot listen
 */
export function tftpServer(deps: TftpDeps): (signal: AbortSignal) => Promise<void> {
  return (signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return resolve()
      const socket = dgram.createSocket('udp4')
      const reads = new Reads(deps, socket)
      let isOver = false
      let listens = false
      const end = (error?: Error) => {
        if (isOver) return
        isOver = true
        signal.removeEventListener('abort', stop)
        socket.close()
        reads.stop()
        void reads.settled().then(() => (error ? reject(error) : resolve()))
      }
      const stop = () => end()
      signal.addEventListener('abort', stop)
      socket.on('error', (cause) => {
        const place = `${deps.address}:${deps.port}`
        if (listens) return reads.trouble({ error: cause.message }, 'the tftp socket reports an error')
        end(new AppError('Unavailable', `TFTP socket ${place} failed: ${cause.message}`, { cause }))
      })
      socket.on('message', (bytes, from) => reads.received(bytes, from))
      socket.bind({ address: deps.address, port: deps.port, exclusive: true }, () => {
        listens = true
        deps.log.info({ address: deps.address, port: socket.address().port }, 'tftp listens')
        deps.onListening?.(socket.address().port)
      })
    })
}

type Read = { request: string; startedAt: number; hasBegun: boolean; stop: AbortController }

/**
 * The reads in progress, one per client port. A request that is repeated there belongs to the read that runs; another
 * one, or the same one when data was acknowledged before, comes from a client that started anew, and takes its place.
 */
class Reads {
  readonly #deps: TftpDeps
  readonly #socket: dgram.Socket
  readonly #running = new Map<string, Read>()
  readonly #unsettled = new Set<Promise<void>>()
  readonly #ofClient = new Map<Ip4, number>()
  readonly #mayLog = createLimiter({ everyMs: 10_000, perMinute: 30, maxKeys: 256 })

  constructor(deps: TftpDeps, socket: dgram.Socket) {
    this.#deps = deps
    this.#socket = socket
  }

  stop(): void {
    for (const { stop } of this.#running.values()) stop.abort()
  }

  async settled(): Promise<void> {
    await Promise.all(this.#unsettled)
  }

  /** Warns, of the same thing once in a while. */
  trouble(facts: Record<string, string>, what: string): void {
    const isNew = this.#mayLog.allow(JSON.stringify([what, facts]), this.#deps.clock.now())
    if (isNew) this.#deps.log.warn(facts, what)
  }

  received(bytes: Uint8Array, from: RemoteInfo): void {
    const packet = parse(bytes)
    const ip = parseIp4(from.address)
    if (typeof packet === 'string' || !ip || from.port === 0) {
      return this.#deps.log.debug({ from, why: packet }, 'tftp packet dropped')
    }
    if (packet.op !== 'read' && packet.op !== 'write') return
    const peer = { ip, port: from.port }
    const refusal = refusalOf(packet)
    if (refusal) this.#refuse(peer, packet, refusal.code, refusal.message)
    else this.#admit(peer, packet)
  }

  #admit(peer: Peer, request: Request): void {
    const { clock, most = { transfers: 512, ofClient: 8 } } = this.#deps
    const key = `${peer.ip}:${peer.port}`
    const now = clock.now()
    const wanted = JSON.stringify([request.file, request.mode, [...request.options]])
    const before = this.#running.get(key)
    if (before && isRepeated(before, wanted, now)) return
    const count = this.#ofClient.get(peer.ip) ?? 0
    const ending = before ? 1 : 0
    if (this.#unsettled.size - ending >= most.transfers || count - ending >= most.ofClient) {
      return this.#note(peer, 'tftp-failed', { file: shown(request.file), why: 'too-many-transfers' })
    }
    before?.stop.abort()
    const read: Read = { request: wanted, startedAt: now, hasBegun: false, stop: new AbortController() }
    this.#running.set(key, read)
    this.#ofClient.set(peer.ip, count + 1)
    const done = this.#read(peer, request, read).finally(() => {
      this.#unsettled.delete(done)
      if (this.#running.get(key) === read) this.#running.delete(key)
      const left = (this.#ofClient.get(peer.ip) ?? 1) - 1
      if (left > 0) this.#ofClient.set(peer.ip, left)
      else this.#ofClient.delete(peer.ip)
    })
    this.#unsettled.add(done)
  }

  /** Does not throw. */
  async #read(peer: Peer, request: Request, read: Read): Promise<void> {
    const { clock, address, limits = defaultLimits } = this.#deps
    let file: TftpFile | undefined
    try {
      file = await this.#deps.open(request.file, peer)
    } catch (error) {
      this.trouble({ file: shown(request.file), error: messageOf(error) }, 'a file cannot be opened for tftp')
      return this.#refuse(peer, request, errorCodes.other, 'the file cannot be read')
    }
    if (!file) return this.#refuse(peer, request, errorCodes.notFound, 'no such file')
    const session = { clock, address, limits, hasBegun: () => void (read.hasBegun = true) }
    const outcome = await sendFile(session, peer, file, request.options, read.stop.signal)
    this.#ended(peer, request, outcome, { bytes: file.size, ms: clock.now() - read.startedAt })
    try {
      await file.close()
    } catch (error) {
      this.trouble(
        { file: shown(request.file), error: messageOf(error) },
        'a file cannot be closed after tftp',
      )
    }
  }

  #ended(peer: Peer, request: Request, outcome: Outcome, measured: { bytes: number; ms: number }): void {
    const file = shown(request.file)
    if (outcome.end === 'sent') return this.#note(peer, 'tftp-read', { file, ...measured })
    if (outcome.end === 'failed') {
      this.#note(peer, 'tftp-failed', { file, why: outcome.why, detail: shown(outcome.detail) })
    }
  }

  #refuse(peer: Peer, request: Request, code: number, message: string): void {
    this.#note(peer, 'tftp-failed', { file: shown(request.file), why: message })
    try {
      this.#socket.send(encode({ op: 'error', code, message }), peer.port, peer.ip, () => {})
    } catch (error) {
      this.#deps.log.debug({ to: peer.ip, error: messageOf(error) }, 'a tftp refusal cannot be sent')
    }
  }

  #note(peer: Peer, stage: Stage, facts: Facts): void {
    const machine = this.#deps.machineByIp(peer.ip)
    this.#deps.log.debug({ from: peer.ip, mac: machine?.mac, ...facts }, stage)
    if (machine) this.#deps.record(machine.mac, stage, facts)
  }
}

/** a copy that the network makes of a request comes within this time, ms */
const copyMs = 1000

function isRepeated(before: Read, request: string, now: number): boolean {
  return before.request === request && (!before.hasBegun || now - before.startedAt < copyMs)
}

/**
 * `netascii` is served as octets: who asks for it does so by an old default, for files that are no text. `mail` is
 * obsolete (RFC 1350 §5).
 */
function refusalOf(request: Request): { code: number; message: string } | undefined {
  if (request.op === 'write') return { code: errorCodes.accessViolation, message: 'this server is read-only' }
  if (request.mode === 'octet' || request.mode === 'netascii') return undefined
  return { code: errorCodes.illegalOperation, message: 'transfer mode must be octet' }
}

/** A text from the network for logs and timelines: short, without control characters. */
function shown(text: string): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}]/gu, '?')
  return clean.length > 120 ? `${clean.slice(0, 119)}…` : clean
}
