import { closeSync, copyFileSync, openSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import type { Database } from 'better-sqlite3'
import t from 'tap'
import type { Test } from 'tap'
import { createWal } from '../../src/store/sqlite-wal.ts'

/** A database of its own, and the order in which its files were flushed, copied and emptied. */
async function setUp(t: Test) {
  const path = join(t.testdir(), 'a.db')
  const db = new Sqlite(path)
  db.pragma('locking_mode = EXCLUSIVE')
  db.pragma('journal_mode = WAL')
  db.exec('CREATE TABLE things (text)')
  const [log, data] = [await open(`${path}-wal`), await open(path)]
  t.teardown(() => Promise.all([log.close(), data.close()]))
  const steps: string[] = []
  const told = <T>(step: string, work: () => T): T => {
    steps.push(step)
    return work()
  }
  const wal = createWal(watched(db, steps), {
    log: {
      fd: log.fd,
      datasync: () => told('flush log', () => log.datasync()),
      sync: () => told('flush emptied log', () => log.sync()),
    },
    data: { datasync: () => told('flush data', () => data.datasync()) },
  })
  const insert = db.prepare('INSERT INTO things VALUES (?)')
  const write = (bytes: number) => {
    for (let left = bytes; left > 0; left -= 10_000) insert.run('x'.repeat(10_000))
  }
  const texts = (file = path) => {
    if (file === path) return count(db)
    const copy = new Sqlite(file)
    const found = count(copy)
    copy.close()
    return found
  }
  return { path, db, wal, steps, write, texts }
}

const count = (db: Database) => db.prepare('SELECT count(*) FROM things').pluck().get()

function watched(db: Database, steps: string[]): Database {
  return new Proxy(db, {
    get(target, name) {
      if (name !== 'pragma') return Reflect.get(target, name) as unknown
      return (text: string) => {
        if (text.startsWith('wal_checkpoint')) steps.push(text)
        return target.pragma(text)
      }
    },
  })
}

t.test('log, data and emptied log are flushed one after the other', async (t) => {
  const { path, db, wal, steps, write, texts } = await setUp(t)
  t.equal(wal.isLong(), false)
  write(5_000_000)
  t.equal(wal.isLong(), true)
  await wal.checkpoint()
  t.same(steps, [
    'flush log',
    'wal_checkpoint(PASSIVE)',
    'flush data',
    'wal_checkpoint(TRUNCATE)',
    'flush emptied log',
  ])
  t.equal(statSync(`${path}-wal`).size, 0)
  t.equal(wal.isLong(), false)
  copyFileSync(path, `${path}.copy`)
  t.equal(texts(`${path}.copy`), 500, 'the file alone has everything')
  write(10_000)
  t.equal(texts(), 501)
  t.ok(statSync(`${path}-wal`).size > 0, 'the log goes on')
  copyFileSync(path, `${path}.copy`)
  copyFileSync(`${path}-wal`, `${path}.copy-wal`)
  t.equal(texts(`${path}.copy`), 501)
  db.close()
})

t.test('a log that somebody still reads is left as it is', async (t) => {
  const { path, db, wal, steps, write, texts } = await setUp(t)
  write(5_000_000)
  const busy = new Proxy(db, {
    get: (target, name) =>
      name === 'pragma'
        ? () => [{ busy: 0, log: 100, checkpointed: 50 }]
        : (Reflect.get(target, name) as unknown),
  })
  const fd = openSync(`${path}-wal`, 'r')
  const log = { fd, datasync: async () => {}, sync: async () => void steps.push('emptied') }
  const other = createWal(busy, { log, data: { datasync: async () => void steps.push('data') } })
  t.equal(other.isLong(), true)
  await other.checkpoint()
  t.same(steps, [])
  t.equal(other.isLong(), false, 'it is tried again when it has grown')
  closeSync(fd)
  await wal.checkpoint()
  t.equal(texts(), 500)
  db.close()
})
