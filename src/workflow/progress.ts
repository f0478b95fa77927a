import type { Logger } from '../log.ts'
import { messageOf } from '../model/error.ts'
import type { SideStore } from '../store/side.ts'

/** How far an action has come; `totalBytes` 0 = unknown, `at` epoch ms. */
export type ActionProgress = { actionId: string; doneBytes: number; totalBytes: number; at: number }

/** Newest progress of each action: in memory while it runs, and in the side table at most every 2 s. */
export type ProgressBook = {
  note(uid: string, progress: ActionProgress): void
  of(actionId: string): ActionProgress | undefined
  /** writes the last word and lets go of the memory */
  ended(uid: string, actionId: string): void
  /** all that is known of one Workflow's actions */
  read(uid: string): Promise<ActionProgress[]>
  forget(uid: string): Promise<void>
  /** forgets the Workflows that `isKnown` does not know */
  sweep(isKnown: (uid: string) => boolean): Promise<void>
}

type Deps = { side: SideStore; log: Pick<Logger, 'warn'> }
type Entry = { uid: string; progress: ActionProgress; writtenAt: number }

const writeEveryMs = 2000

export function createProgressBook({ side, log }: Deps): ProgressBook {
  const entries = new Map<string, Entry>()
  const write = (uid: string, progress: ActionProgress) => {
    side
      .put('progress', `${uid}/${progress.actionId}`, progress)
      .catch((error: unknown) => log.warn({ uid, why: messageOf(error) }, 'progress not written'))
  }
  const forget = async (uid: string) => {
    for (const [actionId, entry] of entries) if (entry.uid === uid) entries.delete(actionId)
    await side.deleteRange('progress', `${uid}/`, `${uid}0`)
  }
  return {
    note: (uid, progress) => {
      const before = entries.get(progress.actionId)
      const isDue = before === undefined || progress.at >= before.writtenAt + writeEveryMs
      entries.set(progress.actionId, { uid, progress, writtenAt: isDue ? progress.at : before.writtenAt })
      if (isDue) write(uid, progress)
    },
    of: (actionId) => entries.get(actionId)?.progress,
    ended: (uid, actionId) => {
      const entry = entries.get(actionId)
      entries.delete(actionId)
      if (entry && entry.progress.at !== entry.writtenAt) write(uid, entry.progress)
    },
    read: async (uid) => {
      const rows = await side.list('progress', `${uid}/`)
      return rows.map(({ value }) => {
        const written = value as ActionProgress
        return entries.get(written.actionId)?.progress ?? written
      })
    },
    forget,
    sweep: async (isKnown) => {
      const rows = await side.list('progress', '')
      const uids = new Set(rows.map(({ key }) => key.slice(0, key.indexOf('/'))))
      for (const uid of uids) if (!isKnown(uid)) await forget(uid)
    },
  }
}
