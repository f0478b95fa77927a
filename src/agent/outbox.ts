import type { Clock } from '../model/clock.ts'
import { hasEnded } from './ledger.ts'
import type { Entry, Ledger } from './ledger.ts'
import type { ActionReport, AgentMessage } from '../model/agent-protocol.ts'

const linesKept = 1000
const linesPerBatch = 200
const batchEveryMs = 250
const progressEveryMs = 500
const repeatEveryMs = 5000
const lineLength = 2000

type Deps = { ledger: Ledger; clock: Clock }
type Send = (message: AgentMessage) => void
type Waiting = { settle: (verdict: Verdict) => void }

/** What the server says to a report: it took it, has no use for it, or nothing. */
export type Verdict = 'accepted' | 'refused' | 'silent'

/**
 * Everything that goes up to the server. Holds what cannot be sent now: the last state of each action until it is
 * acknowledged, a bounded number of log lines, and the newest progress.
 */
export class Outbox {
  readonly #deps: Deps
  #send: Send | undefined
  #running: ActionReport | undefined
  #lines: { actionId: string; line: string }[] = []
  #leftOut = 0
  #progress: { actionId: string; doneBytes: number; totalBytes: number } | undefined
  readonly #waiting = new Map<string, Waiting[]>()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Sends through `send` until `signal` aborts: at once what is due, then batches and repetitions. */
  async drive(send: Send, signal: AbortSignal): Promise<void> {
    this.#send = send
    this.#repeat()
    const { clock } = this.#deps
    let repeatAt = clock.now() + repeatEveryMs
    let progressAt = 0
    while (!signal.aborted) {
      this.#sendLines()
      if (clock.now() >= progressAt && this.#sendProgress()) progressAt = clock.now() + progressEveryMs
      if (clock.now() >= repeatAt) {
        this.#repeat()
        repeatAt = clock.now() + repeatEveryMs
      }
      await clock.sleep(batchEveryMs, signal)
    }
    if (this.#send === send) this.#send = undefined
  }

  /** Sends the state of an action, after the log lines that led to it; repeated until acknowledged. */
  report(report: ActionReport): void {
    while (this.#send && this.#lines.length) this.#sendLines()
    if (hasEnded(report)) {
      this.#sendProgress()
      this.#running = undefined
    } else {
      this.#running = report
    }
    this.#send?.({ report: onWire(report) })
  }

  /** The server has this state of the action, or (not `accepted`) has no use for it: then no boot ends because of it. */
  acknowledge(actionId: string, state: string, accepted: boolean): void {
    const entry = this.#deps.ledger.get(actionId)
    if (this.#running?.actionId === actionId && this.#running.state === state) this.#running = undefined
    if (entry && entry.state === state && !entry.acknowledged)
      this.#deps.ledger.put(acknowledgedEntry(entry, accepted))
    const key = `${actionId} ${state}`
    for (const { settle } of this.#waiting.get(key) ?? []) settle(accepted ? 'accepted' : 'refused')
    this.#waiting.delete(key)
  }

  /** What the server says to that state of the action within `ms`. */
  verdict(report: ActionReport, ms: number): Promise<Verdict> {
    const key = `${report.actionId} ${report.state}`
    const nap = new AbortController()
    return new Promise<Verdict>((settle) => {
      this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), { settle }])
      void this.#deps.clock.sleep(ms, nap.signal).then(() => settle('silent'))
    }).finally(() => nap.abort())
  }

  /** Takes a log line; control characters and the part beyond 2000 characters are dropped. */
  log(actionId: string, text: string): void {
    const line = printableLine(text)
    this.#lines.push({ actionId, line })
    if (this.#lines.length <= linesKept) return
    this.#lines.shift()
    this.#leftOut++
  }

  progress(actionId: string, doneBytes: number, totalBytes: number): void {
    this.#progress = { actionId, doneBytes, totalBytes }
  }

  #sendProgress(): boolean {
    if (!this.#progress || !this.#send) return false
    this.#send({ progress: this.#progress })
    this.#progress = undefined
    return true
  }

  #sendLines(): void {
    const actionId = this.#lines[0]?.actionId
    if (actionId === undefined || !this.#send) return
    const end = this.#lines.findIndex((entry) => entry.actionId !== actionId)
    const count = Math.min(linesPerBatch, end < 0 ? this.#lines.length : end)
    const lines = this.#lines.splice(0, count).map((entry) => entry.line)
    if (this.#leftOut)
      lines.unshift(`(${this.#leftOut} lines left out: too many at once, or the server was not reachable)`)
    this.#leftOut = 0
    this.#send({ logs: { actionId, lines } })
  }

  #repeat(): void {
    for (const entry of this.#deps.ledger.unacknowledged()) this.#send?.({ report: onWire(entry) })
    if (this.#running) this.#send?.({ report: onWire(this.#running) })
  }
}

/** One line without control characters, at most 2000 characters long. */
export function printableLine(text: string): string {
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim()
  return clean.length > lineLength ? `${clean.slice(0, lineLength)}…` : clean
}

function acknowledgedEntry({ leave, ...entry }: Entry, accepted: boolean): Entry {
  return { ...entry, acknowledged: true, ...(accepted && leave ? { leave } : {}) }
}

function onWire(report: ActionReport): ActionReport {
  const { workflowId, taskId, actionId, state, message, attempt } = report
  return { workflowId, taskId, actionId, state, message, attempt }
}
