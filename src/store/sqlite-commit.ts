import type { Database } from 'better-sqlite3'
import type { Clock } from '../model/clock.ts'
import { AppError, messageOf } from '../model/error.ts'

/** Limits of one transaction, so that packets are answered between two of them. */
const maxWrites = 1000
const maxMs = 10

/** Writes of one turn of the event loop share one transaction, and so one flush to disk. */
export type GroupCommit = {
  /**
   * Runs `op` inside the next transaction. An AppError that it throws (before it writes anything) rejects this promise
   * only; any other failure undoes and rejects the whole group.
   * @returns what `op` returned, after the commit is on disk
   * @throws AppError Unavailable when the disk refused, or after `close`
   */
  write<T>(op: () => T): Promise<T>
  /** Resolves when everything queued is on disk; later writes are refused. */
  close(): Promise<void>
}

type Write = { op: () => unknown; resolve(value: unknown): void; reject(error: unknown): void }

type Deps = {
  db: Database
  clock: Pick<Clock, 'now'>
  /** last step inside each transaction */
  beforeCommit(): void
  committed(): void
  rolledBack(): void
}

export function createGroupCommit({ db, clock, beforeCommit, committed, rolledBack }: Deps): GroupCommit {
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  const rollback = db.prepare('ROLLBACK')
  let queue: Write[] = []
  let scheduled = false
  let closed: (() => void) | undefined

  function schedule() {
    if (scheduled) return
    scheduled = true
    setImmediate(drain)
  }

  function drain() {
    scheduled = false
    const group = queue.slice(0, maxWrites)
    const settle: (() => void)[] = []
    try {
      begin.run()
      runGroup(group, settle)
      beforeCommit()
      commit.run()
    } catch (error) {
      if (db.inTransaction) rollback.run()
      rolledBack()
      queue = queue.slice(group.length)
      const failure = new AppError('Unavailable', `store: write failed: ${messageOf(error)}`, {
        cause: error,
      })
      for (const write of group) write.reject(failure)
      return next()
    }
    queue = queue.slice(settle.length)
    committed()
    for (const done of settle) done()
    next()
  }

  function runGroup(group: readonly Write[], settle: (() => void)[]) {
    const until = clock.now() + maxMs
    for (const { op, resolve, reject } of group) {
      settle.push(attempt(op, resolve, reject))
      if (clock.now() >= until) return
    }
  }

  function next() {
    if (queue.length > 0) schedule()
    else closed?.()
  }

  return {
    write<T>(op: () => T) {
      if (closed) return Promise.reject(new AppError('Unavailable', 'store: closed'))
      return new Promise<T>((resolve, reject) => {
        queue.push({ op, resolve: resolve as (value: unknown) => void, reject })
        schedule()
      })
    },
    close() {
      return new Promise((resolve) => {
        closed = resolve
        if (queue.length === 0) resolve()
      })
    },
  }
}

function attempt(op: () => unknown, resolve: Write['resolve'], reject: Write['reject']): () => void {
  try {
    const value = op()
    return () => resolve(value)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return () => reject(error)
  }
}
