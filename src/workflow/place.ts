import type { ActionStatus, TaskStatus, WorkflowStatus } from '../model/workflow.ts'

/** An action and where it stands. */
export type Place = { taskIndex: number; actionIndex: number; task: TaskStatus; action: ActionStatus }

function places(status: WorkflowStatus): Place[] {
  return (status.tasks ?? []).flatMap((task, taskIndex) =>
    task.actions.map((action, actionIndex) => ({ taskIndex, actionIndex, task, action })),
  )
}

/** The first action that has not succeeded: the one that runs, failed, or is next. */
export function currentPlace(status: WorkflowStatus): Place | undefined {
  return places(status).find(({ action }) => action.state !== 'SUCCESS')
}

/** The action after `place`, in the next task when its own has no more. */
export function followingPlace(status: WorkflowStatus, place: Place): Place | undefined {
  const all = places(status)
  return all[indexOf(all, place) + 1]
}

/** The action before `place`, whichever task it belongs to. */
export function precedingPlace(status: WorkflowStatus, place: Place): Place | undefined {
  const all = places(status)
  return all[indexOf(all, place) - 1]
}

function indexOf(all: readonly Place[], place: Place): number {
  return all.findIndex((one) => one.taskIndex === place.taskIndex && one.actionIndex === place.actionIndex)
}
