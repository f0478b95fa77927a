import { AppError, isCode } from '../model/error.ts'
import { isLive } from '../model/workflow.ts'
import type { Workflow } from '../model/workflow.ts'
import { LineStream } from './lines.ts'

/** As `ActionLogs.read`: what an action printed, from line `since` on; `next` is where a later call goes on. */
export type ReadLog = (uid: string, actionId: string, since?: number) => Promise<Printed>
type Printed = { lines: readonly object[]; next: number }

export type LogsDeps = {
  /** @throws AppError NotFound */
  workflow(): Promise<Workflow>
  read: ReadLog
  /** calls `wake` when an action of this Workflow has printed, or the Workflow has changed; returns what ends it */
  subscribe(wake: () => void): () => void
  shutdown: AbortSignal
}

/** `action`: only the one of this name or id; `since`: the first line wanted of each. */
export type LogsQuery = { action: string | undefined; since: number }

type Action = { id: string; name: string; state: string }

/** A follower is told to come back after this long, ms. */
const followMs = 3_600_000

/** @throws AppError NotFound for an action that a planned Workflow has not */
export function actionsOf(workflow: Workflow, wanted: string | undefined): Action[] {
  const all = (workflow.status?.tasks ?? []).flatMap(({ actions }) => actions)
  const chosen = all.filter(({ id, name }) => wanted === undefined || wanted === id || wanted === name)
  if (wanted !== undefined && chosen.length === 0 && (all.length > 0 || !isLive(workflow)))
    throw new AppError('NotFound', `workflow ${workflow.metadata.name} has no action "${wanted}"`)
  return chosen
}

/**
 * Lines `{ action: { id, name }, line, at, text }`: what was printed, then what is, until the actions that are meant have
 * ended or the Workflow has.
 * @param open takes over the response; called once nothing can be refused any more
 */
export async function followLogs(
  { workflow, read, subscribe, shutdown }: LogsDeps,
  { action, since }: LogsQuery,
  open: () => ConstructorParameters<typeof LineStream>[0],
): Promise<void> {
  let tell = () => {}
  const wake = () => tell()
  const unsubscribe = subscribe(wake)
  try {
    actionsOf(await workflow(), action)
    const options = { contentType: 'application/json', timeoutMs: followMs, shutdown, onEnd: wake }
    const lines = new LineStream(open(), options)
    const next = new Map<string, number>()
    const send = async (uid: string, { id, name }: Action) => {
      const printed = await read(uid, id, next.get(id) ?? since)
      for (const line of printed.lines) await lines.write({ action: { id, name }, ...line })
      next.set(id, printed.next)
    }
    try {
      while (!lines.ended) {
        // What comes from here on is news: it is read in the next round.
        const news = new Promise<void>((resolve) => (tell = resolve))
        const now = await workflow()
        const chosen = actionsOf(now, action)
        for (const one of chosen) if (one.state !== 'PENDING') await send(now.metadata.uid, one)
        if (isOver(now, chosen)) break
        if (!lines.ended) await news
      }
    } catch (error) {
      // It was deleted: there is no other way to say so once the answer has begun.
      if (!isCode(error, 'NotFound')) throw error
    } finally {
      lines.end()
    }
  } finally {
    unsubscribe()
  }
}

function isOver(workflow: Workflow, chosen: readonly Action[]): boolean {
  const isDone = chosen.length > 0 && chosen.every(({ state }) => state !== 'PENDING' && state !== 'RUNNING')
  return isDone || !isLive(workflow)
}
