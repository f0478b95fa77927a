import { chmodSync, closeSync, openSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import type { Database } from 'better-sqlite3'
import type { Clock } from '../model/clock.ts'
import { AppError, messageOf } from '../model/error.ts'
import { createFeed } from './feed.ts'
import type { Shelf } from './hardware-index.ts'
import type { SideStore } from './side.ts'
import { createGroupCommit } from './sqlite-commit.ts'
import { createEvents } from './sqlite-history.ts'
import type { HistoryLimits } from './sqlite-history.ts'
import { migrate } from './sqlite-migrations.ts'
import { createObjects, createShelf } from './sqlite-objects.ts'
import { createSide } from './sqlite-side.ts'
import { openWal } from './sqlite-wal.ts'
import type { Store } from './store.ts'

/** Objects and side tables of one database. `close` ends watches and resolves when queued writes are on disk. */
export type SqliteStore = {
  store: Store
  side: SideStore
  /** for a lookup of this store */
  shelf: Shelf
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export type SqliteDeps = { clock: Pick<Clock, 'now'> } & Partial<HistoryLimits>

/** History that watchers can catch up on: 10,000 changes or 256 MiB of JSON, whichever is less. */
const defaultLimits: HistoryLimits = { historyEvents: 10_000, historyBytes: 256 * 1024 * 1024 }

/** How long to wait for another process to let go of the file. */
const busyMs = 500

/**
 * Opens or makes the database (SQLite, WAL, flushed before a write is acknowledged or read). The file is readable by its owner only: it holds
 * secrets. One process at a time: the file stays locked until `close` or the end of the process.
 * Objects from `get`, `list` and writes are the caller's own; those in watched changes are shared and frozen.
 * @param path file in an existing directory, or `:memory:`
 * @throws AppError Unavailable when the file cannot be opened or is in use; FailedPrecondition when it is not ours or
 *   of a newer version
 */
export async function openSqlite(path: string, { clock, ...limits }: SqliteDeps): Promise<SqliteStore> {
  const db = openFile(path)
  const wal = path === ':memory:' ? undefined : await openWal(db, path)
  const events = createEvents(db, { ...defaultLimits, ...limits })
  const feed = createFeed(events)
  const group = createGroupCommit({
    db,
    clock,
    beforeCommit: events.prune,
    log: wal,
    committed: () => {
      const { changes, bytes } = events.commit()
      return () => {
        events.flushed(changes)
        feed.publish(changes, bytes)
      }
    },
    rolledBack: events.rollback,
  })
  const close = async () => {
    try {
      await group.close()
    } finally {
      feed.close()
    }
    // Not after a refused flush: SQLite would take the copy for whole and delete the log. It stays for the next start.
    // What a checkpoint had no room for is SQLite's to move, and to flush.
    db.pragma('synchronous = FULL')
    db.close()
    await wal?.close()
  }
  return {
    store: createObjects({ db, events, feed, group }),
    side: createSide(db, group),
    shelf: createShelf(db),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function openFile(path: string): Database {
  let db: Database | undefined
  try {
    if (path !== ':memory:') restrict(path)
    db = new Sqlite(path, { timeout: busyMs })
    // Set before the first access in WAL mode, this also keeps the WAL's index out of shared memory.
    db.pragma('locking_mode = EXCLUSIVE')
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    // The system has the pages too: a larger cache of one's own is memory and no speed.
    db.pragma('cache_size = -4000')
    migrate(db)
    return db
  } catch (error) {
    db?.close()
    if (error instanceof AppError) throw error
    const inUse = error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')
    const reason = inUse ? 'in use by another process' : messageOf(error)
    throw new AppError('Unavailable', `cannot open database ${path}: ${reason}`, { cause: error })
  }
}

/** SQLite gives its side files the mode of the database file. */
function restrict(path: string): void {
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
}
