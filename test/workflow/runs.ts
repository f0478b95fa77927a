import type { ActionStatus, TaskStatus } from '../../src/model/workflow.ts'
import type { RunStatus } from '../../src/workflow/run.ts'

export const t0 = Date.parse('2026-05-01T10:00:00.000Z')
export const mac = '52:54:00:00:00:01'
export const otherMac = '52:54:00:00:00:02'

export function action(id: string, extra: Partial<ActionStatus> = {}): ActionStatus {
  const image = 'registry.example/actions/image2disk:v1'
  return { id, name: `do ${id}`, image, timeout: 60, state: 'PENDING', ...extra }
}

export function task(id: string, agentID: string, actions: ActionStatus[]): TaskStatus {
  return { id, name: `task ${id}`, agentID, actions }
}

export function pending(tasks: TaskStatus[], extra: Partial<RunStatus> = {}): RunStatus {
  const agentID = tasks[0]?.agentID ?? mac
  return { state: 'PENDING', agentID, templateRendering: 'successful', tasks, ...extra }
}

export const reboot = (id: string, image = '127.0.0.1/embedded/reboot') =>
  action(id, { name: 'reboot', image })
