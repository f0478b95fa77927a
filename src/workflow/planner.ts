import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { AppError, isCode, messageOf } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { Template } from '../model/template.ts'
import type { Workflow, WorkflowSpec, WorkflowStatus } from '../model/workflow.ts'
import { madeOf, originOf } from '../model/workflow-again.ts'
import type { Store } from '../store/store.ts'
import { carriedPlan } from './carried.ts'
import type { Ref, Runs } from './runs.ts'
import { withCondition } from './change.ts'
import type { RunStatus } from './run.ts'
import { timeText } from './timing.ts'

/**
 * Renders and checks a Template for a Workflow.
 * @throws AppError Invalid with a message for people
 */
export type Plan = (input: {
  template: string
  spec: WorkflowSpec
  hardware: Hardware | undefined
  newId: () => string
  now: number
}) => { status: WorkflowStatus }

/** Plans Workflows that have no state yet, and tries again those that could not be planned. */
export type Planner = {
  /** call with every Workflow that is new or has changed */
  consider(workflow: Workflow): void
  /** a Template or Hardware has changed: Workflows that wait for it are tried again */
  referenceChanged(kind: 'Template' | 'Hardware', ref: Ref): void
  forget(ref: Ref): void
  /** starts the retries that are due; says when the next one is, epoch ms */
  round(now: number): number | undefined
  /** resolves when nothing is being planned */
  idle(): Promise<void>
}

export type PlannerDeps = {
  store: Pick<Store, 'get'>
  runs: Pick<Runs, 'write'>
  plan: Plan
  newId: () => string
  clock: Pick<Clock, 'now'>
  log: Pick<Logger, 'info' | 'warn' | 'error'>
  /** calls for a round at that time */
  wake(at: number): void
}

type Waiting = {
  ref: Ref
  generation: number
  templateRef: string
  hardwareRef: string
  tries: number
  retryAt: number
}

const firstRetryMs = 5000
const longestRetryMs = 300_000
/** Rendering keeps the processor: between batches of this size everything else gets its turn. */
const atOnce = 4

export function createPlanner(deps: PlannerDeps): Planner {
  const { clock, log } = deps
  const waiting = new Map<string, Waiting>()
  const queue = new Map<string, Ref>()
  const running = new Set<Promise<void>>()

  const enqueue = (ref: Ref) => {
    queue.set(idOf(ref), ref)
    while (running.size < atOnce && queue.size > 0) next()
  }
  const next = () => {
    const [id, ref] = queue.entries().next().value!
    queue.delete(id)
    const task = planOne(ref)
      .catch((error: unknown) => {
        log.error({ workflow: id, why: messageOf(error) }, 'workflow not planned')
        wait(ref, waiting.get(id))
      })
      .finally(() => {
        running.delete(task)
        if (queue.size > 0) next()
      })
    running.add(task)
  }
  const wait = (ref: Ref, before: Waiting | undefined, workflow?: Workflow) => {
    const tries = (before?.tries ?? 0) + 1
    const retryAt = clock.now() + Math.min(firstRetryMs * 2 ** (tries - 1), longestRetryMs)
    const generation = workflow?.metadata.generation ?? before?.generation ?? -1
    const { templateRef = '', hardwareRef = '' } = workflow?.spec ?? before ?? {}
    waiting.set(idOf(ref), { ref, generation, templateRef, hardwareRef, tries, retryAt })
    deps.wake(retryAt)
  }

  const planOne = async (ref: Ref) => {
    const workflow = (await deps.store.get({ kind: 'Workflow', ...ref })) as Workflow | undefined
    if (!workflow || !needsPlan(workflow)) return void waiting.delete(idOf(ref))
    const planned = await attempt(deps, workflow)
    if (planned.failure !== undefined) wait(ref, waiting.get(idOf(ref)), workflow)
    else waiting.delete(idOf(ref))
    const written = await deps.runs.write(ref, (current) => {
      const isSame = current.metadata.generation === workflow.metadata.generation
      return isSame && needsPlan(current) ? planned.status(current.status ?? {}) : (current.status ?? {})
    })
    const facts = { workflow: idOf(ref), state: written?.status?.state }
    if (planned.failure === undefined) log.info(facts, 'workflow planned')
    else log.warn({ ...facts, why: planned.failure }, 'workflow not planned')
  }

  return {
    consider: (workflow) => {
      const ref = refOf(workflow)
      const known = waiting.get(idOf(ref))
      if (!needsPlan(workflow)) waiting.delete(idOf(ref))
      else if (known?.generation !== workflow.metadata.generation) enqueue(ref)
    },
    referenceChanged: (kind, { namespace, name }) => {
      for (const { ref, templateRef, hardwareRef } of waiting.values())
        if (ref.namespace === namespace && (kind === 'Template' ? templateRef : hardwareRef) === name)
          enqueue(ref)
    },
    forget: (ref) => {
      waiting.delete(idOf(ref))
      queue.delete(idOf(ref))
    },
    round: (now) => {
      let first = Number.POSITIVE_INFINITY
      for (const entry of waiting.values()) {
        if (entry.retryAt > now) first = Math.min(first, entry.retryAt)
        else {
          entry.retryAt = Number.POSITIVE_INFINITY
          enqueue(entry.ref)
        }
      }
      return first === Number.POSITIVE_INFINITY ? undefined : first
    },
    idle: async () => {
      while (running.size > 0) await Promise.all(running)
    },
  }
}

const idOf = ({ namespace, name }: Ref) => `${namespace}/${name}`
const refOf = ({ metadata }: Workflow): Ref => ({ namespace: metadata.namespace, name: metadata.name })

function needsPlan(workflow: Workflow): boolean {
  const isNew = (workflow.status?.state ?? '') === ''
  return isNew && workflow.spec?.disabled !== true && workflow.metadata.deletionTimestamp === undefined
}

/** The status that follows, given the one that is stored, and why it is a failure. */
type Attempt = { status: (before: RunStatus) => RunStatus; failure: string | undefined }

async function attempt(deps: PlannerDeps, workflow: Workflow): Promise<Attempt> {
  const now = deps.clock.now()
  const { bootMode } = workflow.spec?.bootOptions ?? {}
  if (bootMode !== undefined) return { status: refuseBootMode(bootMode, now), failure: undefined }
  try {
    const old = await retriedBy(deps.store, workflow)
    const { status } = old
      ? carriedPlan(old, deps.newId, now)
      : deps.plan({ ...(await referencesOf(deps.store, workflow)), newId: deps.newId, now })
    return { status: (before) => plannedStatus(before, status, workflow.spec ?? {}, now), failure: undefined }
  } catch (error) {
    if (isCode(error, 'Unavailable', 'Internal')) throw error
    const failure = messageOf(error).slice(0, 4000)
    return { status: (before) => failedStatus(before, failure, now), failure }
  }
}

/** The Workflow whose retry this one is. */
async function retriedBy(store: Pick<Store, 'get'>, workflow: Workflow): Promise<Workflow | undefined> {
  if (workflow.metadata.annotations?.[madeOf.retry] === undefined) return undefined
  const origin = originOf('retry', workflow)
  const title = workflow.metadata.annotations[madeOf.retry]!.slice(0, 300)
  if (!origin)
    throw new AppError(
      'Invalid',
      `${madeOf.retry} is "${title}", expected <namespace>/<name> of a Workflow in the same namespace`,
    )
  const found = await store.get({ kind: 'Workflow', ...origin })
  if (!found) throw new AppError('NotFound', `Workflow ${title}, of which this is a retry, not found`)
  return found as Workflow
}

async function referencesOf(store: Pick<Store, 'get'>, workflow: Workflow) {
  const { namespace } = workflow.metadata
  const { templateRef = '', hardwareRef = '' } = workflow.spec ?? {}
  if (templateRef === '')
    throw new AppError('Invalid', 'spec.templateRef is empty, expected the name of a Template')
  const template = (await store.get({ kind: 'Template', namespace, name: templateRef })) as
    | Template
    | undefined
  if (!template) throw new AppError('NotFound', `Template ${namespace}/${templateRef} not found`)
  const hardware =
    hardwareRef === ''
      ? undefined
      : ((await store.get({ kind: 'Hardware', namespace, name: hardwareRef })) as Hardware | undefined)
  if (hardwareRef !== '' && !hardware)
    throw new AppError('NotFound', `Hardware ${namespace}/${hardwareRef} not found`)
  return { template: template.spec?.data ?? '', spec: workflow.spec ?? {}, hardware }
}

const rendered = 'TemplateRenderedSuccess'

function plannedStatus(before: RunStatus, planned: RunStatus, spec: WorkflowSpec, now: number): RunStatus {
  const agentID = planned.agentID ?? planned.tasks?.[0]?.agentID
  const toggles = spec.bootOptions?.toggleAllowNetboot === true
  const others = [...(before.conditions ?? []), ...(planned.conditions ?? [])]
  const status: RunStatus = {
    ...before,
    ...planned,
    conditions: others,
    ...(agentID === undefined ? {} : { agentID }),
    templateRendering: 'successful',
    state: toggles ? 'PREPARING' : 'PENDING',
  }
  const condition = {
    type: rendered,
    status: 'True',
    reason: 'Complete',
    message: 'template rendered successfully',
  }
  return withCondition(status, { ...condition, time: timeText(now) })
}

function failedStatus(before: RunStatus, message: string, now: number): RunStatus {
  const known = before.conditions?.find(({ type }) => type === rendered)
  if (known?.status === 'False' && known.message === message) return before
  const condition = { type: rendered, status: 'False', reason: 'Error', message, time: timeText(now) }
  return withCondition({ ...before, templateRendering: 'failed' }, condition)
}

function refuseBootMode(bootMode: string, now: number) {
  const message = `spec.bootOptions.bootMode "${bootMode}" needs a BMC, which this server does not drive; leave it out and power the machine on yourself`
  const condition = { type: 'BootJobSetupFailed', status: 'True', reason: 'Unsupported', message }
  return (before: RunStatus): RunStatus =>
    withCondition({ ...before, state: 'FAILED' }, { ...condition, time: timeText(now) })
}
