import { isCode } from '../model/error.ts'
import type { Workflow } from '../model/workflow.ts'
import type { Client } from './client.ts'
import { CommandFailed } from './command.ts'
import type { CliDeps } from './command.ts'
import { failureOf } from './failure.ts'
import { hasEnded, titleOf, workflowFrom } from './outcome.ts'
import { isAway } from './patience.ts'
import type { Patiently } from './patience.ts'

/** One Workflow, or without `name` all that have not ended; of all namespaces without `namespace`. */
export type Selection = { namespace: string | undefined; name: string | undefined }

export type FollowDeps = Pick<CliDeps, 'signal' | 'sleep'> & {
  client: Client
  patiently: Patiently
  /** A Workflow that is followed has changed; `before` is missing the first time. */
  changed(before: Workflow | undefined, after: Workflow): void
}

export type Follower = {
  /** those that are followed, by uid */
  readonly known: ReadonlyMap<string, Workflow>
  /**
   * Follows until each has ended, or until interrupted. A connection that breaks is made anew.
   * @throws CommandFailed when the named one is deleted, or without a name nothing is there to follow
   */
  run(): Promise<void>
  /** The connection is known to be dead: look again. */
  restart(): void
}

/** After a stream that the server ended, ms. */
const pauseMs = 200

export function createFollower({ namespace, name }: Selection, deps: FollowDeps): Follower {
  const { client, patiently, signal } = deps
  const known = new Map<string, Workflow>()
  let stream = new AbortController()

  const selector: Record<string, string> =
    name === undefined ? {} : { fieldSelector: `metadata.name=${name}` }
  const pathWith = async (query: Record<string, string>) =>
    `${await client.path('Workflow', namespace)}?${new URLSearchParams({ ...query, ...selector }).toString()}`
  const isDone = () => known.size > 0 && [...known.values()].every(hasEnded)

  function note(workflow: Workflow): void {
    const { uid, resourceVersion } = workflow.metadata
    const before = known.get(uid)
    if (before?.metadata.resourceVersion === resourceVersion) return
    if (!before && name === undefined && hasEnded(workflow)) return
    known.set(uid, workflow)
    deps.changed(before, workflow)
  }

  function gone(workflow: Workflow): void {
    if (!known.delete(workflow.metadata.uid) || hasEnded(workflow)) return
    throw new CommandFailed(`workflow ${titleOf(workflow)} was deleted`)
  }

  /** Takes over what there is now. */
  async function read(): Promise<string> {
    const answer = await client.request('GET', await pathWith({}))
    if (answer.status !== 200) throw failureOf(answer)
    const { items: sent, metadata } = answer.json as {
      items: object[]
      metadata: { resourceVersion: string }
    }
    const items = sent.map(workflowFrom)
    const there = new Set(items.map((item) => item.metadata.uid))
    for (const [uid, workflow] of known) if (!there.has(uid)) gone(workflow)
    if (name !== undefined && items.length === 0) await client.get('Workflow', namespace ?? '', name)
    for (const item of items) note(item)
    return metadata.resourceVersion
  }

  async function watch(version: string): Promise<void> {
    stream = new AbortController()
    const onEvent = (event: unknown) => {
      const { type, object } = event as { type: string; object: object }
      if (type === 'DELETED') gone(workflowFrom(object))
      else if (type === 'ADDED' || type === 'MODIFIED') note(workflowFrom(object))
      if (isDone()) stream.abort()
    }
    try {
      const path = await pathWith({ watch: 'true', resourceVersion: version })
      await client.watch(path, onEvent, AbortSignal.any([signal, stream.signal]))
    } catch (error) {
      if (!isAway(error) && !isCode(error, 'Expired')) throw error
    }
  }

  async function run(): Promise<void> {
    let version = await read()
    if (known.size === 0) throw new CommandFailed('no workflow is under way; name one to see how it ended')
    while (!isDone() && !signal.aborted) {
      await watch(version)
      if (isDone() || signal.aborted) return
      await deps.sleep(pauseMs, signal)
      version = await patiently(read)
    }
  }

  return { known, run, restart: () => stream.abort() }
}
