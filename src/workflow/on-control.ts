import type { Condition } from '../model/workflow.ts'
import { close, conditionOf, end, isPaused, oneLine, withCondition } from './change.ts'
import type { Verdict } from './change.ts'
import type { ControlVerb, Of, Outcome, RunOptions, RunStatus } from './run.ts'
import { currentPlace } from './place.ts'
import { timeOf, timeText } from './timing.ts'

const live: readonly string[] = ['', 'PREPARING', 'PENDING', 'RUNNING']

/** Why this cannot be done to the run; `undefined` when it can, or has been done already. */
export function refusalOf(status: RunStatus, verb: ControlVerb): string | undefined {
  const state = status.state ?? ''
  if (live.includes(state) || (verb === 'cancel' && isCancelled(status))) return undefined
  const advice = state === 'POST' ? 'it ends by itself' : 'it has ended'
  return `it is ${state}, and PREPARING, PENDING or RUNNING is expected to ${verb} it: ${advice}`
}

/** Whether it was cancelled, netboot being switched off or not. */
function isCancelled(status: RunStatus): boolean {
  const verdict = conditionOf(status, 'Succeeded')
  return verdict?.status === 'False' && verdict.reason === 'Cancelled'
}

/** Who wants it and why, as an action's message. */
const sayOf = (what: string, { by, reason }: Of<ControlVerb>) =>
  oneLine(`${what} by ${by}${reason === '' ? '' : `: ${reason}`}`)

/** Ends the run where it stands. What runs is stopped; netboot is switched off again as after any other end. */
export function cancelled(
  status: RunStatus,
  event: Of<ControlVerb>,
  options: RunOptions,
): Outcome | undefined {
  const state = status.state ?? ''
  if (!live.includes(state)) return undefined
  const message = sayOf('cancelled', event)
  const verdict: Verdict = { state: 'FAILED', reason: 'Cancelled', message }
  const place = currentPlace(status)
  // Netboot was never switched on for a run that was not planned.
  const netboot = state === '' ? { toggleAllowNetboot: false } : options
  if (!place) return close({ ...status, currentState: { state: 'FAILED' } }, verdict, event.at, netboot)
  const outcome = end(status, place, verdict, event.at, netboot)
  const { task, action } = place
  if (action.state !== 'RUNNING') return outcome
  const stop = {
    type: 'cancel-action',
    agentId: task.agentID,
    actionId: action.id,
    reason: message,
  } as const
  return { ...outcome, commands: [stop, ...outcome.commands] }
}

/** From here on nothing is handed out, and no deadline runs. */
export function paused(status: RunStatus, event: Of<ControlVerb>): Outcome | undefined {
  if (isPaused(status) || !live.includes(status.state ?? '')) return undefined
  const message = sayOf('paused', event)
  const next = withCondition(status, conditionAt(event, 'True', 'Requested', message))
  const place = currentPlace(next)
  if (place?.action.state !== 'RUNNING') return { status: next, commands: [] }
  const { task, action } = place
  return {
    status: next,
    commands: [{ type: 'pause-action', agentId: task.agentID, actionId: action.id, reason: message }],
  }
}

/** Goes on: all deadlines are later by as much as the pause has lasted. */
export function resumed(status: RunStatus, event: Of<ControlVerb>): Outcome | undefined {
  if (!isPaused(status) || !live.includes(status.state ?? '')) return undefined
  const lasted = Math.max(0, event.at - (timeOf(conditionOf(status, 'Paused')?.time) ?? event.at))
  const next = withCondition(status, conditionAt(event, 'False', 'Resumed', sayOf('resumed', event)))
  const stop = timeOf(status.globalExecutionStop)
  const isRunning = currentPlace(status)?.action.state === 'RUNNING'
  const pausedMs = (status.ironwake?.pausedMs ?? 0) + lasted
  return {
    status: {
      ...next,
      ...(stop === undefined ? {} : { globalExecutionStop: timeText(stop + lasted) }),
      ...(isRunning ? { ironwake: { ...status.ironwake, pausedMs } } : {}),
    },
    commands: [],
  }
}

const conditionAt = (
  { at }: Of<ControlVerb>,
  status: 'True' | 'False',
  reason: string,
  message: string,
): Condition => ({
  type: 'Paused',
  status,
  reason,
  message,
  time: timeText(at),
})
