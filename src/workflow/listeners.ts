import type { Logger } from '../log.ts'
import { messageOf } from '../model/error.ts'
import type { Workflow } from '../model/workflow.ts'
import type { ActionOwner } from './catalog.ts'
import type { ActionLogs, LogLine } from './logs.ts'
import type { ActionProgress } from './progress.ts'

/** What those who watch a run hear; `status` also when the Workflow was deleted. */
export type EngineEvent =
  | { type: 'status'; workflow: Workflow }
  | { type: 'progress'; namespace: string; name: string; progress: ActionProgress }
  | { type: 'log'; namespace: string; name: string; actionId: string; lines: readonly LogLine[] }

export type EngineListener = (event: EngineEvent) => void

export type Listeners = {
  subscribe(listener: EngineListener): () => void
  status(workflow: Workflow): void
  progress(owner: ActionOwner, progress: ActionProgress): void
}

type Deps = {
  log: Pick<Logger, 'error'>
  logs: Pick<ActionLogs, 'subscribe'>
  catalog: { owner(actionId: string): ActionOwner | undefined }
}

/** Hands events to listeners; one that throws is logged and hears the next one all the same. */
export function createListeners({ log, logs, catalog }: Deps): Listeners {
  const listeners = new Set<EngineListener>()
  const emit = (event: EngineEvent) => {
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (error) {
        log.error({ event: event.type, why: messageOf(error) }, 'engine listener failed')
      }
    }
  }
  logs.subscribe((_uid, actionId, lines) => {
    const owner = catalog.owner(actionId)
    if (owner) emit({ type: 'log', namespace: owner.namespace, name: owner.name, actionId, lines })
  })
  return {
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    status: (workflow) => emit({ type: 'status', workflow }),
    progress: ({ namespace, name }, progress) => emit({ type: 'progress', namespace, name, progress }),
  }
}
