import { messageOf } from '../model/error.ts'
import type { ActionState, RunAction } from '../model/agent-protocol.ts'
import type { Action, ActionRun, Machine } from './actions/action.ts'

type Deps = {
  machine: Machine
  findAction: (image: string) => Action
  isNative?: (image: string) => boolean
}

/** It must be done by then. */
const longestMs = 5 * 60_000

/** What an action is given of its command. */
export function runOf(
  command: RunAction,
): Pick<ActionRun, 'image' | 'environment' | 'command' | 'volumes' | 'pidNamespace' | 'networkNamespace'> {
  const { image, environment, volumes, pidNamespace, networkNamespace } = command
  return { image, environment, command: command.command, volumes, pidNamespace, networkNamespace }
}

/**
 * Runs what the template wants run when the action has failed (`on-failure`) or run out of time (`on-timeout`): the
 * action's image with another command. How that ends is in the action's log, and changes nothing.
 */
export async function runAfterwards(
  { machine, findAction, isNative }: Deps,
  command: RunAction,
  state: ActionState,
  log: (line: string) => void,
): Promise<void> {
  const isLate = state === 'ACTION_STATE_TIMEOUT'
  const { onTimeout = [], onFailure = [], timeoutMs } = command
  const words = isLate ? onTimeout : state === 'ACTION_STATE_FAILED' ? onFailure : []
  if (words.length === 0) return
  const what = isLate ? 'on-timeout' : 'on-failure'
  if (isNative?.(command.image))
    return log(`${what} is not run: ${command.image} is an action of the agent itself, without an image`)
  const signal = AbortSignal.timeout(Math.min(timeoutMs || longestMs, longestMs))
  const run = { ...runOf(command), command: words, signal, log, progress: () => undefined }
  try {
    const { message } = await findAction(command.image)(run, machine)
    log(`${what}: ${message}`)
  } catch (error) {
    log(`${what}: ${messageOf(error)}`)
  }
}
