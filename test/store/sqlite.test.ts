import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import Sqlite from 'better-sqlite3'
import t from 'tap'
import { systemClock as clock } from '../../src/model/clock.ts'
import { migrations } from '../../src/store/sqlite-migrations.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { Change } from '../../src/store/store.ts'
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
      want: { code: 'FailedPrecondition', message: /schema version 99.*up to 3.*newer program/ },
    },
    { file: 'foreign.db', want: { code: 'FailedPrecondition', message: /another program/ } },
    { file: 'text.db', want: { code: 'Unavailable', message: /cannot open database .*not a database/ } },
    { file: 'none/x.db', want: { code: 'Unavailable', message: /cannot open database .*no such file/ } },
  ]
  for (const { file, want } of cases) await t.rejects(openSqlite(join(dir, file), { clock }), want, file)
})

t.test('a file of an older schema is brought up to date with its history', async (t) => {
  const dir = t.testdir()
  for (const schema of [1, 2]) {
    const path = join(dir, `${schema}.db`)
    makeOld(path, schema)
    await using sqlite = await openSqlite(path, { clock })
    const { store } = sqlite
    t.same((await read(store, 1, (all) => all.at(-1)?.type === 'synced')).map(told), [
      'put n 2 after 1',
      'put gone 3',
      'delete gone 4 after 3',
      'put n 5 after 2',
      'synced 5',
    ])
    await t.rejects(
      read(store, 0, () => false),
      { code: 'Expired' },
    )
    t.match((await store.page('Template', { limit: 9, at: 2 })).items, [{ spec: { data: 2 } }])
    t.match((await store.page('Template', { limit: 9, at: 3 })).items, [{ metadata: { name: 'gone' } }, {}])
    const made = await store.create(template('new'))
    t.equal(made.metadata.resourceVersion, '6')
  }
})

/** A database as earlier versions left it: `n` was written three times, the first of which is forgotten. */
function makeOld(path: string, schema: number): void {
  const db = new Sqlite(path)
  for (const step of migrations.slice(0, schema)) db.exec(step)
  db.pragma(`application_id = ${0x6972776b}`)
  db.pragma(`user_version = ${schema}`)
  const text = (name: string, data: number) => JSON.stringify(template(name, data))
  const event = (version: number, type: string, name: string, now: number, before?: [number, number]) => {
    const previous = before ? [before[0], text(name, before[1])] : [null, null]
    db.prepare(
      'INSERT INTO events (version, type, size, json, previousVersion, previousJson) VALUES (?, ?, 1, ?, ?, ?)',
    ).run(version, type, text(name, now), ...previous)
    if (schema > 1) {
      const place = "UPDATE events SET kind = 'Template', namespace = 'default', name = ? WHERE version = ?"
      db.prepare(place).run(name, version)
    }
  }
  event(2, 'put', 'n', 2, [1, 1])
  event(3, 'put', 'gone', 3)
  event(4, 'delete', 'gone', 3, [3, 3])
  event(5, 'put', 'n', 5, [2, 2])
  const object = "INSERT INTO objects VALUES ('Template', 'default', 'n', 5, ?)"
  db.prepare(object).run(text('n', 5))
  db.close()
}

const told = (change: Change) => {
  if (change.type === 'synced') return `synced ${change.version}`
  const { type, version, object, previous } = change
  return `${type} ${object.metadata.name} ${version}${previous ? ` after ${previous.metadata.resourceVersion}` : ''}`
}

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
  let object = await sqlite.store.create(template('n'))
  for (let i = 1; i < 300; i++)
    object = await sqlite.store.update(
      { ...object, spec: { data: `${i}`.padEnd(1000) } },
      object.metadata.resourceVersion,
    )
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
