import type { Condition } from '../model/workflow.ts'
import { fail, tryAgain, waitsForTry } from './again.ts'
import { awaitsReboot, bootOf, isOtherBoot } from './boot-of.ts'
import {
  bootNotes,
  close,
  end,
  ended,
  isPaused,
  isSilent,
  lastingNotes,
  oneLine,
  start,
  withAction,
  withCondition,
} from './change.ts'
import type { Verdict } from './change.ts'
import type { Of, Outcome, RunNotes, RunOptions, RunStatus } from './run.ts'
import { currentPlace, followingPlace, precedingPlace } from './place.ts'
import type { Place } from './place.ts'
import { endsUnseen, reboots } from './reboot.ts'
import { durationText, timeText } from './timing.ts'

/** How often an action is started when the machine restarts in the middle of it. */
export const maxAttempts = 3

export function agentReady(
  status: RunStatus,
  event: Of<'agent-ready'>,
  options: RunOptions,
): Outcome | undefined {
  const place = currentPlace(status)
  if (!place) return nothingToDo(status, event, options)
  if (place.task.agentID !== event.agentId) return undefined
  if (status.state === 'PENDING') return isPaused(status) ? undefined : start(status, place, event)
  if (status.state !== 'RUNNING') return undefined
  if (place.action.state !== 'RUNNING') return startNext(status, place, event)
  const isOther = isOtherBoot(status, event)
  if (isOther && reboots(place.action))
    return succeed(status, place, 'the machine has restarted', event, options)
  if (isPaused(status)) return isOther ? undefined : { status, commands: [pauseCommand(place)] }
  return isOther ? startAgain(status, place, event, options) : { status, commands: [{ type: 'run-action' }] }
}

const pauseCommand = ({ task, action }: Place) =>
  ({
    type: 'pause-action',
    agentId: task.agentID,
    actionId: action.id,
    reason: 'the Workflow is paused',
  }) as const

/** Starts an action that waits for its agent, if there is nothing else that it waits for. */
function startNext(status: RunStatus, place: Place, event: Of<'agent-ready'>): Outcome | undefined {
  if (isPaused(status)) return undefined
  if (waitsForTry(status)) return tryAgain(status, place, event)
  return awaitsReboot(status, place, event) ? undefined : start(status, place, event)
}

/** It is not heard any more: one that was about to end its boot has done so, any other is noted as silent. */
export function agentLost(
  status: RunStatus,
  event: Of<'agent-lost'>,
  options: RunOptions,
): Outcome | undefined {
  const place = currentPlace(status)
  if (status.state !== 'RUNNING' || place?.task.agentID !== event.agentId) return undefined
  const isRunning = place.action.state === 'RUNNING'
  if (isRunning && status.ironwake?.isLeaving === true)
    return succeed(status, place, 'the machine has left', event, options)
  if (isSilent(status) || !(isRunning || waitsForTry(status))) return undefined
  const since = timeText(event.since)
  const message = `agent ${event.agentId} has not been heard since ${since}`
  const condition: Condition = {
    type: 'AgentSilent',
    status: 'True',
    reason: 'NotHeard',
    message,
    time: since,
  }
  return { status: withCondition(status, condition), commands: [] }
}

/** Notes that a silent agent is back. */
export function agentHeard(status: RunStatus, { agentId, at }: { agentId: string; at: number }): RunStatus {
  if (status.state !== 'RUNNING' || status.agentID !== agentId || !isSilent(status)) return status
  const since = Date.parse(status.conditions!.find(({ type }) => type === 'AgentSilent')!.time ?? '')
  const message = `agent ${agentId} is back after ${durationText(at - since)}`
  const condition = { type: 'AgentSilent', status: 'False', reason: 'Heard', message, time: timeText(at) }
  return withCondition(status, condition)
}

/** A planned run without a single action has succeeded as soon as its agent is there. */
function nothingToDo(status: RunStatus, event: Of<'agent-ready'>, options: RunOptions): Outcome | undefined {
  if (status.state !== 'PENDING' || status.agentID !== event.agentId || isPaused(status)) return undefined
  const verdict: Verdict = { state: 'SUCCESS', reason: 'Completed', message: 'there are no actions' }
  return close({ ...status, currentState: { state: 'SUCCESS' } }, verdict, event.at, options)
}

function startAgain(
  status: RunStatus,
  place: Place,
  event: Of<'agent-ready'>,
  options: RunOptions,
): Outcome | undefined {
  const { attempt = 1, failures = 0, lastError = '' } = status.ironwake ?? {}
  const restarts = attempt - failures
  if (restarts >= maxAttempts) {
    const message = `the machine restarted during this action ${restarts} times; it is not started again`
    return end(status, place, { state: 'FAILED', reason: 'MachineRestarted', message }, event.at, options)
  }
  const which = `attempt ${attempt + 1} of ${maxAttempts + failures}`
  const message = `the machine restarted during attempt ${attempt}; ${which}`
  return start(status, place, { ...event, attempt: attempt + 1, message, failures, lastError })
}

export function reported(status: RunStatus, event: Of<'reported'>, options: RunOptions): Outcome | undefined {
  if (status.state !== 'RUNNING') return undefined
  const place = currentPlace(status)
  if (!place) return undefined
  if (place.action.id !== event.actionId) return failedReboot(status, place, event, options)
  if (place.task.agentID !== event.agentId) return undefined
  if (place.action.state !== 'RUNNING') return begun(status, place, event)
  const attempt = status.ironwake?.attempt ?? 1
  if (event.attempt !== 0 && event.attempt !== attempt) return undefined
  const message = oneLine(event.message)
  const { state } = event
  if (state === 'RUNNING')
    return endsUnseen(place.action)
      ? succeed(status, place, 'the machine restarts', event, options)
      : leaving(status, place, event)
  if (state === 'SUCCESS') return succeed(status, place, message, event, options)
  const reason = state === 'FAILED' ? 'ActionFailed' : 'ActionTimeout'
  return fail(status, place, { state, reason, message }, event.at, options)
}

/** tink-worker goes from one action to the next without asking: that it begins the next one is how it asks. */
function begun(status: RunStatus, place: Place, event: Of<'reported'>): Outcome | undefined {
  const { agentId, session, at } = event
  if (event.state !== 'RUNNING' || session === undefined) return undefined
  return startNext(status, place, { type: 'agent-ready', agentId, bootId: '', session, at })
}

/** An agent that has no boot id runs what ends its boot: its next connection will come from another one. */
function leaving(status: RunStatus, place: Place, { session }: Of<'reported'>): Outcome | undefined {
  if (session === undefined || !reboots(place.action)) return undefined
  if (status.ironwake?.isLeaving === true && status.ironwake.session === session) return undefined
  return { status: { ...status, ironwake: { ...status.ironwake, session, isLeaving: true } }, commands: [] }
}

export function phonedHome(
  status: RunStatus,
  event: Of<'phoned-home'>,
  options: RunOptions,
): Outcome | undefined {
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
  if (place.action.state === 'RUNNING' || waitsForTry(status) || !reboots(before.action)) return undefined
  if (event.state !== 'FAILED' && event.state !== 'TIMEOUT') return undefined
  const reason = event.state === 'FAILED' ? 'ActionFailed' : 'ActionTimeout'
  const verdict: Verdict = { state: event.state, reason, message: oneLine(event.message) }
  return end(status, before, verdict, event.at, options)
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
  const done = {
    ...withAction(status, place, ended(place.action, 'SUCCESS', message, event.at)),
    ironwake: notesAfter(status, boot, event.type),
  }
  const next = followingPlace(done, place)
  if (!next) {
    const verdict: Verdict = { state: 'SUCCESS', reason: 'Completed', message: 'all actions succeeded' }
    return close(done, verdict, event.at, options)
  }
  const isHere = next.task.agentID === place.task.agentID && !isPaused(done)
  if (isHere && !awaitsReboot(done, next, boot)) return start(done, next, { at: event.at, ...boot })
  return { status: { ...done, agentID: next.task.agentID }, commands: [] }
}

/** What is still to be known of an action that has succeeded. */
function notesAfter(status: RunStatus, boot: ReturnType<typeof bootOf>, type: string): RunNotes {
  const { bootId, session, isLeaving, attempt } = status.ironwake ?? {}
  if (boot.session !== undefined && type !== 'agent-ready')
    return { ...lastingNotes(status), ...bootNotes(boot), attempt: attempt ?? 1 }
  return {
    ...lastingNotes(status),
    ...(bootId === undefined ? {} : { bootId }),
    ...(session === undefined ? {} : { session }),
    ...(isLeaving === undefined ? {} : { isLeaving }),
    ...(attempt === undefined ? {} : { attempt }),
  }
}
