import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { AppError } from '../model/error.ts'
import type { ActionStatus, Workflow } from '../model/workflow.ts'
import type { RecordStage } from '../timeline/stage.ts'
import type { Agents } from './agents.ts'
import { agentKey } from './catalog.ts'
import type { ActionOwner, Catalog } from './catalog.ts'
import type { AgentLink, AgentReport, Desk } from './link.ts'
import type { Listeners } from './listeners.ts'
import type { ActionLogs } from './logs.ts'
import { currentPlace } from './place.ts'
import type { ProgressBook } from './progress.ts'
import type { RunStatus } from './run.ts'
import type { Runs } from './runs.ts'
import type { Serial } from './serial.ts'
import { nextOf } from './queue.ts'
import { countsOnAgent, wantsAgent } from './step.ts'

type Deps = {
  clock: Pick<Clock, 'now'>
  log: Pick<Logger, 'info' | 'warn'>
  record: RecordStage
  logs: Pick<ActionLogs, 'append'>
  runs: Pick<Runs, 'apply'>
  catalog: Catalog
  agents: Agents
  serial: Serial
  progress: Pick<ProgressBook, 'note'>
  listeners: Pick<Listeners, 'progress'>
  /** the Workflows are known */
  started: Promise<void>
  /** the time at which an agent counts as lost may have come nearer */
  wake(): void
}

export type InnerDesk = Desk & {
  /** gives the agent what it is to do now, if it has nothing to do yet; `isNew`: also what it has to do already */
  assign(link: AgentLink, isNew?: boolean): Promise<void>
  /** parts with the agents that have not been heard for too long; resolves once that is noted in their Workflows */
  dropSilent(now: number): Promise<void>
  /** Notes in the Workflows which agents have not come since `since`, the start of the server. */
  noteAbsent(since: number, now: number): Promise<void>
}

export function createDesk(deps: Deps): InnerDesk {
  const { clock, log, record, logs, runs, catalog, agents, listeners } = deps

  const isOf = (link: AgentLink, agentId: string) => agents.namesOf(link).includes(agentKey(agentId))
  const workflowOf = (owner: ActionOwner) => catalog.get(owner.namespace, owner.name)
  const ownActionOf = (link: AgentLink, actionId: string) => {
    if (!agents.isCurrent(link)) return undefined
    const owner = catalog.owner(actionId)
    return owner && isOf(link, owner.agentId) ? owner : undefined
  }
  const cancel = (link: AgentLink, actionId: string, reason: string) =>
    link.send({ type: 'cancel-action', actionId, reason })

  const cancelStale = (link: AgentLink, actionId: string) => {
    const owner = ownActionOf(link, actionId)
    const action = owner && actionIn(workflowOf(owner), actionId)
    if (!action) return cancel(link, actionId, 'no Workflow of this agent has this action')
    if (action.state !== 'RUNNING' && action.state !== 'SUCCESS')
      cancel(link, actionId, action.message ?? `the action has ended: ${action.state}`)
  }

  const assignNow = async (link: AgentLink, isNew: boolean) => {
    if (!agents.isCurrent(link) || link.calls?.isAsking() === false) return
    const mine = catalog.ofAgent(agents.namesOf(link))
    const next = nextOf(mine)
    if (!next || (!isNew && !wantsAgent(next.status ?? {}))) return
    const { namespace, name } = next.metadata
    const agentId = next.status?.agentID ?? ''
    const session = link.calls && { session: link.calls.session }
    const event = {
      type: 'agent-ready',
      agentId,
      bootId: link.bootId,
      ...session,
      at: clock.now(),
    } as const
    await runs.apply({ namespace, name }, event)
  }
  // One at a time for each machine, so that no two Workflows are started for it.
  const assign = (link: AgentLink, isNew = false) =>
    deps.serial(`agent/${link.mac}`, () => assignNow(link, isNew))

  const disconnect = (link: AgentLink) => {
    if (!agents.isCurrent(link)) return
    const isBusy = catalog.ofAgent(agents.namesOf(link)).some(({ status }) => countsOnAgent(status ?? {}))
    agents.remove(link)
    if (isBusy) agents.miss(link, clock.now())
    deps.wake()
    log.info({ agent: link.agentId, mac: link.mac }, 'agent disconnected')
  }

  const report = async (link: AgentLink, told: AgentReport): Promise<boolean> => {
    agents.heard(link, clock.now())
    const owner = ownActionOf(link, told.actionId)
    if (!owner || told.workflowId !== `${owner.namespace}/${owner.name}` || told.taskId !== owner.taskId) {
      log.warn(
        { agent: link.agentId, mac: link.mac, action: told.actionId.slice(0, 64) },
        'report not accepted',
      )
      if (told.state === 'RUNNING' && agents.isCurrent(link))
        cancel(link, told.actionId, 'no Workflow of this agent has this action')
      return false
    }
    const { actionId, attempt, state, message } = told
    const session = link.calls && { session: link.calls.session }
    const event = { actionId, attempt, state, message, agentId: owner.agentId, ...session, at: clock.now() }
    const workflow = await runs.apply(
      { namespace: owner.namespace, name: owner.name },
      { type: 'reported', ...event },
    )
    const action = actionIn(workflow, actionId)
    const isSo = action?.state === state || (state === 'RUNNING' && action?.state === 'SUCCESS')
    if (!isSo && state === 'RUNNING') cancel(link, actionId, action?.message ?? 'the action has ended')
    return isSo
  }

  return {
    assign,
    disconnect,
    report,
    connect: async (link, hello) => {
      await deps.started
      const now = clock.now()
      const there = agents.linkOf(link.mac)
      if (link.calls && there && !there.calls)
        throw new AppError('Conflict', `an agent of ironwake is connected for ${link.mac}`)
      const old = agents.add(link, now)
      if (old && old !== link) old.close('a newer session of this machine has taken over')
      deps.wake()
      record(link.mac, 'agent-hello', { agent: link.agentId, version: hello.version, ...hello.facts })
      log.info({ agent: link.agentId, mac: link.mac, version: hello.version }, 'agent connected')
      if (hello.actionId !== '') cancelStale(link, hello.actionId)
      await assign(link, true)
    },
    ready: async (link) => {
      agents.heard(link, clock.now())
      await assign(link, true)
    },
    workflow: catalog.get,
    heartbeat: (link) => agents.heard(link, clock.now()),
    progress: (link, { actionId, doneBytes, totalBytes }) => {
      agents.heard(link, clock.now())
      const owner = ownActionOf(link, actionId)
      const workflow = owner && workflowOf(owner)
      if (!owner || !workflow || !isRunningAction(workflow)) return
      if (currentPlace(workflow.status!)?.action.id !== actionId) return
      const progress = { actionId, doneBytes, totalBytes, at: clock.now() }
      deps.progress.note(owner.uid, progress)
      listeners.progress(owner, progress)
    },
    log: (link, actionId, lines) => {
      agents.heard(link, clock.now())
      const owner = ownActionOf(link, actionId)
      if (owner) logs.append(owner.uid, actionId, lines)
    },
    dropSilent: async (now) => {
      for (const { mac, link, names, silentMs } of agents.takeLost(now)) {
        record(mac, 'agent-lost', { seconds: Math.round(silentMs / 1000) })
        log.warn({ mac, silentMs }, 'agent lost')
        link?.close('no heartbeat')
        const since = now - silentMs
        for (const { metadata, status } of catalog.ofAgent(names))
          if (countsOnAgent(status ?? {}))
            await runs.apply(metadata, {
              type: 'agent-lost',
              agentId: status?.agentID ?? '',
              since,
              at: now,
            })
      }
    },
    noteAbsent: async (since, now) => {
      for (const { metadata, status } of Array.from(catalog.live())) {
        const { agentID: agentId = '', ironwake } = (status ?? {}) as RunStatus
        // One that said it leaves may be slow to come back: that it has left is not known yet.
        if (!countsOnAgent(status ?? {}) || ironwake?.isLeaving || agents.linkOf(agentId)) continue
        log.warn({ workflow: `${metadata.namespace}/${metadata.name}`, agent: agentId }, 'agent has not come')
        await runs.apply(metadata, { type: 'agent-lost', agentId, since, at: now })
      }
    },
  }
}

function actionIn(workflow: Workflow | undefined, actionId: string): ActionStatus | undefined {
  const actions = workflow?.status?.tasks?.flatMap((task) => task.actions)
  return actions?.find(({ id }) => id === actionId)
}

function isRunningAction(workflow: Workflow): boolean {
  const { status } = workflow
  return status?.state === 'RUNNING' && currentPlace(status)?.action.state === 'RUNNING'
}
