import type { Part } from '../lifecycle.ts'
import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { AppError, messageOf } from '../model/error.ts'
import type { Machine } from '../model/machine.ts'
import { parseMac } from '../model/mac.ts'
import type { Workflow } from '../model/workflow.ts'
import type { SideStore } from '../store/side.ts'
import type { Store } from '../store/store.ts'
import type { RecordStage } from '../timeline/stage.ts'
import { createAgents } from './agents.ts'
import { createAlarm } from './alarm.ts'
import { agentKey, createCatalog } from './catalog.ts'
import { createDesk } from './desk.ts'
import type { EngineListener } from './listeners.ts'
import { createListeners } from './listeners.ts'
import { runActionOf } from './link.ts'
import type { Desk } from './link.ts'
import type { ActionLogs, LogRead } from './logs.ts'
import { milestonesOf } from './milestones.ts'
import { refusalOf } from './on-control.ts'
import { createPlanner } from './planner.ts'
import type { Plan } from './planner.ts'
import { turnOf } from './queue.ts'
import type { Turn } from './queue.ts'
import { createProgressBook } from './progress.ts'
import type { ActionProgress } from './progress.ts'
import { createRuns } from './runs.ts'
import type { Ref } from './runs.ts'
import { createSerial } from './serial.ts'
import type { ControlVerb, RunCommand } from './run.ts'
import { nextTick } from './timing.ts'
import { createWatcher } from './watcher.ts'

export type EngineDeps = {
  store: Store
  side: SideStore
  clock: Clock
  log: Logger
  /** what happens to a machine, for its timeline */
  record: RecordStage
  /** ULIDs for tasks and actions */
  newId(): string
  plan: Plan
  logs: ActionLogs
  /** @param agentId spec.agentID of a Hardware, or one of its MACs */
  machineByAgent(agentId: string): Machine | undefined
  /** how often agents send a heartbeat; one that is silent three times as long is lost */
  heartbeatMs?: number
}

/**
 * Drives Workflows from creation to their end: see docs/architecture.md, "Engine". `run` may be called once; agents
 * that connect earlier wait until the Workflows are known.
 */
export type Engine = Desk & {
  run: Part
  heartbeatMs: number
  /** Hears of every change, progress and log line; the result ends that. */
  subscribe(listener: EngineListener): () => void
  /** what an action of the Workflow with this uid printed, from line `since` on */
  workflowLogs(uid: string, actionId: string, since?: number): Promise<LogRead>
  /** The installed system of this machine says that it runs: an action that was to bring this about has succeeded. */
  phonedHome(machine: Pick<Machine, 'agentId' | 'macs'>): void
  /**
   * Does to a Workflow what somebody wants; done already, it stays as it is. On disk when this resolves.
   * @param by who wants it
   * @param reason why; may be empty
   * @throws AppError NotFound; Conflict when its state does not allow it; of the store
   */
  control(ref: Ref, verb: ControlVerb, by: string, reason: string): Promise<Workflow>
  /** what a Workflow waits for behind others of its machine */
  turnOf(workflow: Workflow): Turn | undefined
  /** how far the actions of the Workflow with this uid have come */
  workflowProgress(uid: string): Promise<ActionProgress[]>
}

/** What is due is looked for at most this often, ms; machines that fall silent need no better. */
const coarseMs = 1000
const retryMs = 1000
/** After a start, agents get so many heartbeats to tell what they did in the meantime, before any deadline counts. */
const settleBeats = 3

export function createEngine(deps: EngineDeps): Engine {
  const { store, side, clock, log, record, logs, machineByAgent, heartbeatMs = 10_000 } = deps
  const catalog = createCatalog()
  const serial = createSerial()
  const alarm = createAlarm(clock)
  const silenceMs = 3 * heartbeatMs
  const agents = createAgents({ machineByAgent, silenceMs })
  const progress = createProgressBook({ side, log })
  const listeners = createListeners({ log, logs, catalog })
  const settleMs = settleBeats * heartbeatMs
  let settledAt = Number.POSITIVE_INFINITY
  let hasSettled = false
  const inFlight = new Set<Promise<unknown>>()
  const started = createGate()

  /** Lets `work` go on by itself; a failure is logged, and `retry` (if any) is due a moment later. */
  const background = (what: string, work: Promise<unknown>) => {
    const task = work
      .catch((error: unknown) => {
        log.error({ what, why: messageOf(error) }, 'engine step failed')
        alarm.at(clock.now() + retryMs)
      })
      .finally(() => inFlight.delete(task))
    inFlight.add(task)
  }

  const tell = (workflow: Workflow, command: Exclude<RunCommand, { type: 'allow-netboot' }>) => {
    if (command.type !== 'run-action') {
      const { type, actionId, reason } = command
      return agents.linkOf(command.agentId)?.send({ type, actionId, reason })
    }
    const action = runActionOf(workflow, clock.now())
    if (action) agents.linkOf(workflow.status?.agentID ?? '')?.send(action)
  }

  const changed = (before: Workflow, after: Workflow) => {
    const { namespace, name, uid } = after.metadata
    for (const { agentId, stage, facts, actionId } of milestonesOf(
      `${namespace}/${name}`,
      before.status ?? {},
      after.status ?? {},
    )) {
      const bytes = stage === 'action-ended' ? progress.of(actionId ?? '')?.doneBytes : undefined
      const all = { ...facts, ...(bytes ? { bytes } : {}) }
      const mac = agents.linkOf(agentId)?.mac ?? machineByAgent(agentId)?.mac ?? parseMac(agentId)
      if (mac) record(mac, stage, all)
      log.info({ workflow: `${namespace}/${name}`, agent: agentId, ...all }, stage)
      if (stage === 'action-ended' && actionId !== undefined) progress.ended(uid, actionId)
    }
    const tick = nextTick(after.status ?? {})
    if (tick !== undefined) alarm.at(tick)
  }

  const failed = () => alarm.at(clock.now() + retryMs)
  const runs = createRuns({ store, catalog, clock, log, serial, tell, changed, failed })
  const planner = createPlanner({ ...deps, runs, wake: (at) => alarm.at(at) })
  const desk = createDesk({
    ...deps,
    runs,
    catalog,
    agents,
    serial,
    progress,
    listeners,
    started: started.opened,
    wake: () => alarm.at(clock.now() + silenceMs),
  })

  const watcher = createWatcher({
    store,
    catalog,
    agents,
    logs,
    progress,
    log,
    planner,
    runs,
    desk,
    listeners,
    alarm,
    background,
  })

  /** Does what is due; @returns when something is due next */
  const round = async (now: number): Promise<number | undefined> => {
    await started.opened
    if (settledAt === Number.POSITIVE_INFINITY) settledAt = now + settleMs
    const times: number[] = []
    const due: Workflow[] = []
    for (const workflow of catalog.live()) {
      const next = nextTick(workflow.status ?? {})
      if (next === undefined) continue
      const tick = Math.max(next, settledAt)
      if (tick <= now) due.push(workflow)
      else times.push(tick)
    }
    for (const { metadata } of due) background('tick', runs.apply(metadata, { type: 'tick', at: now }))
    for (const ref of runs.takeUnfinished()) {
      const workflow = catalog.get(ref.namespace, ref.name)
      if (workflow) background('resume', runs.resume(workflow))
    }
    background('agent lost', desk.dropSilent(now))
    if (now >= settledAt && !hasSettled) {
      hasSettled = true
      background('agents absent', desk.noteAbsent(settledAt - settleMs, now))
    } else if (!hasSettled) times.push(settledAt)
    const retry = planner.round(now)
    const loss = agents.nextLoss()
    if (retry !== undefined) times.push(retry)
    if (loss !== undefined) times.push(Math.ceil(loss / coarseMs) * coarseMs)
    return times.length > 0 ? Math.min(...times) : undefined
  }

  const run: Part = async (signal) => {
    const stop = new AbortController()
    const both = AbortSignal.any([signal, stop.signal])
    both.addEventListener('abort', started.open, { once: true })
    const parts = [watcher(both, started.open), alarm.run(both, round)].map((part) =>
      part.finally(() => stop.abort()),
    )
    const results = await Promise.allSettled(parts)
    while (inFlight.size > 0) await Promise.all(inFlight)
    await planner.idle()
    await logs.flush()
    const failure = results.find((result) => result.status === 'rejected')
    if (failure) throw failure.reason
  }

  const phonedHome: Engine['phonedHome'] = ({ agentId, macs }) => {
    const event = { type: 'phoned-home', at: clock.now() } as const
    for (const { metadata } of catalog.ofAgent([agentId, ...macs].map(agentKey)))
      background('phone home', runs.apply(metadata, event))
  }

  const control: Engine['control'] = async (ref, verb, by, reason) => {
    const event = { type: verb, by, reason, at: clock.now() } as const
    const workflow = await runs.apply(ref, event, (status) => {
      const refusal = refusalOf(status, verb)
      if (refusal === undefined) return
      throw new AppError('Conflict', `workflow ${ref.namespace}/${ref.name} cannot be changed: ${refusal}`)
    })
    if (!workflow) throw new AppError('NotFound', `workflow ${ref.namespace}/${ref.name} not found`)
    log.info({ workflow: `${ref.namespace}/${ref.name}`, by, reason }, `workflow ${verb}`)
    const link = agents.linkOf(workflow.status?.agentID ?? '')
    if (link) background(verb, desk.assign(link, verb === 'resume'))
    return workflow
  }

  const turn: Engine['turnOf'] = (workflow) => {
    const agentId = workflow.status?.agentID
    if (agentId === undefined) return undefined
    const { agentId: known, macs } = machineByAgent(agentId) ?? { agentId, macs: [] }
    return turnOf(catalog.ofAgent([agentId, known, ...macs].map(agentKey)), workflow)
  }

  return {
    ...desk,
    run,
    control,
    turnOf: turn,
    phonedHome,
    heartbeatMs,
    subscribe: listeners.subscribe,
    workflowLogs: logs.read,
    workflowProgress: progress.read,
  }
}

function createGate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { open: () => open(), opened }
}
