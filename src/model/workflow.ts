import { Type } from 'typebox'
import type { Static } from 'typebox'
import { BmcAction } from './bmc-action.ts'
import { choice, flag, list, map, required, text, textMap, texts, whole } from './field.ts'
import type { KubeObject } from './object.ts'

const bootModes = ['netboot', 'isoboot', 'iso', 'customboot'] as const

const bootOptions = Type.Object(
  {
    toggleAllowNetboot: flag('Let the machine netboot before the run, and no more after it.'),
    isoURL: text('URL of the ISO image, for isoboot.'),
    bootMode: choice('How the BMC starts the machine; without it nobody switches the machine on.', bootModes),
    custombootConfig: Type.Optional(
      Type.Object(
        {
          preparingActions: list('What the BMC does before the run.', BmcAction),
          postActions: list('What the BMC does after it.', BmcAction),
        },
        { description: 'What the BMC does, for customboot.' },
      ),
    ),
  },
  { description: 'How the machine comes to run it.' },
)

/** Workflow.spec (tinkerbell.org/v1alpha1): a Template, the Hardware it runs for, and values for the Template. */
export const WorkflowSpec = Type.Object(
  {
    disabled: flag('Keep it without running it.'),
    templateRef: text('Name of the Template, in the same namespace.'),
    hardwareRef: text('Name of the Hardware, in the same namespace.'),
    hardwareMap: textMap('Values for the Template by name; one of them names the agent, usually by its MAC.'),
    bootOptions: Type.Optional(bootOptions),
  },
  { description: 'What to run on which machine.' },
)

const namespaces = Type.Optional(
  Type.Object(
    { network: text('`host` or empty.'), pid: text('`host` or empty.') },
    { description: 'Namespaces that the action shares with the machine.' },
  ),
)

/** Workflow.status.tasks[].actions[]: times are RFC 3339, `timeout` seconds, `executionDuration` like `2m5s`. */
export const ActionStatus = Type.Object({
  id: required.text('Its id, a ULID.'),
  name: required.text('Its name.'),
  image: required.text('The action’s image.'),
  timeout: whole('How long it may take, in seconds.'),
  command: texts('Arguments.'),
  volumes: texts('Paths of the machine that it sees, `source:target[:ro]`.'),
  pid: text('`host`: it sees all processes of the machine. The same as `namespaces.pid`.'),
  namespaces,
  environment: textMap('Its environment.'),
  state: required.text('PENDING, RUNNING, SUCCESS, FAILED or TIMEOUT.'),
  executionStart: text('When it began.'),
  executionStop: text('When it ended.'),
  executionDuration: text('How long it took, such as `2m5s`.'),
  message: text('What it last said.'),
})

export const TaskStatus = Type.Object({
  id: required.text('Its id, a ULID.'),
  name: required.text('Its name.'),
  agentID: required.text('The agent that runs it.'),
  actions: Type.Array(ActionStatus, { description: 'Its actions, in order.' }),
  volumes: texts('Volumes of all its actions.'),
  environment: textMap('Environment of all its actions.'),
})

export const Condition = Type.Object({
  type: required.text('What it is about.'),
  status: required.text('`True` or `False`.'),
  reason: text('Why, in one word for programs.'),
  message: text('Why, for people.'),
  time: text('When it was set.'),
})

const bootStatus = Type.Object(
  {
    allowNetboot: Type.Optional(
      Type.Object(
        {
          toggledTrue: flag('The machine was allowed to netboot.'),
          toggledFalse: flag('That was taken back.'),
        },
        { description: 'What was done to the Hardware’s allowPXE.' },
      ),
    ),
    jobs: map(
      'Jobs of the BMC by name.',
      Type.Object({
        uid: text('Uid of the Job.'),
        complete: flag('It has ended.'),
        existingJobDeleted: flag('An earlier one of the same name was deleted.'),
      }),
    ),
  },
  { description: 'What was done to boot the machine.' },
)

const currentState = Type.Object(
  {
    agentID: text('Its agent.'),
    taskID: text('Id of its task.'),
    actionID: text('Its id.'),
    state: text('Its state.'),
    actionName: text('Its name.'),
    taskName: text('Name of its task.'),
  },
  { description: 'The action that runs, or ran last.' },
)

/** Workflow.status in the v1alpha1 shape; ids are ULIDs made when the template is rendered. */
export const WorkflowStatus = Type.Object(
  {
    agentID: text('The agent whose turn it is.'),
    state: text('PREPARING, PENDING, RUNNING, POST, SUCCESS, FAILED or TIMEOUT.'),
    bootOptions: Type.Optional(bootStatus),
    templateRendering: text('`successful` or `failed`.'),
    globalTimeout: whole('How long the run may take, in seconds.'),
    globalExecutionStop: text('When it must have ended.'),
    currentState: Type.Optional(currentState),
    tasks: list('The tasks as rendered, with what became of them.', TaskStatus),
    conditions: list('What was done and found on the way.', Condition),
  },
  { description: 'How far the run has come.' },
)

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
