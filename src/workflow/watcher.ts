import type { Logger } from '../log.ts'
import { isCode } from '../model/error.ts'
import { isLive } from '../model/workflow.ts'
import type { Workflow } from '../model/workflow.ts'
import type { Change, Store } from '../store/store.ts'
import type { Agents } from './agents.ts'
import type { Alarm } from './alarm.ts'
import type { Catalog } from './catalog.ts'
import { isPaused } from './change.ts'
import type { InnerDesk } from './desk.ts'
import type { Listeners } from './listeners.ts'
import type { ActionLogs } from './logs.ts'
import { currentPlace } from './place.ts'
import type { Planner } from './planner.ts'
import type { ProgressBook } from './progress.ts'
import type { Runs } from './runs.ts'
import { wantsAgent } from './step.ts'
import { nextTick } from './timing.ts'

type Deps = {
  store: Pick<Store, 'list' | 'watch'>
  catalog: Catalog
  agents: Agents
  logs: Pick<ActionLogs, 'forget' | 'sweep'>
  progress: Pick<ProgressBook, 'forget' | 'sweep'>
  log: Pick<Logger, 'warn'>
  planner: Planner
  runs: Pick<Runs, 'resume'>
  desk: Pick<InnerDesk, 'assign'>
  listeners: Pick<Listeners, 'status'>
  alarm: Pick<Alarm, 'at'>
  /** lets work go on by itself */
  background(what: string, work: Promise<unknown>): void
}

/**
 * Sees every change of the store and starts what follows from it. Nothing here waits for a write, so that the watch
 * never falls behind.
 */
export function createWatcher(deps: Deps): (signal: AbortSignal, started: () => void) => Promise<void> {
  const { store, catalog, agents, logs, progress, planner, desk, background } = deps

  const seen = (workflow: Workflow) => {
    planner.consider(workflow)
    const status = workflow.status ?? {}
    const tick = nextTick(status)
    if (tick !== undefined) deps.alarm.at(tick)
    // One that was paused before its turn lets the next one go first.
    const steps = status.state === 'PENDING' && isPaused(status)
    if (!wantsAgent(status) && !steps && isLive(workflow)) return
    const link = agents.linkOf(status.agentID ?? '')
    if (link) background('assign', desk.assign(link))
  }

  const gone = (workflow: Workflow) => {
    const { namespace, name, uid } = workflow.metadata
    const place = currentPlace(workflow.status ?? {})
    catalog.remove(workflow)
    planner.forget({ namespace, name })
    background('forget', Promise.all([logs.forget(uid), progress.forget(uid)]))
    if (!place || !isLive(workflow)) return
    const link = agents.linkOf(place.task.agentID)
    if (!link) return
    const reason = 'the Workflow was deleted'
    if (place.action.state === 'RUNNING')
      link.send({ type: 'cancel-action', actionId: place.action.id, reason })
    background('assign', desk.assign(link))
  }

  const handle = (change: Change) => {
    if (change.type === 'synced') return
    const { kind, metadata } = change.object
    if (kind === 'Workflow' && change.type === 'delete') {
      gone(change.object as Workflow)
      deps.listeners.status(change.object as Workflow)
    }
    if (kind === 'Workflow' && change.type === 'put') {
      const workflow = change.object as Workflow
      catalog.put(workflow)
      seen(catalog.get(metadata.namespace, metadata.name) ?? workflow)
      deps.listeners.status(workflow)
    }
    if (change.type === 'put' && (kind === 'Template' || kind === 'Hardware'))
      planner.referenceChanged(kind, metadata)
  }

  /** Takes the Workflows as they are now, and gives the version of that view. */
  const survey = async (): Promise<number> => {
    const { items, version } = await store.list('Workflow')
    const workflows = items as Workflow[]
    const uids = new Set(workflows.map(({ metadata }) => metadata.uid))
    const stale = Array.from(catalog.all()).filter(({ metadata }) => !uids.has(metadata.uid))
    for (const { metadata } of stale) catalog.forget(metadata.namespace, metadata.name)
    for (const workflow of workflows) catalog.put(workflow)
    await Promise.all([logs.sweep(catalog.hasUid), progress.sweep(catalog.hasUid)])
    for (const workflow of workflows) {
      seen(workflow)
      background('resume', deps.runs.resume(workflow))
    }
    return version
  }

  return async (signal, started) => {
    while (!signal.aborted) {
      const version = await survey()
      started()
      for (const link of agents.all()) background('assign', desk.assign(link))
      try {
        for await (const change of store.watch(version, signal)) handle(change)
        return
      } catch (error) {
        if (!isCode(error, 'Expired')) throw error
        deps.log.warn({}, 'engine fell behind the store, listing again')
      }
    }
  }
}
