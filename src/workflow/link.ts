import type { RunAction } from '../model/agent-protocol.ts'
import type { Mac } from '../model/mac.ts'
import type { Workflow } from '../model/workflow.ts'
import { currentPlace } from './place.ts'
import { effectiveEnvironment, effectiveVolumes } from './plan.ts'
import type { ReportedState, RunStatus } from './run.ts'
import { runningDeadline } from './timing.ts'

/** A command to an agent, in the terms of every agent protocol. */
export type AgentCommand =
  | ({ type: 'run-action' } & RunAction)
  | { type: 'cancel-action' | 'pause-action'; actionId: string; reason: string }

/** An agent that proves nothing of itself, has no boot id, and makes single calls: Tinkerbell's. */
export type CallingAgent = {
  /** name of its connection, another one for each */
  session: string
  /** whether the connection stands: nothing else is heard while an action runs */
  isAlive(): boolean
  /** whether it waits for an action now */
  isAsking(): boolean
}

/** One agent's session. Both methods may be called after the session has ended, and never throw. */
export type AgentLink = {
  /** as the agent says it: spec.agentID or a MAC of its Hardware */
  agentId: string
  /** the machine, as authenticated */
  mac: Mac
  bootId: string
  send(command: AgentCommand): void
  /** ends the session from the server's side */
  close(reason: string): void
  /** absent for agents that hold a session open and have shown who they are */
  calls?: CallingAgent
}

/** What an agent says of itself when it connects. */
export type AgentHello = {
  version: string
  /** the action that it still runs, or has ended without an acknowledgement; empty when none */
  actionId: string
  /** few and short, for the timeline */
  facts: Readonly<Record<string, string | number>>
}

export type AgentReport = {
  workflowId: string
  taskId: string
  actionId: string
  state: ReportedState
  message: string
  /** 0 when the agent does not say */
  attempt: number
}

/** The side of the engine that agents' sessions call, whatever their protocol. */
export type Desk = {
  /**
   * A new link of a machine takes the place of its earlier one. Resolves when the first command is on its way.
   * @throws AppError Conflict for a calling agent while one that has shown who it is is there
   */
  connect(link: AgentLink, hello: AgentHello): Promise<void>
  disconnect(link: AgentLink): void
  /**
   * A calling agent asks for its action: it is sent one, if there is one, again if need be.
   * @throws AppError of the store
   */
  ready(link: AgentLink): Promise<void>
  /** a Workflow as it is on disk */
  workflow(namespace: string, name: string): Workflow | undefined
  /**
   * Resolves when what follows from the report is on disk.
   * @returns whether the action now stands as reported; `false` = it is not (any more) this agent's to report on
   * @throws AppError of the store: the agent reports again
   */
  report(link: AgentLink, report: AgentReport): Promise<boolean>
  progress(link: AgentLink, progress: { actionId: string; doneBytes: number; totalBytes: number }): void
  log(link: AgentLink, actionId: string, lines: readonly string[]): void
  heartbeat(link: AgentLink): void
}

/** The command for the action that runs; `undefined` when none does. */
export function runActionOf(workflow: Workflow, now: number): AgentCommand | undefined {
  const status: RunStatus = workflow.status ?? {}
  const place = currentPlace(status)
  if (status.state !== 'RUNNING' || place?.action.state !== 'RUNNING') return undefined
  const { task, action } = place
  const { onTimeout, onFailure } = status.ironwake?.actions?.[action.id] ?? {}
  return {
    type: 'run-action',
    workflowId: `${workflow.metadata.namespace}/${workflow.metadata.name}`,
    taskId: task.id,
    actionId: action.id,
    name: action.name,
    image: action.image,
    command: action.command ?? [],
    environment: effectiveEnvironment(task, action),
    volumes: effectiveVolumes(task, action),
    pidNamespace: action.namespaces?.pid ?? action.pid ?? '',
    networkNamespace: action.namespaces?.network ?? '',
    timeoutMs: Math.max(1, (runningDeadline(status) ?? now) - now),
    attempt: status.ironwake?.attempt ?? 1,
    ...(onTimeout && { onTimeout }),
    ...(onFailure && { onFailure }),
  }
}
