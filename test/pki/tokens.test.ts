import { pino } from 'pino'
import t from 'tap'
import { openTokens } from '../../src/pki/tokens.ts'
import { openSqlite } from '../../src/store/sqlite.ts'

const log = pino({ level: 'silent' })
const day = 86_400_000

async function open(t: { teardown(done: () => unknown): unknown }, maxTokens?: number) {
  const time = { at: Date.UTC(2030, 0, 1) }
  const clock = { now: () => time.at }
  const db = await openSqlite(':memory:', { clock })
  t.teardown(() => db.close())
  const deps = { side: db.side, clock, log, ...(maxTokens ? { maxTokens } : {}) }
  return { time, db, tokens: await openTokens(deps), again: () => openTokens(deps) }
}
const wish = { role: 'viewer', ttlMs: day } as const

t.test('only the hash of a secret is kept', async (t) => {
  const { tokens, db } = await open(t)
  const { entry, token } = await tokens.create(wish)
  const stored = JSON.stringify(await db.side.list('token', ''))
  t.match(stored, entry.id)
  t.notMatch(stored, token.slice(14))
  t.equal(entry.name, `viewer-${entry.id}`)
  t.notMatch(JSON.stringify([entry, tokens.list()]), 'hash')
})

t.test('a token holds to its last millisecond', async (t) => {
  const { tokens, time } = await open(t)
  const { entry, token } = await tokens.create({ ...wish, name: 'board' })
  time.at += day - 1
  t.match(tokens.authenticate(token), { user: 'board', role: 'viewer', tokenId: entry.id })
  t.ok(tokens.isLive(entry.id))
  time.at += 1
  t.equal(tokens.authenticate(token), undefined)
  t.notOk(tokens.isLive(entry.id))
})

t.test('a revoked token does not come back through its last use', async (t) => {
  const { tokens, again } = await open(t)
  const { entry, token } = await tokens.create(wish)
  t.ok(tokens.authenticate(token))
  await tokens.revoke(entry.id)
  t.equal(tokens.authenticate(token), undefined)
  t.same((await again()).list(), [])
})

t.test('the last use is exact, and to the minute on disk', async (t) => {
  const { tokens, time, again } = await open(t)
  const { entry, token } = await tokens.create(wish)
  const first = time.at
  for (const after of [0, 30_000, 59_999]) {
    time.at = first + after
    tokens.authenticate(token)
  }
  t.equal(tokens.list()[0]?.lastUsedAt, first + 59_999)
  await tokens.create(wish)
  const known = (await again()).list().find(({ id }) => id === entry.id)
  t.equal(known?.lastUsedAt, first)
})

t.test('there are no more tokens than allowed; long expired ones make room', async (t) => {
  const { tokens, time } = await open(t, 2)
  await tokens.create(wish)
  await tokens.create({ ...wish, ttlMs: 30 * day })
  await t.rejects(tokens.create(wish), { code: 'FailedPrecondition', message: /2 tokens/ })
  time.at += 7 * day
  await t.rejects(tokens.create(wish), { code: 'FailedPrecondition' })
  time.at += day
  await tokens.create(wish)
  t.equal(tokens.list().length, 2)
})

t.test('a broken entry lets nobody in and harms no other', async (t) => {
  const { tokens, db, again } = await open(t)
  const { token } = await tokens.create(wish)
  const broken = [
    null,
    'x',
    {},
    { id: 'b3', name: 'x', role: 'root', createdAt: 0, expiresAt: 9e15, hash: '' },
  ]
  for (const [index, value] of broken.entries()) await db.side.put('token', `b${index}`, value)
  const opened = await again()
  t.equal(opened.list().length, 1)
  t.ok(opened.authenticate(token))
  t.equal(opened.authenticate(`iw_${'b'.repeat(10)}_${'A'.repeat(43)}`), undefined)
})
