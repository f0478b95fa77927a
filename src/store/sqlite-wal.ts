import { fstatSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import Sqlite from 'better-sqlite3'
import type { Database } from 'better-sqlite3'

/** Length at which the log is moved into the database file: a few ms of copying. */
const longBytes = 2 * 1024 * 1024

/** The write-ahead log of one database. SQLite itself flushes nothing: that would hold the whole process. */
export type Wal = {
  /** Resolves when every commit so far outlasts a loss of power. */
  flush(): Promise<void>
  /** Whether it is time for `checkpoint`. */
  isLong(): boolean
  /**
   * Moves the log into the database file and empties it. No transaction may begin before it resolves.
   * @throws what the disk says to a flush: what the files hold then is not known
   */
  checkpoint(): Promise<void>
  close(): Promise<void>
}

/** The files of a database, as far as they are flushed. */
export type Files = { log: Pick<FileHandle, 'fd' | 'datasync' | 'sync'>; data: Pick<FileHandle, 'datasync'> }

/**
 * Takes the flushes of `db` over from SQLite, and flushes what a killed process left in its log. `db` is in WAL mode and
 * alone with its file. Close it first: closing any other handle of a file gives up the locks that a process has on it (fcntl(2)).
 * @param path of the database file
 */
export async function openWal(db: Database, path: string): Promise<Wal> {
  await using folder = await open(dirname(path))
  await folder.sync()
  const [log, data] = [await open(`${path}-wal`), await open(path)]
  await log.datasync()
  return {
    ...createWal(db, { log, data }),
    async close() {
      await log.close()
      await data.close()
    },
  }
}

/**
 * A frame of the log is copied once it is flushed, and gone only when its copy is (https://www.sqlite.org/wal.html): so
 * each of log, data, emptied log is on disk before the next step begins.
 */
export function createWal(db: Database, { log, data }: Files): Omit<Wal, 'close'> {
  db.pragma('wal_autocheckpoint = 0')
  db.pragma('synchronous = OFF')
  let longAt = longBytes

  return {
    flush: () => log.datasync(),
    isLong: () => fstatSync(log.fd).size >= longAt,
    async checkpoint() {
      await log.datasync()
      if (!isCopied(db)) {
        longAt = fstatSync(log.fd).size + longBytes
        return
      }
      await data.datasync()
      db.pragma('wal_checkpoint(TRUNCATE)')
      await log.sync()
      longAt = longBytes
    },
  }
}

type Checkpointed = { busy: number; log: number; checkpointed: number }

/** Copies the log; when there is no room for it, the log stays, and grows. */
function isCopied(db: Database): boolean {
  try {
    const [{ busy, log, checkpointed }] = db.pragma('wal_checkpoint(PASSIVE)') as [Checkpointed]
    return busy === 0 && log === checkpointed
  } catch (error) {
    if (error instanceof Sqlite.SqliteError) return false
    throw error
  }
}
