import type { ActionStatus, TaskStatus, WorkflowStatus } from '../model/workflow.ts'

/** An action and where it stands. */
export type Place = { taskIndex: number; actionIndex: number; task: TaskStatus; action: ActionStatus }

/** The first action that has not succeeded: the one that runs, failed, or is next. */
export function currentPlace(status: WorkflowStatus): Place | undefined {
  for (const [taskIndex, task] of (status.tasks ?? []).entries()) {
    const actionIndex = task.actions.findIndex(({ state }) => state !== 'SUCCESS')
    if (actionIndex >= 0) return { taskIndex, actionIndex, task, action: task.actions[actionIndex]! }
  }
  return undefined
}

/** The action after `place`, in a later task when its own has no more. */
export function followingPlace(status: WorkflowStatus, place: Place): Place | undefined {
  return neighbour(status, place, 1)
}

/** The action before `place`, whichever task it belongs to. */
export function precedingPlace(status: WorkflowStatus, place: Place): Place | undefined {
  return neighbour(status, place, -1)
}

function neighbour(status: WorkflowStatus, place: Place, step: 1 | -1): Place | undefined {
  const tasks = status.tasks ?? []
  let { taskIndex } = place
  let actionIndex = place.actionIndex + step
  for (let task = tasks[taskIndex]; task; task = tasks[(taskIndex += step)]) {
    const action = task.actions[actionIndex]
    if (action) return { taskIndex, actionIndex, task, action }
    actionIndex = step > 0 ? 0 : (tasks[taskIndex - 1]?.actions.length ?? 0) - 1
  }
  return undefined
}
