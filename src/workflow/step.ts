import type { ActionStatus, Condition, TaskStatus, WorkflowStatus } from '../model/workflow.ts'
import { currentPlace, followingPlace, precedingPlace } from './place.ts'
import type { Place } from './place.ts'
import { endsUnseen, reboots } from './reboot.ts'
import { actionDeadline, durationText, graceMs, secondsFor, timeOf, timeText } from './timing.ts'

/**
 * What v1alpha1 has no field for, kept under `status.ironwake` because it must live and die with the run state that it
 * explains: one write changes both. `bootId` is the boot of the machine that got the current (or latest) action,
 * `attempt` counts from 1 how often that action was started. `session` stands in for `bootId` where the agent has none:
 * the connection over which it got that action. `isLeaving`: it has said that it runs the action that ends its boot. All
 * may be absent: nothing is then known.
 */
export type RunNotes = { bootId?: string; attempt?: number; session?: string; isLeaving?: true }

/** Which boot of a machine an agent speaks from; `session` is there when it cannot say. */
export type Boot = { bootId: string; session?: string }

/** Workflow.status with ironwake's own notes. */
export type RunStatus = WorkflowStatus & { ironwake?: RunNotes }

export type ReportedState = 'RUNNING' | 'SUCCESS' | 'FAILED' | 'TIMEOUT'

/**
 * What happened; `at` is the server's epoch ms. `agentId` is spelled as in the task. `agent-ready`: an agent connected,
 * or became free. `agent-lost`: it has not been heard for so long that it is not expected back. `phoned-home`: the
 * installed system of the machine said that it runs. `netboot-set`: what the command `allow-netboot` asked for is done
 * (`fault`: cannot be done).
 */
export type RunEvent =
  | ({ type: 'agent-ready'; agentId: string; at: number } & Boot)
  | { type: 'agent-lost'; agentId: string; at: number }
  | {
      type: 'reported'
      agentId: string
      actionId: string
      /** the attempt that the agent was given; 0 when it does not say */
      attempt: number
      state: ReportedState
      message: string
      /** as in `Boot` */
      session?: string
      at: number
    }
  | { type: 'tick'; at: number }
  | { type: 'phoned-home'; at: number }
  | { type: 'netboot-set'; allowed: boolean; fault?: string; at: number }

/** What is to be done once the status is saved; doing it twice is harmless. */
export type RunCommand =
  | { type: 'run-action' }
  | { type: 'cancel-action'; agentId: string; actionId: string; reason: string }
  | { type: 'allow-netboot'; allowed: boolean }

/** `toggleAllowNetboot` as in spec.bootOptions. */
export type RunOptions = { toggleAllowNetboot: boolean }

export type Outcome = { status: RunStatus; commands: RunCommand[] }

/** How often an action is started when the machine restarts in the middle of it. */
export const maxAttempts = 3

/**
 * One transition of a planned Workflow. An event that does not apply (late, duplicate, of another agent, after the end)
 * gives back the same status object; no command follows from it, but `agent-ready` repeats that of a running action.
 *
 * PREPARING → PENDING → RUNNING → [POST →] SUCCESS | FAILED | TIMEOUT. POST, with the outcome in `currentState.state`,
 * lasts until netboot is switched off again and is entered after a failure too. Actions run one after the other, tasks
 * too. An action that ends the boot (reboot, kexec) has succeeded when it says so, when the machine is back with another
 * boot, or when the installed system phones home; one whose agent may be gone before it can say more has already
 * succeeded when it reports RUNNING. What follows it waits for another boot. Any other action that a restart of the
 * machine interrupts is started again, `maxAttempts` times in all; one that has succeeded never is.
 *
 * Of agents without a boot id (Tinkerbell's) a restart is not seen: they get the action that runs once more. Only after
 * such a one has said that it runs an action that ends the boot, another connection of it counts as another boot, and its
 * loss as success.
 */
export function step(status: RunStatus, event: RunEvent, options: RunOptions): Outcome {
  const stay: Outcome = { status, commands: [] }
  switch (event.type) {
    case 'agent-ready':
      return agentReady(status, event, options) ?? stay
    case 'agent-lost':
      return agentLost(status, event, options) ?? stay
    case 'reported':
      return reported(status, event, options) ?? stay
    case 'tick':
      return ticked(status, event.at, options) ?? stay
    case 'phoned-home':
      return phonedHome(status, event, options) ?? stay
    case 'netboot-set':
      return netbootSet(status, event) ?? stay
  }
}

/** The commands that follow from a saved status alone: what a restarted server has to do again. */
export function commandsOf(status: RunStatus): RunCommand[] {
  if (status.state === 'PREPARING') return [{ type: 'allow-netboot', allowed: true }]
  if (status.state === 'POST') return [{ type: 'allow-netboot', allowed: false }]
  return []
}

/** Whether the run goes on as soon as an agent is there for it. */
export function wantsAgent(status: RunStatus): boolean {
  if (status.state === 'PENDING') return true
  return status.state === 'RUNNING' && currentPlace(status)?.action.state !== 'RUNNING'
}

type Of<T extends RunEvent['type']> = Extract<RunEvent, { type: T }>

function agentReady(status: RunStatus, event: Of<'agent-ready'>, options: RunOptions): Outcome | undefined {
  const place = currentPlace(status)
  if (!place) return nothingToDo(status, event, options)
  if (place.task.agentID !== event.agentId) return undefined
  if (status.state === 'PENDING') return start(status, place, event)
  if (status.state !== 'RUNNING') return undefined
  if (place.action.state !== 'RUNNING') {
    return awaitsReboot(status, place, event) ? undefined : start(status, place, event)
  }
  if (!isOtherBoot(status, event)) return { status, commands: [{ type: 'run-action' }] }
  if (reboots(place.action)) return succeed(status, place, 'the machine has restarted', event, options)
  return startAgain(status, place, event, options)
}

function agentLost(status: RunStatus, event: Of<'agent-lost'>, options: RunOptions): Outcome | undefined {
  const place = currentPlace(status)
  if (status.state !== 'RUNNING' || place?.action.state !== 'RUNNING') return undefined
  if (status.ironwake?.isLeaving !== true || place.task.agentID !== event.agentId) return undefined
  return succeed(status, place, 'the machine has left', event, options)
}

/** A planned run without a single action has succeeded as soon as its agent is there. */
function nothingToDo(status: RunStatus, event: Of<'agent-ready'>, options: RunOptions): Outcome | undefined {
  if (status.state !== 'PENDING' || status.agentID !== event.agentId) return undefined
  const verdict: Verdict = { state: 'SUCCESS', reason: 'Completed', message: 'there are no actions' }
  return close({ ...status, currentState: { state: 'SUCCESS' } }, verdict, event.at, options)
}

function startAgain(
  status: RunStatus,
  place: Place,
  event: Of<'agent-ready'>,
  options: RunOptions,
): Outcome | undefined {
  const attempt = status.ironwake?.attempt ?? 1
  if (attempt >= maxAttempts) {
    const message = `the machine restarted during this action ${attempt} times; it is not started again`
    return end(status, place, { state: 'FAILED', reason: 'MachineRestarted', message }, event.at, options)
  }
  const message = `the machine restarted during attempt ${attempt}; attempt ${attempt + 1} of ${maxAttempts}`
  return start(status, place, { ...event, attempt: attempt + 1, message })
}

function reported(status: RunStatus, event: Of<'reported'>, options: RunOptions): Outcome | undefined {
  if (status.state !== 'RUNNING') return undefined
  const place = currentPlace(status)
  if (!place) return undefined
  if (place.action.id !== event.actionId) return failedReboot(status, place, event, options)
  const attempt = status.ironwake?.attempt ?? 1
  if (place.action.state !== 'RUNNING' || place.task.agentID !== event.agentId) return undefined
  if (event.attempt !== 0 && event.attempt !== attempt) return undefined
  const message = oneLine(event.message)
  const { state } = event
  if (state === 'RUNNING')
    return endsUnseen(place.action)
      ? succeed(status, place, 'the machine restarts', event, options)
      : leaving(status, place, event)
  if (state === 'SUCCESS') return succeed(status, place, message, event, options)
  const reason = state === 'FAILED' ? 'ActionFailed' : 'ActionTimeout'
  return end(status, place, { state, reason, message }, event.at, options)
}

/** An agent that has no boot id runs what ends its boot: its next connection will come from another one. */
function leaving(status: RunStatus, place: Place, { session }: Of<'reported'>): Outcome | undefined {
  if (session === undefined || !reboots(place.action)) return undefined
  if (status.ironwake?.isLeaving === true && status.ironwake.session === session) return undefined
  return { status: { ...status, ironwake: { ...status.ironwake, session, isLeaving: true } }, commands: [] }
}

function phonedHome(status: RunStatus, event: Of<'phoned-home'>, options: RunOptions): Outcome | undefined {
  const place = currentPlace(status)
  if (status.state !== 'RUNNING' || place?.action.state !== 'RUNNING' || !reboots(place.action))
    return undefined
  return succeed(status, place, 'the installed system has phoned home', event, options)
}

/** A reboot that was taken for done, and then failed: what follows it would wait for ever. */
function failedReboot(
  status: RunStatus,
  place: Place,
  event: Of<'reported'>,
  options: RunOptions,
): Outcome | undefined {
  const before = precedingPlace(status, place)
  if (!before || before.action.id !== event.actionId || before.task.agentID !== event.agentId)
    return undefined
  if (place.action.state === 'RUNNING' || !reboots(before.action)) return undefined
  if (event.state !== 'FAILED' && event.state !== 'TIMEOUT') return undefined
  const reason = event.state === 'FAILED' ? 'ActionFailed' : 'ActionTimeout'
  return end(
    status,
    before,
    { state: event.state, reason, message: oneLine(event.message) },
    event.at,
    options,
  )
}

function ticked(status: RunStatus, at: number, options: RunOptions): Outcome | undefined {
  if (status.state !== 'RUNNING') return undefined
  const place = currentPlace(status)
  if (!place) return undefined
  const stop = timeOf(status.globalExecutionStop)
  const due = actionDeadline(place.action)
  const late = due !== undefined && at >= due + graceMs
  if (!late && (stop === undefined || at < stop)) return undefined
  const { task, action } = place
  const verdict: Verdict = late
    ? { state: 'TIMEOUT', reason: 'ActionTimeout', message: `no result within ${secondsFor(action)} s` }
    : {
        state: 'TIMEOUT',
        reason: 'WorkflowTimeout',
        message: `workflow not ended within ${status.globalTimeout} s`,
      }
  const outcome = end(status, place, verdict, at, options)
  if (action.state !== 'RUNNING') return outcome
  const cancel = { agentId: task.agentID, actionId: action.id, reason: verdict.message }
  return { ...outcome, commands: [{ type: 'cancel-action', ...cancel }, ...outcome.commands] }
}

function netbootSet(status: RunStatus, event: Of<'netboot-set'>): Outcome | undefined {
  const { allowed, fault, at } = event
  if (status.state !== (allowed ? 'PREPARING' : 'POST')) return undefined
  const condition: Condition = {
    type: allowed ? 'AllowNetbootTrue' : 'AllowNetbootFalse',
    status: fault === undefined ? 'True' : 'False',
    reason: fault === undefined ? 'Complete' : 'Error',
    message: fault ?? `set allowPXE to ${allowed}`,
    time: timeText(at),
  }
  const toggled = { [allowed ? 'toggledTrue' : 'toggledFalse']: fault === undefined }
  const bootOptions = {
    ...status.bootOptions,
    allowNetboot: { ...status.bootOptions?.allowNetboot, ...toggled },
  }
  const state = allowed
    ? fault === undefined
      ? 'PENDING'
      : 'FAILED'
    : (status.currentState?.state ?? 'FAILED')
  return { status: { ...withCondition(status, condition), bootOptions, state }, commands: [] }
}

/** The first start of all also sets the end that the whole run has in time. */
function start(
  status: RunStatus,
  place: Place,
  how: Boot & { at: number; attempt?: number; message?: string },
): Outcome {
  const { executionStop: _, executionDuration: __, message: ___, ...rest } = place.action
  const action: ActionStatus = {
    ...rest,
    state: 'RUNNING',
    executionStart: timeText(how.at),
    ...(how.message === undefined ? {} : { message: how.message }),
  }
  const seconds = status.globalTimeout ?? 0
  const first = status.globalExecutionStop === undefined && seconds > 0
  const next: RunStatus = {
    ...withAction(status, place, action),
    state: 'RUNNING',
    ...(first ? { globalExecutionStop: timeText(how.at + seconds * 1000) } : {}),
    ironwake: { ...noteOf(how), attempt: how.attempt ?? 1 },
  }
  return { status: next, commands: [{ type: 'run-action' }] }
}

/** Notes the success, then starts the next action if its agent is the one that is there and need not restart first. */
function succeed(
  status: RunStatus,
  place: Place,
  message: string,
  event: Of<'agent-ready'> | Of<'agent-lost'> | Of<'reported'> | Of<'phoned-home'>,
  options: RunOptions,
): Outcome {
  const boot = bootOf(status, event)
  const ironwake = { ...noteOf(boot), attempt: status.ironwake?.attempt ?? 1 }
  const done = {
    ...withAction(status, place, ended(place.action, 'SUCCESS', message, event.at)),
    ...(boot.session === undefined || event.type === 'agent-ready' ? {} : { ironwake }),
  }
  const next = followingPlace(done, place)
  if (!next)
    return close(
      done,
      { state: 'SUCCESS', reason: 'Completed', message: 'all actions succeeded' },
      event.at,
      options,
    )
  const here = next.task.agentID === place.task.agentID
  if (here && !awaitsReboot(done, next, boot)) return start(done, next, { at: event.at, ...boot })
  return { status: { ...done, agentID: next.task.agentID }, commands: [] }
}

type Verdict = { state: 'SUCCESS' | 'FAILED' | 'TIMEOUT'; reason: string; message: string }

/** Ends the action (if it ran) and with it the run. */
function end(status: RunStatus, place: Place, verdict: Verdict, at: number, options: RunOptions): Outcome {
  const { task, action } = place
  const never = action.state === 'PENDING'
  const last = never
    ? { ...action, message: verdict.message }
    : ended(action, verdict.state, verdict.message, at)
  const message = `action "${action.name}" of task "${task.name}": ${verdict.message || 'no reason given'}`
  const closing = withAction(status, place, last, verdict.state)
  return close(closing, { ...verdict, message }, at, options)
}

function close(status: RunStatus, verdict: Verdict, at: number, options: RunOptions): Outcome {
  const { state, reason, message } = verdict
  const succeeded = state === 'SUCCESS' ? 'True' : 'False'
  const condition = { type: 'Succeeded', status: succeeded, reason, message, time: timeText(at) }
  const next = { ...withCondition(status, condition), state: options.toggleAllowNetboot ? 'POST' : state }
  return { status: next, commands: commandsOf(next) }
}

function ended(action: ActionStatus, state: string, message: string, at: number): ActionStatus {
  const executionDuration = durationText(at - (timeOf(action.executionStart) ?? at))
  return { ...action, state, message, executionStop: timeText(at), executionDuration }
}

/** `status` with this action in that place, and `currentState` pointing at it. */
function withAction(status: RunStatus, place: Place, action: ActionStatus, state = action.state): RunStatus {
  const { task } = place
  const actions = task.actions.with(place.actionIndex, action)
  const tasks: TaskStatus[] = status.tasks!.with(place.taskIndex, { ...task, actions })
  const currentState = {
    agentID: task.agentID,
    taskID: task.id,
    actionID: action.id,
    state,
    actionName: action.name,
    taskName: task.name,
  }
  return { ...status, agentID: task.agentID, tasks, currentState }
}

/** `status` with this condition in the place of the one of its type. */
export function withCondition(status: RunStatus, condition: Condition): RunStatus {
  const others = (status.conditions ?? []).filter(({ type }) => type !== condition.type)
  return { ...status, conditions: [...others, condition] }
}

/** The boot that the next action is for: that of the event, as far as it says, else that of the action before. */
function bootOf(status: RunStatus, event: RunEvent): Boot {
  if (event.type === 'agent-ready')
    return { bootId: event.bootId, ...(event.session === undefined ? {} : { session: event.session }) }
  const { bootId = '', session } = status.ironwake ?? {}
  const told = event.type === 'reported' ? (event.session ?? session) : session
  return { bootId, ...(told === undefined ? {} : { session: told }) }
}

const noteOf = ({ bootId, session }: Boot): RunNotes => ({
  ...(bootId === '' ? {} : { bootId }),
  ...(session === undefined ? {} : { session }),
})

/** Whether the machine has certainly restarted since the agent was given the action that runs. */
function isOtherBoot(status: RunStatus, boot: Boot): boolean {
  const { bootId = '', session, isLeaving } = status.ironwake ?? {}
  if (isOtherKind(status, boot)) return true
  if (boot.session !== undefined) return isLeaving === true && session !== boot.session
  return bootId !== '' && boot.bootId !== '' && bootId !== boot.bootId
}

/** Whether one of the two is ironwake's own netboot OS and the other is not. */
function isOtherKind({ ironwake }: RunStatus, boot: Boot): boolean {
  if (ironwake?.session !== undefined) return boot.session === undefined
  return boot.session !== undefined && (ironwake?.bootId ?? '') !== ''
}

function awaitsReboot(status: RunStatus, place: Place, boot: Boot): boolean {
  const before = precedingPlace(status, place)
  if (!before || before.task.agentID !== place.task.agentID || !reboots(before.action)) return false
  if (isOtherKind(status, boot)) return false
  if (boot.session !== undefined) return status.ironwake?.session === boot.session
  return (status.ironwake?.bootId ?? '') !== '' && !isOtherBoot(status, boot)
}

/** An agent's text as one printable line of at most 1000 characters. */
function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim()
  return clean.length > 1000 ? `${clean.slice(0, 999)}…` : clean
}
