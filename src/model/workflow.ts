import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { KubeObject } from './object.ts'

const text = Type.Optional(Type.String())
const flag = Type.Optional(Type.Boolean())
const texts = Type.Optional(Type.Array(Type.String()))
const textMap = Type.Optional(Type.Record(Type.String(), Type.String()))

/** Workflow.spec (tinkerbell.org/v1alpha1): a Template, the Hardware it runs for, and values for the Template. */
export const WorkflowSpec = Type.Object({
  disabled: flag,
  templateRef: text,
  hardwareRef: text,
  hardwareMap: textMap,
  bootOptions: Type.Optional(
    Type.Object({
      toggleAllowNetboot: flag,
      isoURL: text,
      bootMode: Type.Optional(
        Type.Union([
          Type.Literal('netboot'),
          Type.Literal('isoboot'),
          Type.Literal('iso'),
          Type.Literal('customboot'),
        ]),
      ),
      custombootConfig: Type.Optional(
        Type.Object({
          preparingActions: Type.Optional(Type.Array(Type.Unknown())),
          postActions: Type.Optional(Type.Array(Type.Unknown())),
        }),
      ),
    }),
  ),
})

const namespaces = Type.Optional(Type.Object({ network: text, pid: text }))

/** Workflow.status.tasks[].actions[]: times are RFC 3339, `timeout` seconds, `executionDuration` like `2m5s`. */
export const ActionStatus = Type.Object({
  id: Type.String(),
  name: Type.String(),
  image: Type.String(),
  timeout: Type.Optional(Type.Integer()),
  command: texts,
  volumes: texts,
  pid: text,
  namespaces,
  environment: textMap,
  state: Type.String(),
  executionStart: text,
  executionStop: text,
  executionDuration: text,
  message: text,
})

export const TaskStatus = Type.Object({
  id: Type.String(),
  name: Type.String(),
  agentID: Type.String(),
  actions: Type.Array(ActionStatus),
  volumes: texts,
  environment: textMap,
})

export const Condition = Type.Object({
  type: Type.String(),
  status: Type.String(),
  reason: text,
  message: text,
  time: text,
})

/** Workflow.status in the v1alpha1 shape; ids are ULIDs made when the template is rendered. */
export const WorkflowStatus = Type.Object({
  agentID: text,
  state: text,
  bootOptions: Type.Optional(
    Type.Object({
      allowNetboot: Type.Optional(Type.Object({ toggledTrue: flag, toggledFalse: flag })),
      jobs: Type.Optional(
        Type.Record(Type.String(), Type.Object({ uid: text, complete: flag, existingJobDeleted: flag })),
      ),
    }),
  ),
  templateRendering: text,
  globalTimeout: Type.Optional(Type.Integer()),
  globalExecutionStop: text,
  currentState: Type.Optional(
    Type.Object({
      agentID: text,
      taskID: text,
      actionID: text,
      state: text,
      actionName: text,
      taskName: text,
    }),
  ),
  tasks: Type.Optional(Type.Array(TaskStatus)),
  conditions: Type.Optional(Type.Array(Condition)),
})

export type WorkflowSpec = Static<typeof WorkflowSpec>
export type WorkflowStatus = Static<typeof WorkflowStatus>
export type ActionStatus = Static<typeof ActionStatus>
export type TaskStatus = Static<typeof TaskStatus>
export type Condition = Static<typeof Condition>
export type Workflow = KubeObject<WorkflowSpec, WorkflowStatus>

/** States of a Workflow and of an action. A Workflow not yet planned has no state. */
export type RunState = 'PREPARING' | 'PENDING' | 'RUNNING' | 'POST' | 'SUCCESS' | 'FAILED' | 'TIMEOUT'

const terminal: readonly string[] = ['SUCCESS', 'FAILED', 'TIMEOUT']

/** Whether a Workflow may still get work done: it has not reached a terminal state. */
export function isLive(workflow: Workflow): boolean {
  return !terminal.includes(workflow.status?.state ?? '')
}

/** Whether a rendered Workflow still waits for, or runs, actions. */
export function isRunnable(workflow: Workflow): boolean {
  const state = workflow.status?.state
  return state === 'PENDING' || state === 'RUNNING'
}
