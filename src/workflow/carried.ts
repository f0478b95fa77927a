import { AppError } from '../model/error.ts'
import { isLive } from '../model/workflow.ts'
import type { ActionStatus, Workflow } from '../model/workflow.ts'
import type { ActionNotes, RunStatus } from './run.ts'
import { currentPlace } from './place.ts'
import { timeText } from './timing.ts'

/**
 * The plan of a run that goes on where `old` has ended: as it was rendered then, with ids of its own; what had succeeded
 * counts as done.
 * @param now epoch ms
 * @throws AppError Conflict when `old` has not ended, or was never planned
 */
export function carriedPlan(old: Workflow, newId: () => string, now: number): { status: RunStatus } {
  const { namespace, name } = old.metadata
  const before: RunStatus = old.status ?? {}
  const title = `Workflow ${namespace}/${name}`
  if (isLive(old)) throw new AppError('Conflict', `${title} has not ended: there is nothing to retry yet`)
  if (!before.tasks?.length) throw new AppError('Conflict', `${title} has no rendered plan`)
  const message = `carried over from ${namespace}/${name}`
  const notes: Record<string, ActionNotes> = {}
  const tasks = before.tasks.map((task) => ({
    ...task,
    id: newId(),
    actions: task.actions.map((action) => {
      const id = newId()
      const own = before.ironwake?.actions?.[action.id]
      if (own) notes[id] = own
      const isDone = action.state === 'SUCCESS'
      return { ...planned(action), id, state: isDone ? 'SUCCESS' : 'PENDING', ...(isDone && { message }) }
    }),
  }))
  const agentID = currentPlace({ tasks })?.task.agentID ?? tasks[0]!.agentID
  const condition = {
    type: 'TemplateRenderedSuccess',
    status: 'True',
    reason: 'Complete',
    message: `the plan of ${namespace}/${name}`,
    time: timeText(now),
  }
  return {
    status: {
      state: 'PENDING',
      templateRendering: 'successful',
      agentID,
      ...(before.globalTimeout === undefined ? {} : { globalTimeout: before.globalTimeout }),
      tasks,
      ...(Object.keys(notes).length === 0 ? {} : { ironwake: { actions: notes } }),
      conditions: [condition],
    },
  }
}

/** The action without what became of it. */
function planned(action: ActionStatus): ActionStatus {
  const { executionStart: _, executionStop: __, executionDuration: ___, message: ____, ...rest } = action
  return rest
}
