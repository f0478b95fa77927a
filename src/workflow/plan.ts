import type { Hardware } from '../model/hardware.ts'
import type { ActionStatus, TaskStatus, WorkflowSpec } from '../model/workflow.ts'
import type { Outside } from '../template/outside.ts'
import { render } from '../template/render.ts'
import { readDocument } from './document.ts'
import type { TemplateAction, TemplateDocument, TemplateTask } from './document.ts'
import { goHardware } from './go-hardware.ts'
import type { ActionNotes, RunStatus } from './run.ts'

/** Time of an action whose template sets none. Tinkerbell's agents end an action with timeout 0 at once. */
export const defaultActionTimeoutSeconds = 3600

/** Objects that a Hardware refers to, by the name of the reference. */
export type References = Readonly<Record<string, unknown>>

/**
 * What a template sees: every key of `hardwareMap`; `.Hardware` with Go's field names; `.hardware`, the whole object by
 * its JSON names; `.references` (older name `.References`).
 */
export function renderData(
  hardware: Hardware | undefined,
  hardwareMap: Readonly<Record<string, string>>,
  references: References = {},
): Record<string, unknown> {
  return {
    ...hardwareMap,
    Hardware: goHardware(hardware),
    hardware: hardware ?? {},
    references,
    References: references,
  }
}

export type PlanInput = {
  /** text of the Template */
  template: string
  spec: WorkflowSpec
  /** the Hardware of `spec.hardwareRef`; none when that is empty */
  hardware: Hardware | undefined
  references?: References
  /** what templates may ask besides their data; nothing unless `templates.allowNonHermetic` is set */
  outside?: Outside | undefined
  /** `readDocument`, or what remembers what that gave */
  read?: (rendered: string) => TemplateDocument
  /** a new ULID at each call */
  newId: () => string
  /** epoch ms */
  now: number
}

/**
 * Renders and checks a Template for a Workflow, and lays out its run: every task and action with an id, all PENDING.
 * @throws AppError Invalid: the template cannot be rendered (place in the template), or what it renders to is no workflow
 *   (every fault, with its place in the rendered text)
 */
export function plan(input: PlanInput): { status: RunStatus } {
  const data = renderData(input.hardware, input.spec.hardwareMap ?? {}, input.references)
  const document = (input.read ?? readDocument)(render(input.template, data, { outside: input.outside }))
  const tasks = document.tasks.map((task) => taskStatus(task, input.newId))
  const [first] = tasks
  const notes = notesOf(document, tasks)
  const time = new Date(input.now).toISOString().replace(/\.\d+Z$/, 'Z')
  return {
    status: {
      state: 'PENDING',
      templateRendering: 'successful',
      ...(first ? { agentID: first.agentID } : {}),
      ...(document.globalTimeoutSeconds === undefined
        ? {}
        : { globalTimeout: document.globalTimeoutSeconds }),
      tasks,
      ...(notes && { ironwake: { actions: notes } }),
      conditions: [
        {
          type: 'TemplateRenderedSuccess',
          status: 'True',
          reason: 'Complete',
          message: 'template rendered successfully',
          time,
        },
      ],
    },
  }
}

/** What the template says of the actions that has no place in them. */
function notesOf(
  document: TemplateDocument,
  tasks: readonly TaskStatus[],
): Record<string, ActionNotes> | undefined {
  const found = document.tasks.flatMap((task, at) =>
    task.actions.flatMap((action, place): [string, ActionNotes][] => {
      const notes = actionNotes(action)
      return Object.keys(notes).length === 0 ? [] : [[tasks[at]!.actions[place]!.id, notes]]
    }),
  )
  return found.length === 0 ? undefined : Object.fromEntries(found)
}

function actionNotes({ retries, retryDelaySeconds, onTimeout, onFailure }: TemplateAction): ActionNotes {
  return {
    ...(retries > 0 ? { retries } : {}),
    ...(retries > 0 && retryDelaySeconds !== undefined ? { retryDelaySeconds } : {}),
    ...(onTimeout.length > 0 ? { onTimeout } : {}),
    ...(onFailure.length > 0 ? { onFailure } : {}),
  }
}

function taskStatus(task: TemplateTask, newId: () => string): TaskStatus {
  const id = newId()
  const actions = task.actions.map((action) => actionStatus(action, newId))
  return { id, name: task.name, agentID: task.worker, actions, ...settings(task) }
}

function actionStatus(action: TemplateAction, newId: () => string): ActionStatus {
  const { network, pid } = action.namespaces
  return {
    id: newId(),
    name: action.name,
    image: action.image,
    timeout: action.timeoutSeconds ?? defaultActionTimeoutSeconds,
    ...(action.command.length > 0 ? { command: action.command } : {}),
    ...settings(action),
    ...(action.pid === '' ? {} : { pid: action.pid }),
    ...(network === '' && pid === ''
      ? {}
      : { namespaces: { ...(network === '' ? {} : { network }), ...(pid === '' ? {} : { pid }) } }),
    state: 'PENDING',
  }
}

function settings({ volumes, environment }: Pick<TemplateAction, 'volumes' | 'environment'>) {
  return {
    ...(volumes.length > 0 ? { volumes } : {}),
    ...(Object.keys(environment).length > 0 ? { environment } : {}),
  }
}

/** What an action's process sees: the task's variables, and over them its own. */
export function effectiveEnvironment(
  task: Pick<TaskStatus, 'environment'>,
  action: Pick<ActionStatus, 'environment'>,
): Record<string, string> {
  return { ...task.environment, ...action.environment }
}

/** Volumes of an action: the task's first, then its own. */
export function effectiveVolumes(
  task: Pick<TaskStatus, 'volumes'>,
  action: Pick<ActionStatus, 'volumes'>,
): string[] {
  return [...(task.volumes ?? []), ...(action.volumes ?? [])]
}
