import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import { PacketReader } from './blocks.ts'
import type { TftpFile } from './blocks.ts'
import type { Line } from './line.ts'
import { encode, errorCodes, parse } from './packet.ts'
import type { Shelf } from './shelf.ts'
import { begin, negotiate, step } from './transfer.ts'
import type { Limits, Step, Terms, Transfer, TransferEvent } from './transfer.ts'

/** How a transfer ended. `stopped` = by us, at shutdown. */
export type End =
  | { end: 'sent' | 'probed' | 'stopped' }
  | {
      end: 'failed'
      why: 'timeout' | 'client-gone' | 'client-error' | 'read-error' | 'socket-error'
      detail: string
    }

/** `bytes`: what the client has acknowledged */
export type Outcome = End & { bytes: number }

/** What a client asks for. */
export type Asked = { file: TftpFile; options: ReadonlyMap<string, string>; isText: boolean }

type SessionDeps = {
  clock: Clock
  limits: Limits
  /** what all transfers of this server have read */
  shelf: Shelf
  /** called once the client has acknowledged data */
  hasBegun(): void
}

/** between two looks at the deadline while a slow read is under way */
const shortestSleepMs = 50

/** Sends one file to one client and closes the line to it. Does not throw. */
export async function sendFile(
  deps: SessionDeps,
  line: Line,
  asked: Asked,
  signal: AbortSignal,
): Promise<Outcome> {
  const session = new Session(deps, line, asked)
  try {
    return await session.run(signal)
  } catch (error) {
    return { end: 'failed', why: 'socket-error', detail: messageOf(error), bytes: 0 }
  } finally {
    session.close()
    line.close()
  }
}

/** The shell around `step`: a line, a file and a deadline. */
class Session {
  readonly #clock: Clock
  readonly #hasBegun: () => void
  readonly #line: Line
  readonly #size: number
  readonly #terms: Terms
  readonly #oack: Uint8Array
  readonly #reader: PacketReader
  #wake = new AbortController()
  #sleepsUntil = 0
  #first: Step
  #state: Transfer
  #deadline = 0
  #sentAt = 0
  #wanted: { from: number; to: number } | undefined
  #isReading = false
  #end: End | undefined

  constructor(deps: SessionDeps, line: Line, { file, options, isText }: Asked) {
    const { terms, accepted } = negotiate(options, isText ? undefined : file.size, deps.limits)
    const first = begin(terms, file.size, accepted.size > 0)
    this.#clock = deps.clock
    this.#hasBegun = deps.hasBegun
    this.#line = line
    this.#size = file.size
    this.#terms = terms
    this.#oack = encode({ op: 'oack', options: accepted })
    this.#reader = new PacketReader(file, terms, deps.shelf)
    this.#first = first.step
    this.#state = first.state
  }

  close(): void {
    this.#reader.close()
  }

  async run(signal: AbortSignal): Promise<Outcome> {
    const stop = () => this.#finish({ end: 'stopped' })
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    this.#line.listen({ message: (bytes) => this.#received(bytes), error: (error) => this.#failed(error) })
    this.#perform(this.#first)
    while (!this.#end) {
      const now = this.#clock.now()
      this.#sleepsUntil = Math.max(now + shortestSleepMs, this.#deadline)
      await this.#clock.sleep(this.#sleepsUntil - now, this.#wake.signal)
      const isLate = !this.#isReading && this.#clock.now() >= this.#deadline
      if (isLate) this.#happened({ type: 'timeout' })
    }
    signal.removeEventListener('abort', stop)
    return { ...this.#end, bytes: this.#acknowledged() }
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
    else this.#finish({ end: 'failed', why: 'socket-error', detail: error.message })
  }

  #happened(event: TransferEvent): void {
    if (this.#end) return
    const after = step(this.#state, event)
    if (this.#state.acked < 1 && after.state.acked > 0) this.#hasBegun()
    this.#state = after.state
    this.#perform(after.step)
  }

  #perform(next: Step): void {
    if (next.do === 'nothing' || this.#end) return
    if (next.do === 'finish') return this.#finish({ end: 'sent' })
    if (next.do === 'probed') return this.#finish({ end: 'probed' })
    if (next.do === 'fail') return this.#finish({ end: 'failed', why: next.why, detail: next.detail })
    if (next.do === 'hasten') {
      const soon = this.#clock.now() + next.ms
      return soon < this.#deadline ? this.#waitUntil(soon) : undefined
    }
    this.#waitAgain()
    if (next.do === 'send-options') return this.#line.send(this.#oack)
    if (!this.#isReading && this.#reader.isRead(next.from, next.to)) return this.#sendBlocks(next)
    this.#wanted = next
    if (!this.#isReading) void this.#sendWanted()
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
    this.#isReading = true
    try {
      while (this.#wanted && !this.#end) {
        const { from, to } = this.#wanted
        await this.#reader.load(from, to)
        if (this.#wanted.from !== from || this.#wanted.to !== to) continue
        this.#sendBlocks(this.#wanted)
        this.#wanted = undefined
        this.#waitAgain()
      }
    } catch (error) {
      if (this.#end) return
      this.#line.send(encode({ op: 'error', code: errorCodes.other, message: 'the file cannot be read' }))
      this.#finish({ end: 'failed', why: 'read-error', detail: messageOf(error) })
    } finally {
      this.#isReading = false
    }
  }

  #sendBlocks({ from, to }: { from: number; to: number }): void {
    const { packetSize } = this.#reader
    for (let block = from; block <= to && !this.#end;) {
      const packets = this.#reader.packets(block, to)!
      this.#line.sendAll(packets, packetSize)
      block += Math.ceil(packets.length / packetSize)
    }
  }

  #acknowledged(): number {
    return Math.min(Math.max(0, this.#state.acked) * this.#terms.blockSize, this.#size)
  }

  #finish(end: End): void {
    this.#end ??= end
    this.#wake.abort()
  }
}
