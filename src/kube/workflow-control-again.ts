import { AppError, isCode } from '../model/error.ts'
import type { KindInfo } from '../model/kinds.ts'
import type { KubeObject } from '../model/object.ts'
import type { Workflow } from '../model/workflow.ts'
import { againOf, nameAgain, originOf, workflowAgain } from '../model/workflow-again.ts'
import type { AgainVerb } from '../model/workflow-again.ts'
import { withStates } from '../model/workflow-state.ts'
import { notFound } from '../store/failure.ts'
import type { Reply, Request } from './app.ts'
import { createChecked } from './create.ts'
import { withManagers } from './managed.ts'
import { keyFor, placeOf, writeOptions } from './request.ts'
import type { ResourceDeps } from './resources.ts'

/** Names that somebody else takes first. */
const mostTries = 8

/**
 * Makes another Workflow of one that has ended (201), or gives back the one that was made of it (200).
 * @throws AppError NotFound; Conflict saying why not; as `createChecked`
 */
export async function makeAgain(
  deps: ResourceDeps,
  info: KindInfo,
  verb: AgainVerb,
  reason: string,
  request: Request,
  reply: Reply,
): Promise<KubeObject> {
  const place = placeOf(request)
  const { writer } = writeOptions(request, info, deps.clock, { operation: 'Update', subresource: '' })
  // A retry has its plan already: it does not matter what has become of its Template.
  const making = verb === 'retry' ? { ...deps, admission: {} } : deps
  for (let tries = 1; ; tries++) {
    const all = (await deps.store.list('Workflow', place.namespace)).items
    const plain = all.map((item) => withStates(item, 'SUCCESS') as Workflow)
    const workflow = plain.find(({ metadata }) => metadata.name === place.name)
    if (!workflow) throw notFound(keyFor(info, place))
    const what = againOf(verb, workflow, madeFrom(verb, workflow, plain))
    if ('refused' in what) throw new AppError('Conflict', what.refused)
    if ('there' in what) return withStates(what.there, deps.workflowStates)
    const names = new Set(plain.map(({ metadata }) => metadata.name))
    const next = workflowAgain(
      verb,
      workflow,
      nameAgain(verb, place.name, (name) => names.has(name)),
      reason,
    )
    try {
      const made = await createChecked(making, info, next, { dryRun: false }, (object) =>
        withManagers(undefined, object, writer),
      )
      void reply.code(201)
      return made
    } catch (error) {
      if (tries === mostTries || !isCode(error, 'AlreadyExists')) throw error
    }
  }
}

/** Those made of this very Workflow, oldest first, and not of an earlier one of its name. */
function madeFrom(verb: AgainVerb, workflow: Workflow, all: readonly Workflow[]): Workflow[] {
  const { name, creationTimestamp: since } = workflow.metadata
  return all
    .filter((one) => originOf(verb, one)?.name === name && one.metadata.creationTimestamp >= since)
    .sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1))
}
