import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { LineSplitter } from './lines.ts'

/** A script said something else than what was to come: `kind` and the rest of its line. */
export class ReportFault extends Error {
  readonly kind: string
  constructor(kind: string, said: string) {
    super(said)
    this.kind = kind
  }
}

/**
 * A shell script in namespaces of its own, with its processes. It is told things on file descriptor 3, which closes when
 * this process ends, and reports on 4, a word and a text a line. What it prints comes as lines.
 */
export class Child {
  readonly #process: ChildProcess
  readonly #killedWithinMs: number
  readonly #reports: AsyncIterator<string>
  readonly #gone: Promise<void>
  #isGone = false
  #fault: Error | undefined
  #last = ''
  #giveUp: (why: Error) => void = () => undefined
  readonly #hung: Promise<never>

  /** @param killedWithinMs how long it may take to end */
  constructor(
    script: string,
    environment: Readonly<Record<string, string>>,
    line: (text: string) => void,
    killedWithinMs: number,
  ) {
    this.#killedWithinMs = killedWithinMs
    this.#process = spawn('sh', ['-c', script], {
      detached: true,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    })
    this.#hung = new Promise((_resolve, reject) => (this.#giveUp = reject))
    this.#hung.catch(() => undefined)
    this.#gone = new Promise((resolve) =>
      this.#process.on('close', () => {
        this.#isGone = true
        resolve()
      }),
    )
    this.#process.on('error', (error) => (this.#fault = error))
    for (const stream of this.#process.stdio) stream?.on('error', () => undefined)
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      const lines = new LineSplitter((text) => {
        this.#last = text
        line(text)
      })
      stream?.on('data', (chunk: Buffer) => lines.push(chunk))
      stream?.on('end', () => lines.end())
    }
    this.#reports = createInterface(this.#process.stdio[4] as Readable)[Symbol.asyncIterator]()
  }

  /** Writes a line to the script. */
  tell(text: string): void {
    this.#input().write(`${text}\n`)
  }

  /** Lets the script know that nobody is there any more. */
  hangUp(): void {
    this.#input().end()
  }

  /** Ends all of its processes that have not left its process group. */
  kill(): void {
    const { pid } = this.#process
    const why = new Error(`its processes do not end; the kernel may wait for the disk`)
    setTimeout(() => this.#giveUp(why), this.#killedWithinMs).unref()
    if (pid === undefined || this.#isGone) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch (error) {
      this.#fault ??= error as Error
    }
  }

  /**
   * What comes with the next report, which must be of that kind.
   * @param ending what is said when the script ends instead
   * @throws ReportFault for another kind
   */
  async next(kind: string, ending: string): Promise<string> {
    const { value, done } = await Promise.race([this.#reports.next(), this.#hung])
    if (done) {
      await this.#gone
      throw this.#fault ?? new Error(`${ending}: ${this.#last || 'nothing was said'}`)
    }
    const [found = '', said = ''] = /^(\w+) ?(.*)$/.exec(value)?.slice(1) ?? []
    if (found === kind) return said
    throw new ReportFault(found, said)
  }

  /** Resolves when all of its processes are gone, or hang in the kernel. */
  async closed(): Promise<void> {
    const late = setTimeout(() => this.kill(), this.#killedWithinMs)
    await Promise.race([this.#gone, this.#hung]).catch(() => undefined)
    clearTimeout(late)
  }

  #input(): Writable {
    return this.#process.stdio[3] as Writable
  }
}
