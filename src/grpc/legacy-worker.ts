import { status } from '@grpc/grpc-js'
import { parseMac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { ActionStatus, TaskStatus, Workflow } from '../model/workflow.ts'
import { currentPlace } from '../workflow/place.ts'
import { effectiveEnvironment, effectiveVolumes } from '../workflow/plan.ts'
import type { RunStatus } from '../workflow/run.ts'
import { runningDeadline, secondsFor } from '../workflow/timing.ts'
import type { Caller } from './callers.ts'
import type { Connection } from './connections.ts'
import { assignments } from './current-agent.ts'
import type { AgentDeps } from './current-agent.ts'
import { Refusal } from './refusal.ts'
import { checkText, isFinal, reportFor, stateNamed } from './report.ts'
import type { WireContext, WireLegacyAction, WireLegacyReport } from './tinkerbell-wire.ts'

const version = 'tink-worker'

/**
 * GetWorkflowContexts of tink-worker: the one Workflow that the machine is to carry out now, or nothing.
 * @throws Refusal INVALID_ARGUMENT: no worker id
 */
export async function contextFor(
  deps: AgentDeps,
  connection: Connection,
  workerId: string,
  signal: AbortSignal,
): Promise<WireContext | undefined> {
  checkText('worker_id', workerId)
  const caller = await enter(deps, connection, workerId)
  const action = await caller.ask(0, signal)
  if (action === 'draining') throw new Refusal(status.UNAVAILABLE, 'the server is going away')
  const workflow = typeof action === 'object' ? workflowNamed(deps, action.workflowId) : undefined
  return workflow && contextOf(workflow, caller)
}

/**
 * The state is PENDING until the action has ended: told that it runs, a worker would leave out the reports by which it
 * asks, before each action, whether that is still to be run.
 */
function contextOf(workflow: Workflow, caller: Caller): WireContext | undefined {
  const status = workflow.status ?? {}
  const place = currentPlace(status)
  if (!place) return undefined
  const { task, action, taskIndex, actionIndex } = place
  const tasks = status.tasks ?? []
  const before = tasks.slice(0, taskIndex).reduce((sum, { actions }) => sum + actions.length, 0)
  return {
    workflowId: idOf(workflow),
    currentWorker: workerName(task, caller.machine, caller.agentId),
    currentTask: task.name,
    currentAction: action.name,
    currentActionIndex: before + actionIndex,
    currentActionState: 'STATE_PENDING',
    totalNumberOfActions: tasks.reduce((sum, { actions }) => sum + actions.length, 0),
  }
}

/**
 * GetWorkflowActions of tink-worker: those of all tasks, in order.
 * @param workerId as the worker last said it
 * @param now epoch ms
 * @throws Refusal NOT_FOUND: no such Workflow, or none of its tasks is this machine's
 */
export function actionsFor(
  deps: AgentDeps,
  connection: Connection,
  workflowId: string,
  now: number,
): WireLegacyAction[] {
  checkText('workflow_id', workflowId)
  const { workflow, machine } = ownWorkflow(deps, connection, workflowId)
  const status: RunStatus = workflow.status ?? {}
  const workerId = deps.callers.nameOf(connection, machine)
  return (status.tasks ?? []).flatMap((task) => {
    const worker = workerName(task, machine, workerId)
    return task.actions.map((action) => legacyAction(status, task, action, worker, now))
  })
}

function legacyAction(
  status: RunStatus,
  task: TaskStatus,
  action: ActionStatus,
  workerId: string,
  now: number,
): WireLegacyAction {
  const due = action.state === 'RUNNING' ? runningDeadline(status) : undefined
  const { onTimeout = [], onFailure = [] } = status.ironwake?.actions?.[action.id] ?? {}
  return {
    taskName: task.name,
    name: action.name,
    image: action.image,
    timeout: due === undefined ? secondsFor(action) : Math.max(1, Math.ceil((due - now) / 1000)),
    command: action.command ?? [],
    workerId,
    volumes: effectiveVolumes(task, action),
    environment: assignments(effectiveEnvironment(task, action)),
    pid: action.namespaces?.pid ?? action.pid ?? '',
    onTimeout,
    onFailure,
  }
}

/**
 * ReportActionStatus of tink-worker, which names task and action and has no ids. Whatever is answered but OK, the worker
 * repeats for ever.
 * @throws Refusal ABORTED: the action is not to be run (any more)
 */
export async function reportLegacy(
  deps: AgentDeps,
  connection: Connection,
  report: WireLegacyReport,
): Promise<void> {
  const { workflowId, taskName, actionName } = report
  for (const [name, text] of Object.entries({
    workflow_id: workflowId,
    task_name: taskName,
    action_name: actionName,
  }))
    checkText(name, text)
  const state = stateNamed(report.actionStatus)
  const workerId = report.workerId || ownWorkflow(deps, connection, workflowId).machine.agentId
  const caller = await enter(deps, connection, workerId)
  const task = workflowNamed(deps, workflowId)?.status?.tasks?.find(({ name }) => name === taskName)
  const action = task?.actions.find(({ name }) => name === actionName)
  if (task && action) {
    if (isFinal(state)) caller.end(action.id)
    const told = {
      workflowId,
      taskId: task.id,
      actionId: action.id,
      attempt: 0,
      ...reportFor(state, report.message),
    }
    const isSo = await deps.engine.report(caller.link, told)
    if (isSo && !isFinal(state)) caller.begin(action.id)
    if (isSo || isFinal(state)) return
  }
  if (!isFinal(state))
    throw new Refusal(status.ABORTED, `action ${JSON.stringify(actionName)} is not to be run`)
}

const enter = (deps: AgentDeps, connection: Connection, workerId: string) =>
  deps.callers.enter(connection, workerId, { version, facts: { ip: connection.address } })

/** The Workflow of this id, when a task of it is of the machine that calls. */
export function ownWorkflow(
  deps: AgentDeps,
  connection: Connection,
  workflowId: string,
): { workflow: Workflow; machine: Machine } {
  const workflow = workflowNamed(deps, workflowId)
  const machine = deps.callers.machineOf(connection, workflow?.status?.agentID)
  const tasks = workflow?.status?.tasks ?? []
  if (workflow && machine && tasks.some((task) => isOf(task, machine))) return { workflow, machine }
  const id = JSON.stringify(workflowId.slice(0, 64))
  throw new Refusal(
    status.NOT_FOUND,
    `no Workflow ${id} of the machine that calls from ${connection.address}`,
  )
}

function workflowNamed({ engine }: AgentDeps, workflowId: string): Workflow | undefined {
  const slash = workflowId.indexOf('/')
  return slash < 0 ? undefined : engine.workflow(workflowId.slice(0, slash), workflowId.slice(slash + 1))
}

const idOf = ({ metadata }: Workflow) => `${metadata.namespace}/${metadata.name}`

function isOf({ agentID }: TaskStatus, machine: Machine): boolean {
  const mac = parseMac(agentID)
  return machine.agentId === agentID || (mac !== undefined && machine.macs.includes(mac))
}

/** A worker takes an action for its own when it has its very id, in its spelling. */
const workerName = (task: TaskStatus, machine: Machine, workerId: string) =>
  isOf(task, machine) ? workerId : task.agentID
