import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { AppError, isCode, messageOf } from '../model/error.ts'
import type { Workflow } from '../model/workflow.ts'
import { withStatus } from '../store/resource.ts'
import type { Store } from '../store/store.ts'
import type { Catalog } from './catalog.ts'
import { setNetboot } from './netboot.ts'
import type { Serial } from './serial.ts'
import { commandsOf } from './change.ts'
import { step } from './step.ts'
import type { RunCommand, RunEvent, RunStatus } from './run.ts'

/** Which Workflow. */
export type Ref = { namespace: string; name: string }

/** Carries events of Workflows through `step` to the disk, and then to those who must act. */
export type Runs = {
  /**
   * One transition, on disk when this resolves. What netboot has to be switched for is done by then too.
   * @param check sees the status that the event meets, and throws when nothing is to be done
   * @returns the Workflow after it, `undefined` when there is none
   * @throws AppError of the store
   */
  apply(ref: Ref, event: RunEvent, check?: (status: RunStatus) => void): Promise<Workflow | undefined>
  /** Does again what follows from the status alone, after a start or a failure. */
  resume(workflow: Workflow): Promise<void>
  /** Writes a status that `step` did not make; `change` gives back the same one to leave it. */
  write(ref: Ref, change: (workflow: Workflow) => RunStatus): Promise<Workflow | undefined>
  /** Workflows whose commands could not be done, to resume. */
  takeUnfinished(): Ref[]
}

export type RunsDeps = {
  store: Store
  catalog: Catalog
  clock: Pick<Clock, 'now'>
  log: Pick<Logger, 'error'>
  serial: Serial
  /** sends what is for an agent; called in the order of the writes */
  tell(workflow: Workflow, command: Exclude<RunCommand, { type: 'allow-netboot' }>): void
  /** hears of every write */
  changed(before: Workflow, after: Workflow): void
  /** something is unfinished */
  failed(): void
}

const maxTries = 50

export function createRuns(deps: RunsDeps): Runs {
  const { store, catalog, clock, log, serial } = deps
  const unfinished = new Map<string, Ref>()

  const change = async (
    ref: Ref,
    decide: (workflow: Workflow) => { status: RunStatus; commands: RunCommand[] },
  ): Promise<{ workflow: Workflow; commands: RunCommand[] } | undefined> => {
    for (let tries = 0; tries < maxTries; tries++) {
      // What is known is mostly what is stored: it is read only where a write has shown that it is not.
      const known = tries === 0 ? catalog.get(ref.namespace, ref.name) : undefined
      const found = known ?? ((await store.get({ kind: 'Workflow', ...ref })) as Workflow | undefined)
      if (!found) break
      const before: Workflow = found.status === undefined ? { ...found, status: {} } : found
      const { status, commands } = decide(before)
      if (status === before.status) return { workflow: before, commands }
      const after = await save(before, status)
      if (after) return { workflow: after, commands }
    }
    if (await store.get({ kind: 'Workflow', ...ref }))
      throw new AppError('Conflict', `Workflow ${idOf(ref)} changes faster than it can be written`)
    catalog.forget(ref.namespace, ref.name)
    return undefined
  }

  const save = async (before: Workflow, status: RunStatus): Promise<Workflow | undefined> => {
    try {
      const next = withStatus(before, status)
      const after = (await store.update(next, before.metadata.resourceVersion)) as Workflow
      catalog.put(after)
      deps.changed(before, after)
      return after
    } catch (error) {
      if (isCode(error, 'Conflict', 'NotFound')) return undefined
      throw error
    }
  }

  const apply: Runs['apply'] = async (ref, event, check) => {
    const result = await serial(`run/${idOf(ref)}`, async () => {
      const changed = await change(ref, (workflow) => {
        check?.(workflow.status!)
        return step(workflow.status!, event, optionsOf(workflow))
      })
      for (const command of changed?.commands ?? [])
        if (command.type !== 'allow-netboot') deps.tell(changed!.workflow, command)
      return changed
    })
    return result && (await switchNetboot(result.workflow, result.commands))
  }

  const switchNetboot = async (workflow: Workflow, commands: readonly RunCommand[]): Promise<Workflow> => {
    const command = commands.find(({ type }) => type === 'allow-netboot')
    if (command?.type !== 'allow-netboot') return workflow
    const { allowed } = command
    const { namespace, name } = workflow.metadata
    try {
      const hardware = `netboot/${namespace}/${workflow.spec?.hardwareRef}`
      const fault = await serial(hardware, () => setNetboot(deps, workflow, allowed))
      const event = {
        type: 'netboot-set',
        allowed,
        at: clock.now(),
        ...(fault === undefined ? {} : { fault }),
      } as const
      return (await apply({ namespace, name }, event)) ?? workflow
    } catch (error) {
      log.error({ workflow: `${namespace}/${name}`, why: messageOf(error) }, 'netboot not switched')
      unfinished.set(`${namespace}/${name}`, { namespace, name })
      deps.failed()
      return workflow
    }
  }

  return {
    apply,
    resume: async (workflow) => {
      await switchNetboot(workflow, commandsOf(workflow.status ?? {}))
    },
    write: async (ref, decide) => {
      const result = await serial(`run/${idOf(ref)}`, () =>
        change(ref, (workflow) => ({ status: decide(workflow), commands: [] })),
      )
      return result && (await switchNetboot(result.workflow, commandsOf(result.workflow.status ?? {})))
    },
    takeUnfinished: () => {
      const refs = [...unfinished.values()]
      unfinished.clear()
      return refs
    },
  }
}

const idOf = ({ namespace, name }: Ref) => `${namespace}/${name}`

const optionsOf = (workflow: Workflow) => ({
  toggleAllowNetboot: workflow.spec?.bootOptions?.toggleAllowNetboot === true,
})
