import type { Condition } from '../model/workflow.ts'
import { fail, tryDue, waitsForTry } from './again.ts'
import { end, isPaused, withCondition } from './change.ts'
import { agentHeard, agentLost, agentReady, phonedHome, reported } from './on-agent.ts'
import { cancelled, paused, resumed } from './on-control.ts'
import { currentPlace } from './place.ts'
import type { Of, Outcome, RunEvent, RunOptions, RunStatus } from './run.ts'
import { graceMs, runningDeadline, secondsFor, timeOf, timeText } from './timing.ts'

/**
 * One transition of a Workflow. An event that does not apply (late, duplicate, of another agent, after the end)
 * gives back the same status object; no command follows from it, but `agent-ready` repeats that of a running action.
 *
 * PREPARING → PENDING → RUNNING → [POST →] SUCCESS | FAILED | TIMEOUT. POST, with the outcome in `currentState.state`,
 * lasts until netboot is switched off again and is entered after a failure too. Actions run one after the other, tasks
 * too. An action that ends the boot (reboot, kexec) has succeeded when it says so, when the machine is back with another
 * boot, or when the installed system phones home; one whose agent may be gone before it can say more has already
 * succeeded when it reports RUNNING. What follows it waits for another boot. Any other action that a restart of the
 * machine interrupts is started again, `maxAttempts` times in all, and one that fails as often as its template says; one
 * that has succeeded never is. While the run is paused nothing is started, and no deadline counts.
 *
 * Of agents without a boot id (Tinkerbell's) a restart is not seen: they get the action that runs once more. Only after
 * such a one has said that it runs an action that ends the boot, another connection of it counts as another boot, and its
 * loss as success.
 */
export function step(status: RunStatus, event: RunEvent, options: RunOptions): Outcome {
  const heard = event.type === 'agent-ready' || event.type === 'reported' ? agentHeard(status, event) : status
  return transition(heard, event, options) ?? { status: heard, commands: [] }
}

function transition(status: RunStatus, event: RunEvent, options: RunOptions): Outcome | undefined {
  switch (event.type) {
    case 'agent-ready':
      return agentReady(status, event, options)
    case 'agent-lost':
      return agentLost(status, event, options)
    case 'reported':
      return reported(status, event, options)
    case 'tick':
      return ticked(status, event.at, options)
    case 'phoned-home':
      return phonedHome(status, event, options)
    case 'netboot-set':
      return netbootSet(status, event)
    case 'cancel':
      return cancelled(status, event, options)
    case 'pause':
      return paused(status, event)
    case 'resume':
      return resumed(status, event)
  }
}

/** Whether the run goes on as soon as an agent is there for it. */
export function wantsAgent(status: RunStatus): boolean {
  if (isPaused(status)) return false
  if (status.state === 'PENDING') return true
  if (status.state !== 'RUNNING' || status.ironwake?.nextTryAt !== undefined) return false
  return currentPlace(status)?.action.state !== 'RUNNING'
}

/** Whether its agent is to be there now: it runs an action, or is about to try one again. */
export function countsOnAgent(status: RunStatus): boolean {
  if (status.state !== 'RUNNING') return false
  return currentPlace(status)?.action.state === 'RUNNING' || waitsForTry(status)
}

function ticked(status: RunStatus, at: number, options: RunOptions): Outcome | undefined {
  if (status.state !== 'RUNNING' || isPaused(status)) return undefined
  const place = currentPlace(status)
  if (!place) return undefined
  const stop = timeOf(status.globalExecutionStop)
  const due = runningDeadline(status)
  const { task, action } = place
  const isLate = due !== undefined && at >= due + graceMs
  const isOver = stop !== undefined && at >= stop
  if (!isLate && !isOver) return tryDue(status, at)
  const message = isLate
    ? `no result within ${secondsFor(action)} s`
    : `workflow not ended within ${status.globalTimeout} s`
  const reason = isLate ? 'ActionTimeout' : 'WorkflowTimeout'
  const conclude = isOver ? end : fail
  const outcome = conclude(status, place, { state: 'TIMEOUT', reason, message }, at, options)
  if (action.state !== 'RUNNING') return outcome
  const cancel = { agentId: task.agentID, actionId: action.id, reason: message }
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
