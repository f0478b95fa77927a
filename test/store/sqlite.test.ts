import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import Sqlite from 'better-sqlite3'
import t from 'tap'
import { systemClock as clock } from '../../src/model/clock.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { conformance, keyOf, read, template } from './conformance.ts'

conformance(t, 'in memory', async (historyEvents) => {
  const sqlite = await openSqlite(':memory:', { clock, historyEvents })
  return { store: () => sqlite.store, close: sqlite.close }
})

conformance(t, 'in a file', async (historyEvents) => {
  const path = join(t.testdir(), `${Math.random()}.db`)
  let sqlite = await openSqlite(path, { clock, historyEvents })
  return {
    store: () => sqlite.store,
    close: () => sqlite.close(),
    async reopen() {
      await sqlite.close()
      sqlite = await openSqlite(path, { clock, historyEvents })
    },
  }
})

t.test('the files are for their owner only', async (t) => {
  const dir = t.testdir({ 'old.db': '' })
  chmodSync(join(dir, 'old.db'), 0o644)
  for (const name of ['old.db', 'new.db']) {
    await using sqlite = await openSqlite(join(dir, name), { clock })
    await sqlite.store.create(template('a'))
    for (const file of readdirSync(dir)) t.equal(statSync(join(dir, file)).mode & 0o777, 0o600, file)
  }
})

t.test('a file that is not ours to open is refused with the reason', async (t) => {
  const dir = t.testdir({ 'text.db': 'this is no database, whatever its name says. '.repeat(50) })
  const newer = join(dir, 'newer.db')
  await (await openSqlite(newer, { clock })).close()
  const db = new Sqlite(newer)
  db.pragma('user_version = 99')
  db.close()
  const foreign = new Sqlite(join(dir, 'foreign.db'))
  foreign.exec('CREATE TABLE theirs (a)')
  foreign.close()
  const cases = [
    {
      file: 'newer.db',
      want: { code: 'FailedPrecondition', message: /schema version 99.*up to 2.*newer program/ },
    },
    { file: 'foreign.db', want: { code: 'FailedPrecondition', message: /another program/ } },
    { file: 'text.db', want: { code: 'Unavailable', message: /cannot open database .*not a database/ } },
    { file: 'none/x.db', want: { code: 'Unavailable', message: /cannot open database .*no such file/ } },
  ]
  for (const { file, want } of cases) await t.rejects(openSqlite(join(dir, file), { clock }), want, file)
})

t.test('a file of the first schema is brought up to date', async (t) => {
  const path = join(t.testdir(), 'old.db')
  await using made = await openSqlite(path, { clock })
  await made.store.create(template('a', 'old'))
  await made.close()
  const db = new Sqlite(path)
  db.exec(`DROP INDEX eventsByObject; ALTER TABLE events DROP COLUMN kind; ALTER TABLE events DROP COLUMN namespace;
    ALTER TABLE events DROP COLUMN name; PRAGMA user_version = 1`)
  db.close()
  await using sqlite = await openSqlite(path, { clock })
  const { metadata, ...rest } = (await sqlite.store.get(keyOf('a')))!
  await sqlite.store.update({ ...rest, metadata, spec: { data: 'new' } }, metadata.resourceVersion)
  t.match((await sqlite.store.page('Template', { limit: 9, at: 1 })).items, [{ spec: { data: 'old' } }])
  t.same((await sqlite.store.page('Template', { limit: 9, at: 0 })).items, [])
})

t.test('a second opener is told that the file is in use', async (t) => {
  const path = join(t.testdir(), 'x.db')
  await using sqlite = await openSqlite(path, { clock })
  await t.rejects(openSqlite(path, { clock }), { code: 'Unavailable', message: /in use by another process/ })
  await sqlite.store.create(template('a'))
})

t.test('close writes what is queued and refuses what comes later', async (t) => {
  const path = join(t.testdir(), 'x.db')
  const sqlite = await openSqlite(path, { clock })
  const watching = read(sqlite.store, 0, () => false)
  const queued = [sqlite.store.create(template('a')), sqlite.side.put('import', 'k', 1)]
  await sqlite.close()
  await Promise.all(queued)
  t.equal((await watching).at(-1)?.type === 'synced', false)
  await t.rejects(sqlite.store.create(template('b')), { code: 'Unavailable' })
  await using again = await openSqlite(path, { clock })
  t.ok(await again.store.get(keyOf('a')))
  t.equal(await again.side.get('import', 'k'), 1)
})

t.test('when a transaction fails, all its writes are refused and undone, and later ones go on', async (t) => {
  const path = join(t.testdir(), 'x.db')
  await using sqlite = await openSqlite(path, { clock })
  await sqlite.store.create(template('a'))
  const broken = { toString: () => 'not a text' } as unknown as string
  const outcomes = await Promise.allSettled([
    sqlite.store.create(template('b')),
    sqlite.side.put('import', broken, 1),
    sqlite.store.create(template('c')),
  ])
  t.same(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  t.equal((await sqlite.store.create(template('d'))).metadata.resourceVersion, '2')
  const changes = await read(sqlite.store, 0, (all) => all.at(-1)?.type === 'synced')
  t.same(
    changes.map(({ version }) => version),
    [1, 2, 2],
  )
})

t.test('the history is bounded by its size too', async (t) => {
  await using sqlite = await openSqlite(':memory:', { clock, historyBytes: 100_000 })
  for (let i = 0; i < 300; i++) await sqlite.store.create(template(`n${i}`, 'x'.repeat(1000)))
  await t.rejects(
    read(sqlite.store, 100, () => false),
    { code: 'Expired' },
  )
  const changes = await read(sqlite.store, 299, (all) => all.at(-1)?.type === 'synced')
  t.equal(changes.length, 2)
})

t.test('side tables keep values by key, in key order', async (t) => {
  await using sqlite = await openSqlite(':memory:', { clock })
  const { side } = sqlite
  const values = { 'a/1': { n: 1 }, 'a/2': [2], 'a/3': null, b: 'text', 'a%': true }
  await Promise.all(Object.entries(values).map(([key, value]) => side.put('actionLog', key, value)))
  await side.put('progress', 'a/1', 'elsewhere')
  t.same(await side.get('actionLog', 'a/1'), { n: 1 })
  t.equal(await side.get('actionLog', 'c'), undefined)
  t.same(await side.list('actionLog', 'a/'), [
    { key: 'a/1', value: { n: 1 } },
    { key: 'a/2', value: [2] },
    { key: 'a/3', value: null },
  ])
  t.same(
    (await side.list('actionLog', '', 2)).map(({ key }) => key),
    ['a%', 'a/1'],
  )
  t.same(await side.list('actionLog', 'a/', 0), [])
  await side.put('actionLog', 'a/1', 'again')
  await side.deleteRange('actionLog', 'a/2', 'a/3')
  await side.delete('actionLog', 'b')
  t.same(
    (await side.list('actionLog', '')).map(({ key }) => key),
    ['a%', 'a/1', 'a/3'],
  )
  t.equal(await side.get('actionLog', 'a/1'), 'again')
  t.equal(await side.get('progress', 'a/1'), 'elsewhere')
})

t.test('what was acknowledged is there after kill -9', async (t) => {
  const dir = t.testdir()
  const path = join(dir, 'x.db')
  const source = join(import.meta.dirname, '../../src')
  const program = join(dir, 'writer.mts')
  writeFileSync(
    program,
    `import { systemClock } from ${JSON.stringify(join(source, 'model/clock.ts'))}
import { openSqlite } from ${JSON.stringify(join(source, 'store/sqlite.ts'))}
import { template } from ${JSON.stringify(join(import.meta.dirname, 'conformance.ts'))}
const { store } = await openSqlite(${JSON.stringify(path)}, { clock: systemClock })
const write = async (writer: number) => {
  for (let i = 0; ; i++) {
    const { metadata } = await store.create(template(\`w\${writer}-\${i}\`))
    console.log(metadata.name, metadata.resourceVersion)
  }
}
await Promise.all([1, 2, 3].map(write))
`,
  )
  const child = spawn(process.execPath, ['--import=tsx', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const acknowledged: string[] = []
  for await (const line of createInterface(child.stdout)) {
    acknowledged.push(line)
    if (acknowledged.length === 100) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  t.equal(child.signalCode, 'SIGKILL')
  await using sqlite = await openSqlite(path, { clock })
  const lost: string[] = []
  for (const line of acknowledged.filter((text) => /^\S+ \d+$/.test(text))) {
    const [name = '', version] = line.split(' ')
    const object = await sqlite.store.get(keyOf(name))
    if (object?.metadata.resourceVersion !== version) lost.push(line)
  }
  t.same(lost, [])
  t.ok(acknowledged.length >= 100)
})
