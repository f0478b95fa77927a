import { messageOf } from '../model/error.ts'
import type { Action, ActionResult, Machine } from './actions/action.ts'
import { hasEnded } from './ledger.ts'
import type { Entry, Ledger } from './ledger.ts'
import type { Leave } from './leave.ts'
import { printableLine } from './outbox.ts'
import type { Outbox } from './outbox.ts'
import type { ActionReport, ActionState, RunAction } from '../model/agent-protocol.ts'

type Deps = {
  ledger: Ledger
  outbox: Outbox
  machine: Machine
  /** throws when there is none for the image */
  findAction: (image: string) => Action
  /** ends this boot of the machine */
  leave: (how: Leave) => Promise<void>
  /** a line for the console */
  say: (line: string) => void
}

type Running = { actionId: string; attempt: number; stop: AbortController; done: Promise<void> }

const startsAllowed = 3
/** A server that is away this long after all is done is not waited for: the machine starts what is on its disk. */
const acknowledgeMs = 10 * 60_000

/** Why an action was stopped from outside. */
class Stopped extends Error {
  readonly state: ActionState
  constructor(state: ActionState, message: string) {
    super(message)
    this.state = state
  }
}

/** Runs one action at a time and never one twice that has succeeded. */
export class Runner {
  readonly #deps: Deps
  #running: Running | undefined
  #queue: Promise<void> = Promise.resolve()
  #leaving = false

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** The action that runs, else one that has ended without the server knowing, else ''. */
  currentActionId(): string {
    return this.#running?.actionId ?? this.#deps.ledger.unacknowledged()[0]?.actionId ?? ''
  }

  /** Carries out a command of the server; the same command again only brings the state it led to. */
  run(command: RunAction): void {
    this.#queue = this.#queue
      .then(() => this.#accept(command))
      .catch((error: unknown) => this.#deps.say(`action "${command.name}": ${messageOf(error)}`))
  }

  cancel(actionId: string, reason: string): void {
    if (this.#running?.actionId !== actionId) return
    this.#running.stop.abort(new Stopped('ACTION_STATE_FAILED', `cancelled: ${reason || 'by the server'}`))
  }

  /** Goes on where an earlier process of this boot was about to end the boot. */
  resume(): void {
    const entry = this.#deps.ledger.leaving()
    if (!entry) return
    this.#deps.say('the agent was started again while it was about to end this boot')
    this.#queue = this.#queue
      .then(() => this.#depart(entry))
      .catch((error: unknown) => this.#deps.say(messageOf(error)))
  }

  /** Resolves when no action runs. */
  async idle(): Promise<void> {
    await this.#queue
    await this.#running?.done
  }

  async #accept(command: RunAction): Promise<void> {
    const { ledger, outbox } = this.#deps
    const running = this.#running
    const known = ledger.get(command.actionId)
    if (known && isSettled(known, command)) {
      ledger.put({ ...known, attempt: command.attempt, acknowledged: false })
      return outbox.report(reportOf(command, known.state, known.message))
    }
    if (running?.actionId === command.actionId && running.attempt >= command.attempt) {
      return outbox.report(reportOf(command, 'ACTION_STATE_RUNNING', 'still running'))
    }
    if (this.#leaving) return
    if (running) {
      running.stop.abort(
        new Stopped('ACTION_STATE_FAILED', `stopped: the server sent action "${command.name}" instead`),
      )
      await running.done
    }
    this.#start(command, known?.attempt === command.attempt ? known.starts : 0)
  }

  #start(command: RunAction, startsBefore: number): void {
    const stop = new AbortController()
    const done = this.#perform(command, startsBefore, stop)
      .catch((error: unknown) => this.#deps.say(`action "${command.name}": ${messageOf(error)}`))
      .finally(() => {
        if (this.#running?.stop === stop) this.#running = undefined
      })
    this.#running = { actionId: command.actionId, attempt: command.attempt, stop, done }
  }

  async #perform(command: RunAction, startsBefore: number, stop: AbortController): Promise<void> {
    const log = (line: string) => {
      this.#deps.outbox.log(command.actionId, line)
      this.#deps.say(`[${printableLine(command.name)}] ${printableLine(line)}`)
    }
    if (startsBefore)
      log(`the agent was started again while this action ran; it begins anew (start ${startsBefore + 1})`)
    const begun = reportOf(command, 'ACTION_STATE_RUNNING', 'running')
    this.#deps.ledger.put({ ...begun, starts: startsBefore + 1, acknowledged: false })
    this.#deps.outbox.report(begun)
    const { state, message, leave } = await this.#outcome(command, startsBefore, stop, log)
    const ended: Entry = {
      ...reportOf(command, state, printableLine(message)),
      starts: startsBefore + 1,
      acknowledged: false,
      ...(leave && { leave }),
    }
    this.#deps.ledger.put(ended)
    log(`${state.replace('ACTION_STATE_', '').toLowerCase()}: ${message}`)
    const departing = leave && this.#depart(ended)
    this.#deps.outbox.report(ended)
    await departing
  }

  /** Ends this boot once the server knows why; not when it says that the action does not count any more. */
  async #depart(entry: Entry): Promise<void> {
    if (!entry.leave) return
    this.#leaving = true
    try {
      const verdict = entry.acknowledged ? 'accepted' : await this.#deps.outbox.verdict(entry, acknowledgeMs)
      if (verdict === 'refused') return this.#deps.say('the server has ended this action; the machine stays')
      if (verdict === 'silent') this.#deps.say('no word from the server; the machine goes on without it')
      await this.#deps.leave(entry.leave)
    } finally {
      this.#leaving = false
    }
  }

  async #outcome(
    command: RunAction,
    startsBefore: number,
    stop: AbortController,
    log: (line: string) => void,
  ): Promise<ActionResult & { state: ActionState }> {
    const timer = deadline(command.timeoutMs, stop)
    try {
      if (startsBefore >= startsAllowed) {
        throw new Error(`the agent ended ${startsBefore} times in this action; it is not tried again`)
      }
      const action = this.#deps.findAction(command.image)
      const { image, environment, volumes, pidNamespace, networkNamespace } = command
      const run = {
        image,
        environment,
        command: command.command,
        volumes,
        pidNamespace,
        networkNamespace,
        signal: stop.signal,
        log,
        progress: (done: number, total: number) => this.#deps.outbox.progress(command.actionId, done, total),
      }
      return { state: 'ACTION_STATE_SUCCESS', ...(await action(run, this.#deps.machine)) }
    } catch (error) {
      const why: unknown = stop.signal.aborted ? stop.signal.reason : error
      const state = why instanceof Stopped ? why.state : 'ACTION_STATE_FAILED'
      return { state, message: messageOf(why) }
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Timers count to 2^31 ms at most; a longer deadline is the server's alone to hold. */
function deadline(ms: number, stop: AbortController): NodeJS.Timeout | undefined {
  if (ms <= 0 || ms > 2 ** 31 - 1) return undefined
  const why = new Stopped('ACTION_STATE_TIMEOUT', `not finished within ${Math.round(ms / 1000)} s`)
  return setTimeout(() => stop.abort(why), ms)
}

function isSettled(known: Entry, command: RunAction): boolean {
  if (known.state === 'ACTION_STATE_SUCCESS') return true
  return hasEnded(known) && known.attempt >= command.attempt
}

function reportOf(command: RunAction, state: ActionState, message: string): ActionReport {
  const { workflowId, taskId, actionId, attempt } = command
  return { workflowId, taskId, actionId, attempt, state, message }
}
