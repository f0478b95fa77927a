import type { ActionStatus, Workflow } from '../model/workflow.ts'
import { isLive } from '../model/workflow.ts'
import { withStates } from '../model/workflow-state.ts'
import { plainText } from './output.ts'

/** An action with its place in its Workflow, from 1. */
export type PlacedAction = ActionStatus & { place: number; count: number }

/** A Workflow that a server sent, whichever way it spells the states. */
export const workflowFrom = (sent: object): Workflow => withStates(sent, 'SUCCESS') as Workflow

export function actionsOf(workflow: Workflow): PlacedAction[] {
  const actions = (workflow.status?.tasks ?? []).flatMap((task) => task.actions)
  return actions.map((action, index) => ({ ...action, place: index + 1, count: actions.length }))
}

/** `[1/4] stream image` */
export function actionTitle({ place, count, name }: PlacedAction): string {
  return `[${place}/${count}] ${plainText(name)}`
}

export const titleOf = ({ metadata }: Workflow): string => `${metadata.namespace}/${metadata.name}`

export const hasEnded = (workflow: Workflow): boolean => !isLive(workflow)

/**
 * What changed between two states of one Workflow, a line for each; without `before` what differs from a new one.
 * @param prefix goes before lines that do not name the Workflow themselves
 */
export function changesOf(before: Workflow | undefined, after: Workflow, prefix = ''): string[] {
  const known = new Map((before ? actionsOf(before) : []).map(({ id, state }) => [id, state]))
  const lines = actionsOf(after).flatMap((action) => {
    const { id, state, executionDuration, message } = action
    if (state === (known.get(id) ?? 'PENDING')) return []
    const time = executionDuration ? ` after ${executionDuration}` : ''
    return [`${prefix}${actionTitle(action)}: ${state}${time}${message ? `: ${plainText(message)}` : ''}`]
  })
  const state = stateText(after)
  if (!before || state !== stateText(before)) lines.push(`workflow ${titleOf(after)}: ${state}`)
  return lines
}

/** The state of a Workflow, or why it has none. */
export function stateText(workflow: Workflow): string {
  const reason = reasonOf(workflow)
  return plainText(workflow.status?.state || `not planned yet${reason ? `: ${reason}` : ''}`)
}

/** Why a Workflow did not succeed, or cannot be planned, as far as its status says. */
export function reasonOf({ status }: Workflow): string | undefined {
  const conditions = (status?.conditions ?? []).filter(({ message }) => message)
  const verdict = conditions.find((condition) => condition.type === 'Succeeded')
  const refused = conditions.findLast((condition) => condition.status === 'False')
  const failed = conditions.findLast(({ type }) => type.endsWith('Failed'))
  const message = (verdict ?? refused ?? failed)?.message
  return message === undefined ? undefined : plainText(message)
}

/** `ns/name ended with FAILED: why` */
export function verdictOf(workflow: Workflow): string {
  const reason = reasonOf(workflow)
  return `${titleOf(workflow)} ended with ${workflow.status?.state ?? 'no state'}${reason ? `: ${reason}` : ''}`
}

/** What a Workflow without a running action is waiting for. */
export function waitingFor(workflow: Workflow): string {
  const { status } = workflow
  const machine = status?.agentID ? `machine ${plainText(status.agentID)}` : 'its machine'
  switch (status?.state) {
    case 'PENDING':
      return `PENDING, waits for ${machine} to boot`
    case 'RUNNING':
      return `RUNNING, waits for ${machine} to come back`
    default:
      return stateText(workflow)
  }
}
