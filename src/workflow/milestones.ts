import type { ActionStatus } from '../model/workflow.ts'
import type { Facts, Stage } from '../timeline/stage.ts'
import type { RunStatus } from './run.ts'
import { timeOf } from './timing.ts'

/** A stage that a machine has reached; `agentId` is the agent of the task, as spelled there. */
export type Milestone = { agentId: string; stage: Stage; facts: Facts; actionId?: string }

const terminal: readonly string[] = ['SUCCESS', 'FAILED', 'TIMEOUT']

/** What the change from `before` to `after` means for the machines' timelines, in order. */
export function milestonesOf(workflow: string, before: RunStatus, after: RunStatus): Milestone[] {
  const agentId = after.agentID ?? ''
  const found: Milestone[] = []
  if (before.state !== 'RUNNING' && after.state === 'RUNNING')
    found.push({ agentId, stage: 'workflow-started', facts: { workflow } })
  const old = new Map(before.tasks?.flatMap((task) => task.actions.map((action) => [action.id, action])))
  for (const task of after.tasks ?? []) {
    for (const action of task.actions) {
      const stage = actionStage(old.get(action.id), action)
      if (stage === undefined) continue
      const facts = stage === 'action-started' ? startFacts(action, after) : endFacts(action)
      found.push({ agentId: task.agentID, stage, facts, actionId: action.id })
    }
  }
  if (!terminal.includes(before.state ?? '') && terminal.includes(after.state ?? ''))
    found.push({
      agentId,
      stage: 'workflow-ended',
      facts: { workflow, state: after.state!, ...byWhom(after) },
    })
  return found
}

/** A run that somebody has ended says who, and why. */
function byWhom({ conditions }: RunStatus): Facts {
  const verdict = conditions?.find(({ type }) => type === 'Succeeded')
  return verdict?.reason === 'Cancelled' ? { why: (verdict.message ?? '').slice(0, 200) } : {}
}

function actionStage(before: ActionStatus | undefined, after: ActionStatus): Stage | undefined {
  if (after.state === 'RUNNING')
    return before?.state === 'RUNNING' && before.executionStart === after.executionStart
      ? undefined
      : 'action-started'
  // One that was never known otherwise has succeeded in another Workflow.
  if (before === undefined) return undefined
  const hasEnded = terminal.includes(after.state) && before.state !== after.state
  const triesAgain = before.state === 'RUNNING' && after.state === 'PENDING'
  return hasEnded || triesAgain ? 'action-ended' : undefined
}

function startFacts(action: ActionStatus, status: RunStatus): Facts {
  const attempt = status.ironwake?.attempt ?? 1
  return { action: action.name, ...(attempt > 1 ? { attempt } : {}) }
}

function endFacts(action: ActionStatus): Facts {
  const [start, stop] = [timeOf(action.executionStart), timeOf(action.executionStop)]
  const ms = start !== undefined && stop !== undefined ? { ms: stop - start } : {}
  const why = action.state !== 'SUCCESS' && action.message ? { why: action.message.slice(0, 200) } : {}
  const state = action.state === 'PENDING' ? 'FAILED' : action.state
  return { action: action.name, state, ...ms, ...why }
}
