import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'

export type LineOptions = {
  contentType: string
  /** the stream ends after this long, ms */
  timeoutMs: number
  /** a client that takes nothing for this long is cut off, ms; default 30 s */
  stalledMs?: number | undefined
  shutdown: AbortSignal
  /** called once when the stream is over, whoever ended it */
  onEnd: () => void
}

const defaultStalledMs = 30_000
/** Longest delay that a timer can hold. */
const longestMs = 2_147_483_647

/** A response of JSON lines: headers go out at once, each line as soon as it is written, slow readers are waited for. */
export class LineStream {
  ended = false
  readonly #raw: ServerResponse | Http2ServerResponse
  readonly #options: LineOptions
  readonly #timer: NodeJS.Timeout
  readonly #finish = () => this.end()
  #wake: (() => void) | undefined

  constructor(raw: ServerResponse | Http2ServerResponse, options: LineOptions) {
    this.#raw = raw
    this.#options = options
    this.#timer = setTimeout(this.#finish, Math.min(options.timeoutMs, longestMs))
    options.shutdown.addEventListener('abort', this.#finish, { once: true })
    raw.on('close', this.#finish)
    raw.on('error', this.#finish)
    raw.on('drain', () => this.#wake?.())
    const headers = { 'content-type': options.contentType, 'cache-control': 'no-cache, private' }
    const oneConnection = raw.req.httpVersionMajor === 1 ? { connection: 'close' } : {}
    ;(raw as ServerResponse).writeHead(200, { ...headers, ...oneConnection })
    if ('flushHeaders' in raw) raw.flushHeaders()
    if (options.shutdown.aborted || raw.destroyed) this.end()
  }

  /** Resolves when the client can take more; after the end it does nothing. */
  async write(value: unknown): Promise<void> {
    return this.writeLine(`${JSON.stringify(value)}\n`)
  }

  /** The same with a line as it is to be sent, its end included. */
  async writeLine(line: string | Buffer): Promise<void> {
    if (this.ended) return
    if (!(this.#raw as ServerResponse).write(line)) await this.#drained()
  }

  /** Ends the response cleanly. */
  end(): void {
    if (this.ended) return
    this.ended = true
    clearTimeout(this.#timer)
    this.#options.shutdown.removeEventListener('abort', this.#finish)
    this.#wake?.()
    this.#raw.end()
    this.#options.onEnd()
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#raw.destroy()
        this.end()
      }, this.#options.stalledMs ?? defaultStalledMs)
      const before = this.#wake
      this.#wake = () => {
        clearTimeout(timer)
        before?.()
        this.#wake = undefined
        resolve()
      }
    })
  }
}
