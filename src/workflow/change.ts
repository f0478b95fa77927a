import type { ActionStatus, Condition, TaskStatus } from '../model/workflow.ts'
import type { Boot, Outcome, RunCommand, RunNotes, RunOptions, RunStatus } from './run.ts'
import type { Place } from './place.ts'
import { durationText, timeOf, timeText } from './timing.ts'

/** How an action, and with it a run, has ended. */
export type Verdict = { state: 'SUCCESS' | 'FAILED' | 'TIMEOUT'; reason: string; message: string }

/** `status` with this action in that place, and `currentState` pointing at it. */
export function withAction(
  status: RunStatus,
  place: Place,
  action: ActionStatus,
  state = action.state,
): RunStatus {
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

/** What the status says of this. */
export function conditionOf(status: RunStatus, type: string): Condition | undefined {
  return status.conditions?.find((condition) => condition.type === type)
}

const isTrue = (status: RunStatus, type: string) => conditionOf(status, type)?.status === 'True'

/** Whether somebody has stopped the run for a while. */
export const isPaused = (status: RunStatus): boolean => isTrue(status, 'Paused')

/** Whether the agent of the action that runs has not been heard for too long. */
export const isSilent = (status: RunStatus): boolean => isTrue(status, 'AgentSilent')

/** The notes that hold for the whole run. */
export const lastingNotes = ({ ironwake }: RunStatus): RunNotes =>
  ironwake?.actions === undefined ? {} : { actions: ironwake.actions }

export const bootNotes = ({ bootId, session }: Boot): RunNotes => ({
  ...(bootId === '' ? {} : { bootId }),
  ...(session === undefined ? {} : { session }),
})

type Start = Boot & { at: number; attempt?: number; message?: string; failures?: number; lastError?: string }

/** Starts the action. The first start of all also sets the end that the whole run has in time. */
export function start(status: RunStatus, place: Place, how: Start): Outcome {
  const { executionStop: _, executionDuration: __, message: ___, ...rest } = place.action
  const action: ActionStatus = {
    ...rest,
    state: 'RUNNING',
    executionStart: timeText(how.at),
    ...(how.message === undefined ? {} : { message: how.message }),
  }
  const { failures = 0, lastError = '' } = how
  const seconds = status.globalTimeout ?? 0
  const isFirst = status.globalExecutionStop === undefined && seconds > 0
  const next: RunStatus = {
    ...withAction(status, place, action),
    state: 'RUNNING',
    ...(isFirst ? { globalExecutionStop: timeText(how.at + seconds * 1000) } : {}),
    ironwake: {
      ...lastingNotes(status),
      ...bootNotes(how),
      attempt: how.attempt ?? 1,
      ...(failures > 0 ? { failures, lastError } : {}),
    },
  }
  return { status: next, commands: [{ type: 'run-action' }] }
}

/** The action as it is after its end. */
export function ended(action: ActionStatus, state: string, message: string, at: number): ActionStatus {
  const executionDuration = durationText(at - (timeOf(action.executionStart) ?? at))
  return { ...action, state, message, executionStop: timeText(at), executionDuration }
}

/** Ends the action (if it ran) and with it the run. */
export function end(
  status: RunStatus,
  place: Place,
  verdict: Verdict,
  at: number,
  options: RunOptions,
): Outcome {
  const { task, action } = place
  const last =
    action.state === 'PENDING'
      ? { ...action, message: verdict.message }
      : ended(action, verdict.state, verdict.message, at)
  const message = `action "${action.name}" of task "${task.name}": ${verdict.message || 'no reason given'}`
  const closing = withAction(status, place, last, verdict.state)
  return close(closing, { ...verdict, message }, at, options)
}

/** Ends the run. */
export function close(status: RunStatus, verdict: Verdict, at: number, options: RunOptions): Outcome {
  const { state, reason, message } = verdict
  const time = timeText(at)
  const succeeded = state === 'SUCCESS' ? 'True' : 'False'
  const over = { type: 'Paused', status: 'False', reason: 'Ended', message: 'the run has ended', time }
  const going = isPaused(status) ? withCondition(status, over) : status
  const next = {
    ...withCondition(going, { type: 'Succeeded', status: succeeded, reason, message, time }),
    state: options.toggleAllowNetboot ? 'POST' : state,
  }
  return { status: next, commands: commandsOf(next) }
}

/** The commands that follow from a saved status alone: what a restarted server has to do again. */
export function commandsOf(status: RunStatus): RunCommand[] {
  if (status.state === 'PREPARING') return [{ type: 'allow-netboot', allowed: true }]
  if (status.state === 'POST') return [{ type: 'allow-netboot', allowed: false }]
  return []
}

/** An agent's text as one printable line of at most 1000 characters. */
export function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim()
  return clean.length > 1000 ? `${clean.slice(0, 999)}…` : clean
}
