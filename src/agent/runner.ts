import { messageOf } from '../model/error.ts'
import type { Action, ActionResult, Machine } from './actions/action.ts'
import { runAfterwards, runOf } from './afterwards.ts'
import { createCountdown } from './countdown.ts'
import type { Countdown } from './countdown.ts'
import { Gate } from './image/gate.ts'
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
  /** whether that is something of the agent, which takes no other command */
  isNative?: (image: string) => boolean
  /** ends this boot of the machine */
  leave: (how: Leave) => Promise<void>
  /** a line for the console */
  say: (line: string) => void
}

/** `isOver`: its end is known, and what is to be done after a failure is being done. */
type Running = {
  actionId: string
  attempt: number
  stop: AbortController
  gate: Gate
  countdown: Countdown
  log: (line: string) => void
  done: Promise<void>
  isOver: boolean
}

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
    this.#inTurn(() => this.#accept(command), `action "${command.name}": `)
  }

  cancel(actionId: string, reason: string): void {
    const stop = () => {
      if (this.#running?.actionId !== actionId) return false
      const why = new Stopped('ACTION_STATE_FAILED', `cancelled: ${reason || 'by the server'}`)
      this.#running.stop.abort(why)
      return true
    }
    if (!stop()) this.#inTurn(async () => void stop())
  }

  /** Holds up the action's streams and its deadline until the server sends the action again. */
  pause(actionId: string, reason: string): void {
    this.#inTurn(async () => {
      const running = this.#running
      if (running?.actionId !== actionId || running.isOver || !running.gate.isOpen) return
      running.gate.close()
      running.countdown.stop()
      running.log(`paused: ${reason || 'by the server'}`)
    })
  }

  #inTurn(work: () => Promise<void>, what = ''): void {
    this.#queue = this.#queue
      .then(work)
      .catch((error: unknown) => this.#deps.say(`${what}${messageOf(error)}`))
  }

  /** Goes on where an earlier process of this boot was about to end the boot. */
  resume(): void {
    const entry = this.#deps.ledger.leaving()
    if (!entry) return
    this.#deps.say('the agent was started again while it was about to end this boot')
    this.#inTurn(() => this.#depart(entry))
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
      goOn(running, command)
      return outbox.report(reportOf(command, 'ACTION_STATE_RUNNING', 'still running'))
    }
    if (this.#leaving) return
    if (running) {
      const why = `stopped: the server sent action "${command.name}" instead`
      if (!running.isOver) running.stop.abort(new Stopped('ACTION_STATE_FAILED', why))
      await running.done
    }
    this.#start(command, known?.attempt === command.attempt ? known.starts : 0)
  }

  #start(command: RunAction, startsBefore: number): void {
    const { actionId, attempt, name } = command
    const stop = new AbortController()
    const running: Running = {
      actionId,
      attempt,
      stop,
      gate: new Gate(),
      countdown: createCountdown((ms) => {
        const why = `not finished within ${Math.round(ms / 1000)} s`
        stop.abort(new Stopped('ACTION_STATE_TIMEOUT', why))
      }),
      log: (line) => {
        this.#deps.outbox.log(actionId, line)
        this.#deps.say(`[${printableLine(name)}] ${printableLine(line)}`)
      },
      done: Promise.resolve(),
      isOver: false,
    }
    this.#running = running
    running.done = this.#perform(command, startsBefore, running)
      .catch((error: unknown) => this.#deps.say(`action "${name}": ${messageOf(error)}`))
      .finally(() => {
        if (this.#running === running) this.#running = undefined
      })
  }

  async #perform(command: RunAction, startsBefore: number, running: Running): Promise<void> {
    const { log } = running
    if (startsBefore)
      log(`the agent was started again while this action ran; it begins anew (start ${startsBefore + 1})`)
    const begun = reportOf(command, 'ACTION_STATE_RUNNING', 'running')
    this.#deps.ledger.put({ ...begun, starts: startsBefore + 1, acknowledged: false })
    this.#deps.outbox.report(begun)
    const { state, message, leave, isStopped } = await this.#outcome(command, startsBefore, running)
    running.isOver = true
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
    if (!isStopped) await runAfterwards(this.#deps, command, state, log)
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
    { stop, gate, countdown, log }: Running,
  ): Promise<ActionResult & { state: ActionState; isStopped?: boolean }> {
    countdown.start(command.timeoutMs)
    try {
      if (startsBefore >= startsAllowed) {
        throw new Error(`the agent ended ${startsBefore} times in this action; it is not tried again`)
      }
      const action = this.#deps.findAction(command.image)
      const run = {
        ...runOf(command),
        signal: stop.signal,
        gate,
        log,
        progress: (done: number, total: number) => this.#deps.outbox.progress(command.actionId, done, total),
      }
      return { state: 'ACTION_STATE_SUCCESS', ...(await action(run, this.#deps.machine)) }
    } catch (error) {
      const why: unknown = stop.signal.aborted ? stop.signal.reason : error
      const state = why instanceof Stopped ? why.state : 'ACTION_STATE_FAILED'
      const isStopped = why instanceof Stopped && state === 'ACTION_STATE_FAILED'
      return { state, message: messageOf(why), isStopped }
    } finally {
      countdown.stop()
    }
  }
}

/** The server sends again what runs: its deadline counts from now on, and a pause is over. */
function goOn({ isOver, countdown, gate, log }: Running, { timeoutMs }: RunAction): void {
  if (isOver) return
  countdown.start(timeoutMs)
  if (gate.isOpen) return
  gate.open()
  log('going on')
}

function isSettled(known: Entry, command: RunAction): boolean {
  if (known.state === 'ACTION_STATE_SUCCESS') return true
  return hasEnded(known) && known.attempt >= command.attempt
}

function reportOf(command: RunAction, state: ActionState, message: string): ActionReport {
  const { workflowId, taskId, actionId, attempt } = command
  return { workflowId, taskId, actionId, attempt, state, message }
}
