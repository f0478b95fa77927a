import dgram from 'node:dgram'
import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import type { Ip4 } from '../model/ip4.ts'
import { blockReader } from './blocks.ts'
import type { TftpFile } from './blocks.ts'
import { encode, errorCodes, parse } from './packet.ts'
import { begin, negotiate, step } from './transfer.ts'
import type { Limits, Step, Terms, Transfer, TransferEvent } from './transfer.ts'

/** A client's socket: its port is its transfer id. */
export type Peer = { ip: Ip4; port: number }

/** How a transfer ended. `stopped` = by us, at shutdown. */
export type Outcome =
  | { end: 'sent' | 'probed' | 'stopped' }
  | {
      end: 'failed'
      why: 'timeout' | 'client-gone' | 'client-error' | 'read-error' | 'socket-error'
      detail: string
    }

type SessionDeps = {
  clock: Clock
  address: Ip4
  limits: Limits
  /** called once the client has acknowledged data */
  hasBegun(): void
}

/** between two looks at the deadline while a slow read is under way */
const shortestSleepMs = 50

/**
 * Sends one file to one client from a socket of its own, connected to it: packets of others never reach it (RFC 1350 §4),
 * and its port shows at once when the client has gone. Does not throw.
 */
export async function sendFile(
  deps: SessionDeps,
  peer: Peer,
  file: TftpFile,
  asked: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<Outcome> {
  const socket = dgram.createSocket({ type: 'udp4', lookup: numeric as never })
  try {
    await connect(socket, deps.address, peer)
    return await new Session(deps, socket, file, asked).run(signal)
  } catch (error) {
    return { end: 'failed', why: 'socket-error', detail: messageOf(error) }
  } finally {
    socket.close()
  }
}

/** Addresses are always numeric: no resolver on the way. */
const numeric = (
  host: string,
  _options: unknown,
  found: (error: null, address: string, family: number) => void,
) => found(null, host, 4)

function connect(socket: dgram.Socket, address: Ip4, peer: Peer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address, port: 0, exclusive: true }, () => {
      socket.connect(peer.port, peer.ip, () => {
        socket.off('error', reject)
        resolve()
      })
    })
  })
}

/** The shell around `step`: a socket, a file and a deadline. */
class Session {
  readonly #clock: Clock
  readonly #hasBegun: () => void
  readonly #socket: dgram.Socket
  readonly #terms: Terms
  readonly #oack: Uint8Array
  readonly #blocks: (from: number, to: number) => Promise<Uint8Array>
  #wake = new AbortController()
  #sleepsUntil = 0
  #first: Step
  #state: Transfer
  #deadline = 0
  #sentAt = 0
  #wanted: { from: number; to: number } | undefined
  #isSending = false
  #outcome: Outcome | undefined

  constructor(deps: SessionDeps, socket: dgram.Socket, file: TftpFile, asked: ReadonlyMap<string, string>) {
    const { terms, accepted } = negotiate(asked, file.size, deps.limits)
    const first = begin(terms, file.size, accepted.size > 0)
    this.#clock = deps.clock
    this.#hasBegun = deps.hasBegun
    this.#socket = socket
    this.#terms = terms
    this.#oack = encode({ op: 'oack', options: accepted })
    this.#blocks = blockReader(file, terms.blockSize)
    this.#first = first.step
    this.#state = first.state
  }

  async run(signal: AbortSignal): Promise<Outcome> {
    const stop = () => this.#end({ end: 'stopped' })
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    this.#socket.on('message', (bytes) => this.#received(bytes))
    this.#socket.on('error', (error) => this.#failed(error))
    this.#perform(this.#first)
    while (!this.#outcome) {
      const now = this.#clock.now()
      this.#sleepsUntil = Math.max(now + shortestSleepMs, this.#deadline)
      await this.#clock.sleep(this.#sleepsUntil - now, this.#wake.signal)
      const isLate = !this.#isSending && this.#clock.now() >= this.#deadline
      if (isLate) this.#happened({ type: 'timeout' })
    }
    signal.removeEventListener('abort', stop)
    return this.#outcome
  }

  #received(bytes: Uint8Array): void {
    const packet = parse(bytes)
    if (typeof packet === 'string') return
    const afterMs = this.#clock.now() - this.#sentAt
    if (packet.op === 'ack') this.#happened({ type: 'ack', block: packet.block, afterMs })
    if (packet.op === 'error') this.#happened({ type: 'error', code: packet.code, message: packet.message })
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (error.code === 'ECONNREFUSED') this.#happened({ type: 'gone' })
    else this.#end({ end: 'failed', why: 'socket-error', detail: error.message })
  }

  #happened(event: TransferEvent): void {
    if (this.#outcome) return
    const after = step(this.#state, event)
    if (this.#state.acked < 1 && after.state.acked > 0) this.#hasBegun()
    this.#state = after.state
    this.#perform(after.step)
  }

  #perform(next: Step): void {
    if (next.do === 'nothing' || this.#outcome) return
    if (next.do === 'finish') return this.#end({ end: 'sent' })
    if (next.do === 'probed') return this.#end({ end: 'probed' })
    if (next.do === 'fail') return this.#end({ end: 'failed', why: next.why, detail: next.detail })
    if (next.do === 'hasten') {
      const soon = this.#clock.now() + next.ms
      return soon < this.#deadline ? this.#waitUntil(soon) : undefined
    }
    this.#waitAgain()
    if (next.do === 'send-options') return this.#socket.send(this.#oack)
    this.#wanted = next
    if (!this.#isSending) void this.#sendWanted()
  }

  #waitAgain(): void {
    this.#sentAt = this.#clock.now()
    this.#waitUntil(this.#sentAt + this.#state.waitMs)
  }

  #waitUntil(deadline: number): void {
    this.#deadline = deadline
    if (deadline >= this.#sleepsUntil) return
    this.#sleepsUntil = deadline
    this.#wake.abort()
    this.#wake = new AbortController()
  }

  /** One window after the other; a window that is wanted while the file is read replaces the one before it. */
  async #sendWanted(): Promise<void> {
    this.#isSending = true
    try {
      while (this.#wanted && !this.#outcome) {
        const { from, to } = this.#wanted
        this.#wanted = undefined
        this.#sendBlocks(await this.#blocks(from, to), from, to)
        this.#waitAgain()
      }
    } catch (error) {
      if (this.#outcome) return
      this.#socket.send(encode({ op: 'error', code: errorCodes.other, message: 'the file cannot be read' }))
      this.#end({ end: 'failed', why: 'read-error', detail: messageOf(error) })
    } finally {
      this.#isSending = false
    }
  }

  #sendBlocks(data: Uint8Array, from: number, to: number): void {
    if (this.#outcome) return
    const { blockSize } = this.#terms
    for (let block = from; block <= to; block += 1) {
      const start = (block - from) * blockSize
      const piece = data.subarray(start, start + blockSize)
      this.#socket.send(encode({ op: 'data', block: block & 0xffff, data: piece }))
    }
  }

  #end(outcome: Outcome): void {
    this.#outcome ??= outcome
    this.#wake.abort()
  }
}
