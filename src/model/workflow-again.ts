import type { NewObject } from './object.ts'
import { isLive } from './workflow.ts'
import type { Workflow } from './workflow.ts'

/**
 * A run that has ended is never run again: another Workflow is made of it. `retry` takes over its plan and what has
 * succeeded in it, `restart` renders the Template afresh.
 */
export type AgainVerb = 'retry' | 'restart'

/** Annotations that name, as `namespace/name`, the Workflow that one was made of. */
export const madeOf = { retry: 'ironwake.dev/retry-of', restart: 'ironwake.dev/restart-of' } as const

const words = { retry: 'retry', restart: 'run' } as const
const longestName = 253

/** The first free name of the form `install-1-retry-2` for what is made of `name`, which may be such a one itself. */
export function nameAgain(verb: AgainVerb, name: string, isTaken: (name: string) => boolean): string {
  const base = name.replace(/(-(retry|run)-\d+)+$/, '')
  for (let number = 1; ; number++) {
    const end = `-${words[verb]}-${number}`
    const next = base.slice(0, longestName - end.length) + end
    if (!isTaken(next)) return next
  }
}

/** The Workflow that `annotation` names for this one; `undefined` when there is none, or it is of another namespace. */
export function originOf(
  verb: AgainVerb,
  { metadata }: Pick<Workflow, 'metadata'>,
): { namespace: string; name: string } | undefined {
  const text = metadata.annotations?.[madeOf[verb]]
  const slash = text?.indexOf('/') ?? -1
  if (text === undefined || slash < 0 || text.slice(0, slash) !== metadata.namespace) return undefined
  return { namespace: metadata.namespace, name: text.slice(slash + 1) }
}

/**
 * What is to be done when somebody wants `verb` of `workflow`: make another one, nothing because `there` is that one
 * already, or nothing because it cannot be (`refused`).
 * @param made those that were made of it by the same verb
 */
export function againOf(
  verb: AgainVerb,
  workflow: Workflow,
  made: readonly Workflow[],
): { make: true } | { there: Workflow } | { refused: string } {
  const title = `workflow ${workflow.metadata.namespace}/${workflow.metadata.name}`
  const there = made.find(isLive)
  if (there) return { there }
  const state = workflow.status?.state || 'not planned yet'
  if (isLive(workflow))
    return {
      refused: `${title} is ${state}, and FAILED, TIMEOUT${verb === 'restart' ? ' or SUCCESS' : ''} is expected to ${verb} it: cancel it first`,
    }
  if (verb === 'restart') return { make: true }
  if (state === 'SUCCESS')
    return { refused: `${title} is SUCCESS: nothing is left to retry; restart runs it from the beginning` }
  if (!workflow.status?.tasks?.length)
    return { refused: `${title} is ${state} and has no rendered plan to go on with: restart it` }
  const done = made.find(({ status }) => status?.state === 'SUCCESS')
  if (done) return { there: done }
  const last = made.at(-1)
  if (!last) return { make: true }
  const { name } = last.metadata
  return { refused: `${title} was retried as ${name}, which is ${last.status?.state}: retry that one` }
}

/** The Workflow that is made of `workflow`: the same wish under another name. */
export function workflowAgain(verb: AgainVerb, workflow: Workflow, name: string, reason = ''): NewObject {
  const { namespace, labels, name: old } = workflow.metadata
  return {
    apiVersion: workflow.apiVersion,
    kind: 'Workflow',
    metadata: {
      name,
      namespace,
      ...(labels ? { labels } : {}),
      annotations: {
        [madeOf[verb]]: `${namespace}/${old}`,
        ...(reason === '' ? {} : { 'ironwake.dev/reason': reason }),
      },
    },
    spec: workflow.spec ?? {},
  }
}
