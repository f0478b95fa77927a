import { AppError } from '../model/error.ts'
import type { Workflow } from '../model/workflow.ts'
import type { Store } from '../store/store.ts'
import type { ActionLogs } from './logs.ts'
import type { ActionProgress, ProgressBook } from './progress.ts'

/** Identifies an action to people and programs. */
type Named = { task: string; action: string; actionId: string }

export type WorkflowLogLine = Named & { line: number; at: number; text: string }

/** `next` is what to pass as `since` for what comes after. `dropped`: lines in between that are not kept any more. */
export type WorkflowLog = { lines: WorkflowLogLine[]; next: string; dropped: number }

export type WorkflowProgress = { actions: (Named & { state: string } & Partial<ActionProgress>)[] }

/** What the actions of a Workflow printed, and how far they have come. */
export type Reader = {
  /**
   * @param query `action`: name or id, all actions when left out; `since`: an earlier answer's `next`
   * @throws AppError NotFound (Workflow, or it has no such action), BadRequest (`since`)
   */
  workflowLogs(query: {
    namespace: string
    name: string
    action?: string
    since?: string
  }): Promise<WorkflowLog>
  /** @throws AppError NotFound */
  workflowProgress(query: { namespace: string; name: string }): Promise<WorkflowProgress>
}

type Deps = {
  store: Pick<Store, 'get'>
  logs: Pick<ActionLogs, 'read'>
  progress: Pick<ProgressBook, 'read'>
}

export function createReader({ store, logs, progress }: Deps): Reader {
  const workflowOf = async (namespace: string, name: string): Promise<Workflow> => {
    const workflow = await store.get({ kind: 'Workflow', namespace, name })
    if (!workflow) throw new AppError('NotFound', `workflow ${namespace}/${name} not found`)
    return workflow as Workflow
  }
  return {
    workflowLogs: async ({ namespace, name, action, since }) => {
      const workflow = await workflowOf(namespace, name)
      const cursor = parseCursor(since)
      const all = actionsOf(workflow)
      const wanted = all.filter(
        (one) => action === undefined || one.actionId === action || one.action === action,
      )
      if (action !== undefined && wanted.length === 0)
        throw new AppError('NotFound', `workflow ${namespace}/${name} has no action "${action}"`)
      const found: WorkflowLog = { lines: [], next: since || '0.0', dropped: 0 }
      for (const { index, state: _, ...named } of wanted) {
        if (index < cursor.index) continue
        const from = index === cursor.index ? cursor.line : 0
        const { lines, next, dropped } = await logs.read(workflow.metadata.uid, named.actionId, from)
        found.dropped += dropped
        for (const line of lines) found.lines.push({ ...named, ...line })
        if (lines.length > 0) found.next = `${index}.${next}`
      }
      return found
    },
    workflowProgress: async ({ namespace, name }) => {
      const workflow = await workflowOf(namespace, name)
      const known = new Map((await progress.read(workflow.metadata.uid)).map((one) => [one.actionId, one]))
      return {
        actions: actionsOf(workflow).map(({ index: _index, ...one }) => ({
          ...one,
          ...known.get(one.actionId),
        })),
      }
    },
  }
}

function actionsOf(workflow: Workflow) {
  const tasks = workflow.status?.tasks ?? []
  const actions = tasks.flatMap((task) => task.actions.map((action) => ({ task, action })))
  return actions.map(({ task, action }, index) => ({
    index,
    task: task.name,
    action: action.name,
    actionId: action.id,
    state: action.state,
  }))
}

/** `index of the action.line`, both from 0. */
function parseCursor(text: string | undefined): { index: number; line: number } {
  if (!text) return { index: 0, line: 0 }
  const found = /^(\d{1,6})\.(\d{1,10})$/.exec(text)
  if (!found)
    throw new AppError('BadRequest', `since "${text.slice(0, 50)}" is not the "next" of an earlier answer`)
  return { index: Number(found[1]), line: Number(found[2]) }
}
