import type { Database } from 'better-sqlite3'
import type { Clock } from '../model/clock.ts'
import { AppError, messageOf } from '../model/error.ts'
import type { Wal } from './sqlite-wal.ts'

/** Limits of one transaction, so that packets are answered between two of them. */
const maxWrites = 1000
const maxMs = 5

/** Writes of one turn of the event loop share one transaction; transactions of one flush share the wait for the disk. */
export type GroupCommit = {
  /**
   * Runs `op` inside the next transaction. An AppError that it throws (before it writes anything) rejects this promise
   * only; any other failure undoes and rejects the whole group.
   * @returns what `op` returned, after the commit is on disk
   * @throws AppError Unavailable when the disk refused, or after `close`
   */
  write<T>(op: () => T): Promise<T>
  /**
   * Resolves when everything that can be read now is on disk.
   * @throws AppError Unavailable
   */
  flushed(): Promise<void>
  /**
   * Resolves when everything queued is on disk; later writes are refused.
   * @throws what the disk said: then the log has to stay as it is
   */
  close(): Promise<void>
}

type Write = { op: () => unknown; resolve(value: unknown): void; reject(error: unknown): void }

type Deps = {
  db: Database
  clock: Pick<Clock, 'now'>
  /** what makes commits outlast a loss of power; without it nothing has to */
  log?: Pick<Wal, 'flush' | 'isLong' | 'checkpoint'> | undefined
  /** last step inside each transaction */
  beforeCommit(): void
  /** after each commit; @returns what is to be done when it is on disk */
  committed(): () => void
  rolledBack(): void
}

/** What waits for the flush that comes next. */
type Batch = { settle: (() => void)[]; refuse: ((error: AppError) => void)[] }

const emptyBatch = (): Batch => ({ settle: [], refuse: [] })

export function createGroupCommit(deps: Deps): GroupCommit {
  const transact = prepareTransaction(deps)
  let queue: Write[] = []
  let scheduled = false
  let unflushed = emptyBatch()
  let flushing: Promise<void> | undefined
  /** no transaction may begin */
  let isPaused = false
  let broken: AppError | undefined
  let closed: (() => void) | undefined

  function schedule() {
    if (scheduled) return
    scheduled = true
    setImmediate(drain)
  }

  function drain() {
    scheduled = false
    if (isPaused) return
    if (broken) {
      for (const { reject } of queue.splice(0)) reject(broken)
      return closed?.()
    }
    const { taken, batch } = transact(queue)
    queue = queue.slice(taken)
    unflushed.settle.push(...batch.settle)
    unflushed.refuse.push(...batch.refuse)
    if (queue.length > 0) schedule()
    flushing ??= flush()
  }

  async function flush(): Promise<void> {
    const batch = unflushed
    unflushed = emptyBatch()
    try {
      await deps.log?.flush()
    } catch (error) {
      fail(batch, error)
      batch.settle = []
    }
    for (const settle of batch.settle) settle()
    if (!broken && deps.log?.isLong()) await checkpoint(deps.log)
    flushing = unflushed.settle.length > 0 ? flush() : undefined
    if (!flushing && queue.length === 0) closed?.()
  }

  async function checkpoint(log: Pick<Wal, 'checkpoint'>): Promise<void> {
    isPaused = true
    try {
      await log.checkpoint()
    } catch (error) {
      fail(emptyBatch(), error)
    }
    isPaused = false
    if (queue.length > 0) schedule()
  }

  /** What the disk has of it is not known: nothing more may build upon it. */
  function fail(batch: Batch, cause: unknown) {
    broken = new AppError('Unavailable', `store: the disk refused a flush: ${messageOf(cause)}`, { cause })
    for (const refuse of [...batch.refuse, ...unflushed.refuse]) refuse(broken)
    unflushed = emptyBatch()
  }

  return {
    write<T>(op: () => T) {
      if (closed) return Promise.reject(new AppError('Unavailable', 'store: closed'))
      return new Promise<T>((resolve, reject) => {
        queue.push({ op, resolve: resolve as (value: unknown) => void, reject })
        schedule()
      })
    },
    async flushed() {
      if (broken) throw broken
      const batch = unflushed
      if (batch.settle.length === 0 && flushing) await flushing
      else if (batch.settle.length > 0)
        await new Promise<void>((resolve, reject) => {
          batch.settle.push(resolve)
          batch.refuse.push(reject)
        })
      if (broken) throw broken
    },
    async close() {
      await new Promise<void>((resolve) => {
        closed = resolve
        if (queue.length === 0 && !flushing) resolve()
      })
      if (broken) throw broken
      await deps.log?.checkpoint()
    },
  }
}

/** Runs as many of `queue` as one transaction may take. */
function prepareTransaction({ db, clock, beforeCommit, committed, rolledBack }: Deps) {
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  const rollback = db.prepare('ROLLBACK')

  function runGroup(group: readonly Write[], batch: Batch) {
    const until = clock.now() + maxMs
    for (const { op, resolve, reject } of group) {
      batch.settle.push(attempt(op, resolve, reject))
      batch.refuse.push(reject)
      if (clock.now() >= until) return
    }
  }

  return (queue: readonly Write[]): { taken: number; batch: Batch } => {
    const group = queue.slice(0, maxWrites)
    const batch = emptyBatch()
    if (group.length === 0) return { taken: 0, batch }
    try {
      begin.run()
      runGroup(group, batch)
      beforeCommit()
      commit.run()
    } catch (error) {
      if (db.inTransaction) rollback.run()
      rolledBack()
      const failure = new AppError('Unavailable', `store: write failed: ${messageOf(error)}`, {
        cause: error,
      })
      for (const { reject } of group) reject(failure)
      return { taken: group.length, batch: emptyBatch() }
    }
    const taken = batch.settle.length
    batch.settle.unshift(committed())
    return { taken, batch }
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
