/** Longest line that is passed on, in bytes; the rest of a longer one is left out. */
const longest = 2000

const lineFeed = 10
const carriageReturn = 13

/**
 * Cuts the output of a program into lines at line feeds and carriage returns (progress bars), without empty ones. Bytes
 * that are not UTF-8 become U+FFFD. Holds at most one line, whatever comes.
 */
export class LineSplitter {
  readonly #emit: (line: string) => void
  readonly #held = Buffer.alloc(longest)
  #length = 0
  #cut = false

  constructor(emit: (line: string) => void) {
    this.#emit = emit
  }

  push(chunk: Uint8Array): void {
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      if (chunk[at] !== lineFeed && chunk[at] !== carriageReturn) continue
      this.#hold(chunk.subarray(from, at))
      this.end()
      from = at + 1
    }
    this.#hold(chunk.subarray(from))
  }

  /** Passes on what has come since the last line end. */
  end(): void {
    const text = this.#held.toString('utf8', 0, this.#length)
    if (text.trim()) this.#emit(this.#cut ? `${text}…` : text)
    this.#length = 0
    this.#cut = false
  }

  #hold(part: Uint8Array): void {
    const fits = part.subarray(0, longest - this.#length)
    this.#held.set(fits, this.#length)
    this.#length += fits.length
    this.#cut ||= fits.length < part.length
  }
}

const tailLines = 20
/** What a line costs beside its text: the console puts the agent's and the action's name before it. */
const lineCost = 60

/**
 * Lets lines through as fast as a serial console can take them (115,200 baud are 11 kB/s), because the agent waits for
 * its console: `burst` bytes at once, `perSecond` bytes after that. Of what is too much it keeps the last 20 lines, and
 * says how many others were left out.
 */
export class LineGate {
  readonly #emit: (line: string) => void
  readonly #now: () => number
  readonly #limits: { burst: number; perSecond: number }
  #room: number
  #at: number
  #tail: string[] = []
  #waiting = 0
  #leftOut = 0

  /** @param now epoch ms */
  constructor(
    emit: (line: string) => void,
    now: () => number,
    limits = { burst: 32 << 10, perSecond: 8 << 10 },
  ) {
    this.#emit = emit
    this.#now = now
    this.#limits = limits
    this.#room = limits.burst
    this.#at = now()
  }

  push(line: string): void {
    this.#refill()
    const cost = line.length + lineCost
    if (this.#tail.length === 0 && cost <= this.#room) {
      this.#room -= cost
      return this.#emit(line)
    }
    this.#tail.push(line)
    this.#waiting += cost
    if (this.#tail.length > tailLines) {
      this.#waiting -= (this.#tail.shift()?.length ?? 0) + lineCost
      this.#leftOut++
    }
    this.settle()
  }

  /** Passes on what is held back, if that may be by now. */
  settle(): void {
    this.#refill()
    const enough = Math.min(this.#limits.burst, Math.max(this.#waiting, this.#limits.perSecond))
    if (this.#room < enough) return
    this.#room -= this.#waiting
    this.flush()
  }

  /** Passes on what is held back, at the end. */
  flush(): void {
    if (this.#leftOut) this.#emit(`(${this.#leftOut} lines left out: more than can be shown)`)
    for (const line of this.#tail) this.#emit(line)
    this.#tail = []
    this.#waiting = 0
    this.#leftOut = 0
  }

  #refill(): void {
    const now = this.#now()
    const gained = (Math.max(0, now - this.#at) / 1000) * this.#limits.perSecond
    this.#room = Math.min(this.#limits.burst, this.#room + gained)
    this.#at = now
  }
}
