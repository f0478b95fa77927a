import { status } from '@grpc/grpc-js'
import type { ReportedState } from '../workflow/run.ts'
import { Refusal } from './refusal.ts'

/** A Workflow's id is `namespace/name`, 63 and 253 characters at most. */
const longestText = 512

/** @throws Refusal INVALID_ARGUMENT */
export function checkText(field: string, text: string): void {
  if (text !== '' && text.length <= longestText) return
  const message = `${field} has ${text.length} characters, expected 1 to ${longestText}`
  throw new Refusal(status.INVALID_ARGUMENT, message)
}

const states: ReadonlySet<string> = new Set<ReportedState>(['RUNNING', 'SUCCESS', 'FAILED', 'TIMEOUT'])

/**
 * @param name as in StateType (`RUNNING`) or State (`STATE_RUNNING`)
 * @throws Refusal INVALID_ARGUMENT
 */
export function stateNamed(name: string | number): ReportedState {
  const state = String(name).replace(/^STATE_/, '')
  if (states.has(state)) return state as ReportedState
  throw new Refusal(status.INVALID_ARGUMENT, `state ${name} cannot be reported`)
}

export const isFinal = (state: ReportedState) => state !== 'RUNNING'

/** What agents of Tinkerbell say of every end, whatever it was. */
const empty: ReadonlySet<string> = new Set(['', 'action completed'])

/** The report in words that help: those agents give no reason for a failure. */
export function reportFor(state: ReportedState, message: string): { state: ReportedState; message: string } {
  if (!empty.has(message)) return { state, message }
  if (state === 'FAILED')
    return { state, message: 'the agent gives no reason: see the syslog of the machine' }
  if (state === 'TIMEOUT') return { state, message: 'the agent has ended it, its time was over' }
  return { state, message }
}
