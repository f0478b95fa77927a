import { status } from '@grpc/grpc-js'
import type { RunAction } from '../model/agent-protocol.ts'
import type { Machine } from '../model/machine.ts'
import type { Desk } from '../workflow/link.ts'
import type { Caller, Callers } from './callers.ts'
import type { Connection } from './connections.ts'
import { Refusal } from './refusal.ts'
import { checkText, isFinal, reportFor, stateNamed } from './report.ts'
import type {
  WireActionRequest,
  WireActionResponse,
  WireAttributes,
  WireCurrentReport,
} from './tinkerbell-wire.ts'

export type AgentDeps = {
  callers: Callers
  engine: Pick<Desk, 'report' | 'workflow'>
  holdMs: number
  /** why there is no action, when that is for want of a rule set */
  whyNone?: ((machine: Machine) => string | undefined) | undefined
}

/** What tink-agent calls itself, for the timeline. */
const version = 'tink-agent'

/**
 * GetAction of tink-agent: held until there is an action or `holdMs` have passed.
 * @throws Refusal INVALID_ARGUMENT: no agent id; FAILED_PRECONDITION: nothing to do, which the agent takes quietly;
 *   NOT_FOUND: nor is there a rule set for it; ABORTED: another call
 *   of this agent waits; UNAVAILABLE: the server goes
 */
export async function getAction(
  deps: AgentDeps,
  connection: Connection,
  request: WireActionRequest,
  signal: AbortSignal,
): Promise<WireActionResponse> {
  const { agentId, agentAttributes } = request
  checkText('agent_id', agentId)
  const facts = { ip: connection.address, ...factsOf(agentAttributes) }
  const caller = await deps.callers.enter(connection, agentId, { version, facts }, agentAttributes)
  const answer = await caller.ask(deps.holdMs, signal)
  const whyNone = answer === 'none' ? deps.whyNone?.(caller.machine) : undefined
  if (whyNone !== undefined) throw new Refusal(status.NOT_FOUND, whyNone)
  return responseOf(caller, actionOf(answer))
}

function actionOf(answer: Awaited<ReturnType<Caller['ask']>>): RunAction {
  if (typeof answer === 'object') return answer
  if (answer === 'none') throw new Refusal(status.FAILED_PRECONDITION, 'no action available')
  if (answer === 'draining') throw new Refusal(status.UNAVAILABLE, 'the server is going away')
  if (answer === 'gone') throw new Refusal(status.CANCELLED, 'the caller is gone')
  throw new Refusal(status.ABORTED, 'another call of this agent waits for its action')
}

/** Timeouts are whole seconds, rounded up: the server waits a little longer than its own deadline anyway. */
function responseOf({ agentId }: Caller, action: RunAction): WireActionResponse {
  const { pidNamespace: pid, networkNamespace: network } = action
  return {
    workflowId: action.workflowId,
    taskId: action.taskId,
    agentId,
    actionId: action.actionId,
    name: action.name,
    image: action.image,
    timeout: Math.max(1, Math.ceil(action.timeoutMs / 1000)),
    command: action.command,
    volumes: action.volumes,
    environment: assignments(action.environment),
    pid,
    ...(pid === '' && network === '' ? {} : { namespaces: { network, pid } }),
  }
}

/** `NAME=value`, sorted. */
export function assignments(environment: Readonly<Record<string, string>>): string[] {
  return Object.entries(environment)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
}

/**
 * ReportActionStatus of tink-agent. Its times are not looked at: they are of year 1, or of the machine's clock.
 * @throws Refusal ABORTED: the action is not to be run (any more). A report of an end is always taken, even when it comes
 *   too late to change anything: NOT_FOUND, INVALID_ARGUMENT and FAILED_PRECONDITION would end the agent, others would
 *   be repeated for ever
 */
export async function reportCurrent(
  deps: AgentDeps,
  connection: Connection,
  report: WireCurrentReport,
): Promise<void> {
  const { workflowId, taskId, actionId, agentId } = report
  for (const [name, text] of Object.entries({
    workflow_id: workflowId,
    task_id: taskId,
    action_id: actionId,
  }))
    checkText(name, text)
  checkText('agent_id', agentId)
  const state = stateNamed(report.actionState)
  const caller = await deps.callers.enter(connection, agentId, { version, facts: { ip: connection.address } })
  if (isFinal(state)) caller.end(actionId)
  const told = reportFor(state, report.message?.message ?? '')
  const isSo = await deps.engine.report(caller.link, { workflowId, taskId, actionId, attempt: 0, ...told })
  if (state !== 'RUNNING') return
  if (!isSo) throw new Refusal(status.ABORTED, `action ${actionId} is not to be run`)
  caller.begin(actionId)
}

/** Few and short, as our own agent's. */
function factsOf(attributes: WireAttributes | null): Record<string, string | number> {
  if (!attributes) return {}
  const { cpu, memory, product, bios, block } = attributes
  const texts = {
    vendor: product?.vendor,
    product: product?.name,
    serial: product?.serialNumber,
    memory: memory?.total,
    firmware: bios && `${bios.vendor} ${bios.version}`.trim(),
  }
  const known = Object.entries(texts).flatMap(([name, text]) => (text ? [[name, text.slice(0, 64)]] : []))
  return { ...Object.fromEntries(known), cpus: cpu?.totalThreads ?? 0, disks: block.length }
}
