import type { Workflow } from '../model/workflow.ts'
import { currentPlace } from './place.ts'

/** `session` is there while an agent of Tinkerbell's runs the Workflow, which sends no log of its own. */
type Noted = { ironwake?: { session?: string } }

/**
 * The action whose output a machine's syslog is: the one that runs now, on an agent that does not send its output itself.
 * @param workflows of the machine, not yet ended
 */
export function actionOverheard(
  workflows: readonly Workflow[],
): { uid: string; actionId: string } | undefined {
  for (const { metadata, status } of workflows) {
    if (status?.state !== 'RUNNING' || (status as Noted).ironwake?.session === undefined) continue
    const action = currentPlace(status)?.action
    if (action?.state === 'RUNNING') return { uid: metadata.uid, actionId: action.id }
  }
  return undefined
}
