import Sqlite from 'better-sqlite3'
import t from 'tap'
import type { Test } from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import { createGroupCommit } from '../../src/store/sqlite-commit.ts'

/** Group commit over a database in memory, whose flushes the test lets through or fails. */
function setUp(t: Test) {
  const db = new Sqlite(':memory:')
  t.teardown(() => db.close())
  type Waiting = { resolve(): void; reject(error: Error): void }
  const [flushes, checkpoints]: [Waiting[], Waiting[]] = [[], []]
  let isLong = false
  const told: string[] = []
  const group = createGroupCommit({
    db,
    clock: systemClock,
    log: {
      flush: () => new Promise((resolve, reject) => void flushes.push({ resolve, reject })),
      isLong: () => isLong,
      checkpoint: () => new Promise((resolve, reject) => void checkpoints.push({ resolve, reject })),
    },
    beforeCommit: () => {},
    committed: () => () => void told.push('watchers'),
    rolledBack: () => {},
  })
  const write = (name: string) => group.write(() => name).then(() => void told.push(name))
  const turns = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  const setLong = (long: boolean) => void (isLong = long)
  const close = async () => {
    const closing = group.close()
    closing.catch(() => {})
    await turns()
    checkpoints.at(-1)?.resolve()
    await closing
  }
  return { group, flushes, checkpoints, told, write, turns, setLong, close }
}

t.test('nobody is told of a write before it is on disk', async (t) => {
  const { group, flushes, told, write, turns, close } = setUp(t)
  const first = write('a')
  await turns()
  const second = write('b')
  const readable = group.flushed().then(() => void told.push('reader'))
  await turns()
  t.same(told, [])
  t.equal(flushes.length, 1, 'the second waits for a flush of its own')
  flushes[0]!.resolve()
  await first
  await turns()
  t.same(told.slice(0, 2), ['watchers', 'a'])
  t.notOk(told.includes('b'))
  flushes[1]!.resolve()
  await Promise.all([second, readable])
  t.ok(told.includes('b') && told.includes('reader'))
  await close()
})

t.test('when the disk refuses a flush, nothing is acknowledged any more', async (t) => {
  const { group, flushes, told, write, turns, close } = setUp(t)
  const first = write('a')
  await turns()
  const second = write('b')
  await turns()
  flushes[0]!.reject(new Error('input/output error'))
  const refused = { code: 'Unavailable', message: /the disk refused a flush: input\/output error/ }
  await Promise.all([t.rejects(first, refused), t.rejects(second, refused)])
  await t.rejects(write('c'), refused)
  await t.rejects(group.flushed(), refused)
  t.same(told, [])
  await t.rejects(close(), refused, 'the log has to stay')
})

t.test(
  'while the log is moved into the file, writes wait, and what was flushed before is told',
  async (t) => {
    const { flushes, checkpoints, told, write, turns, setLong, close } = setUp(t)
    setLong(true)
    const first = write('a')
    await turns()
    flushes[0]!.resolve()
    await first
    await turns()
    t.equal(checkpoints.length, 1)
    const second = write('b')
    await turns()
    t.equal(flushes.length, 1, 'no transaction has begun')
    setLong(false)
    checkpoints[0]!.resolve()
    await turns()
    flushes[1]!.resolve()
    await second
    t.ok(told.includes('b'))
    await close()
  },
)

t.test('when the disk refuses it, nothing is acknowledged any more', async (t) => {
  const { flushes, checkpoints, told, write, turns, setLong, close } = setUp(t)
  setLong(true)
  const first = write('a')
  await turns()
  flushes[0]!.resolve()
  await first
  await turns()
  const second = write('b')
  checkpoints[0]!.reject(new Error('input/output error'))
  await t.rejects(second, { code: 'Unavailable', message: /the disk refused a flush/ })
  t.notOk(told.includes('b'))
  await t.rejects(close(), { code: 'Unavailable' })
})
