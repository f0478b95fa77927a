import type { Workflow } from '../model/workflow.ts'
import { isPaused } from './change.ts'

/** What a machine does, or does next: the run that has begun, else the oldest that may begin. */
export function nextOf(mine: readonly Workflow[]): Workflow | undefined {
  return lineOf(mine)[0]
}

/** Whose turn a Workflow waits for: how many are before it, and the one right before it. */
export type Turn = { ahead: number; after: { namespace: string; name: string } }

/**
 * Where a Workflow stands among those of its machine; `undefined` when it waits for no other.
 * @param mine the live ones of the machine, oldest first
 */
export function turnOf(mine: readonly Workflow[], workflow: Workflow): Turn | undefined {
  const line = lineOf(mine)
  const ahead = line.findIndex(({ metadata }) => metadata.uid === workflow.metadata.uid)
  const before = line[ahead - 1]?.metadata
  return before && { ahead, after: { namespace: before.namespace, name: before.name } }
}

/** A Workflow that has not begun and is paused, or disabled, holds nobody up. */
function lineOf(mine: readonly Workflow[]): Workflow[] {
  const running = mine.filter(({ status }) => status?.state === 'RUNNING')
  const waiting = mine.filter(
    ({ spec, status }) => status?.state === 'PENDING' && spec?.disabled !== true && !isPaused(status),
  )
  return [...running, ...waiting]
}
