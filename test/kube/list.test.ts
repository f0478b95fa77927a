import { randomUUID } from 'node:crypto'
import t from 'tap'
import { openSqlite } from '../../src/store/sqlite.ts'
import { systemClock } from '../../src/model/clock.ts'
import { createObjects } from '../../src/store/resource.ts'
import { holderOf } from './client.ts'
import { base, hardware, mergePatch, ns1, startServer, watching } from './server.ts'
import type { TestServer } from './server.ts'

let server: TestServer
t.before(async () => {
  server = await startServer()
})
t.after(() => server.close())

type Body = Record<string, any>
const on =
  (to: () => TestServer) =>
  async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
    const { status, json } = await to().client.request(method, path, body, headers)
    return { status, body: json as Body }
  }
const call = on(() => server)
const namesOf = (list: Body) => list['items'].map((item: Body) => item['metadata'].name)
const all = Array.from({ length: 25 }, (_, at) => `h${String(at).padStart(2, '0')}`)

/** All pages of a list; `between` runs after each page. */
async function pages(query: string, between: (page: number) => Promise<unknown> = async () => {}) {
  const found: Body[] = []
  let token = ''
  do {
    const next = token === '' ? '' : `&continue=${encodeURIComponent(token)}`
    const { status, body } = await call('GET', `${base}/hardware?${query}${next}`)
    if (status !== 200) throw new Error(JSON.stringify(body))
    found.push(body)
    token = body['metadata'].continue ?? ''
    await between(found.length)
  } while (token !== '' && found.length < 100)
  return found
}

t.test('lists come in parts', async (t) => {
  for (const [at, name] of all.entries())
    await call('POST', `${ns1}/hardware`, hardware(name, { part: at % 5 === 0 ? 'a' : 'b' }))
  await call('POST', `${base}/namespaces/ns0/hardware`, { ...hardware('first'), metadata: { name: 'first' } })
  const found = await pages('limit=10')
  t.same(
    found.map((page) => page['items'].length),
    [10, 10, 6],
  )
  t.same(found.flatMap(namesOf), ['first', ...all])
  t.same(
    found.map((page) => page['metadata'].remainingItemCount),
    [16, 6, undefined],
  )
  t.equal(new Set(found.map((page) => page['metadata'].resourceVersion)).size, 1)
  const exact = await pages('limit=13')
  t.equal(exact.length, 2, 'no empty part at the end')
})

t.test('parts of one list are of one version, whatever happens between', async (t) => {
  const before = (await call('GET', `${base}/hardware`)).body
  const found = await pages('limit=7', async (page) => {
    await call('DELETE', `${ns1}/hardware/h${24 - page}`)
    await call('PATCH', `${ns1}/hardware/h15`, { spec: { userData: `${page}` } }, mergePatch)
    await call('POST', `${ns1}/hardware`, hardware(`h10-new-${page}`))
    await call('DELETE', `${base}/namespaces/ns0/hardware/first`)
  })
  t.same(
    found.flatMap((page) => page['items']),
    before['items'],
  )
  t.same(
    found.map((page) => page['metadata'].remainingItemCount),
    [19, 12, 5, undefined],
  )
  const after = (await call('GET', `${base}/hardware`)).body
  t.notSame(namesOf(after), namesOf(before))
  const old = await call(
    'GET',
    `${base}/hardware?resourceVersion=${before['metadata'].resourceVersion}&resourceVersionMatch=Exact`,
  )
  t.same(old.body['items'], before['items'])
  t.equal(old.body['metadata'].resourceVersion, before['metadata'].resourceVersion)
})

t.test('parts of a selection are full, and the last may be empty', async (t) => {
  const found = await pages('limit=2&labelSelector=part%3Da')
  t.same(found.flatMap(namesOf), ['h00', 'h05', 'h10', 'h15'])
  t.same(
    found.map((page) => page['items'].length),
    [2, 2, 0],
  )
  t.notOk(found[0]!['metadata'].remainingItemCount)
  const inNamespace = await call('GET', `${base}/namespaces/nowhere/hardware?limit=5`)
  t.same(inNamespace.body['items'], [])
})

t.test('a list from the cache is whole', async (t) => {
  const { body } = await call('GET', `${base}/hardware?limit=3&resourceVersion=0`)
  t.ok(body['items'].length > 20)
  t.notOk(body['metadata'].continue)
})

const wrong = [
  { query: 'continue=nonsense', status: 400 },
  { query: `continue=${Buffer.from('{"v":"1"}').toString('base64url')}`, status: 400 },
  {
    query: `continue=${Buffer.from('{"v":1e300,"namespace":"","name":""}').toString('base64url')}`,
    status: 400,
  },
  { query: 'limit=-1', status: 400 },
  { query: 'limit=many', status: 400 },
]
for (const { query, status } of wrong)
  t.test(`a list with ${query} is refused with ${status}`, async (t) => {
    t.match(await call('GET', `${base}/hardware?${query}`), { status, body: { kind: 'Status' } })
  })

t.test('a token goes with no version', async (t) => {
  const { body } = await call('GET', `${base}/hardware?limit=1`)
  const token = body['metadata'].continue
  t.match(await call('GET', `${base}/hardware?limit=1&continue=${token}&resourceVersion=1`), { status: 400 })
  t.match(
    await call('GET', `${base}/hardware?continue=${token}&resourceVersion=1&resourceVersionMatch=Exact`),
    { status: 422 },
  )
  t.match(await call('GET', `${base}/hardware?limit=1&continue=${token}&resourceVersion=0`), { status: 200 })
})

t.test('a token that is too old comes with one to go on', async (t) => {
  const db = await openSqlite(':memory:', { clock: systemClock, historyEvents: 10 })
  const small = await startServer({ store: db.store })
  t.after(async () => {
    await small.close()
    await db.close()
  })
  const ask = on(() => small)
  for (const name of ['a', 'b', 'c', 'd']) await ask('POST', `${ns1}/hardware`, hardware(name))
  const { body } = await ask('GET', `${base}/hardware?limit=2`)
  for (let at = 0; at < 20; at++)
    await ask('PATCH', `${ns1}/hardware/d`, { spec: { userData: `${at}` } }, mergePatch)
  await ask('POST', `${ns1}/hardware`, hardware('b2'))
  const late = await ask('GET', `${base}/hardware?limit=2&continue=${body['metadata'].continue}`)
  t.match(late, { status: 410, body: { reason: 'Expired', code: 410, metadata: { continue: String } } })
  const rest = await ask('GET', `${base}/hardware?limit=5&continue=${late.body['metadata'].continue}`)
  t.same(namesOf(rest.body), ['b2', 'c', 'd'], 'the rest of the newest state')
  t.match(await ask('GET', `${base}/hardware?resourceVersion=1&resourceVersionMatch=Exact`), { status: 410 })
})

t.test(
  'a long list is the same list, for those who see all of it and for those who see a part',
  async (t) => {
    const large = await startServer()
    t.after(() => large.close())
    const names = Array.from({ length: 450 }, (_, at) => `n${String(at).padStart(3, '0')}`)
    const made = names.map((name) => [
      { ...hardware(name), spec: { ...hardware(name).spec, userData: 'join me' } },
    ])
    await createObjects(large.db.store, made, { clock: systemClock, newUid: randomUUID })
    const viewer = await holderOf(large, 'viewer')
    for (const { client, shown } of [
      { client: large.client, shown: 'join me' },
      { client: viewer.client, shown: '***' },
    ]) {
      const { status, json } = await client.request('GET', `${base}/hardware`)
      const list = json as Body
      t.match(
        { status, kind: list['kind'], version: list['metadata'].resourceVersion },
        { status: 200, kind: 'HardwareList', version: /^\d+$/ },
      )
      t.same(namesOf(list), names)
      t.same(new Set(list['items'].map((item: Body) => item['spec'].userData)), new Set([shown]))
    }
  },
)

t.test('a Table comes in parts too', async (t) => {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  const { body } = await call('GET', `${base}/hardware?limit=2`, undefined, { accept })
  t.match(body, { kind: 'Table', metadata: { continue: String, remainingItemCount: Number } })
  t.equal(body['rows'].length, 2)
})

const core = '/api/v1/namespaces/ns1'
t.test('Events and Secrets are selected by their fields', async (t) => {
  const event = (name: string, kind: string, rest: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name },
    involvedObject: { kind, name: 'm1', namespace: 'ns1', uid: 'u1' },
    ...rest,
  })
  await call('POST', `${core}/events`, event('e1', 'Hardware', { reason: 'Booted', type: 'Normal' }))
  await call('POST', `${core}/events`, event('e2', 'Workflow', { reason: 'Failed', type: 'Warning' }))
  const by = async (selector: string) =>
    namesOf((await call('GET', `/api/v1/events?fieldSelector=${encodeURIComponent(selector)}`)).body)
  t.same(await by('involvedObject.kind=Hardware,involvedObject.uid=u1,involvedObject.name==m1'), ['e1'])
  t.same(await by('type!=Normal'), ['e2'])
  t.same(await by('reason=Failed,metadata.namespace=ns1'), ['e2'])
  t.same(await by('involvedObject.fieldPath='), ['e1', 'e2'])
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's1' },
    type: 'kubernetes.io/basic-auth',
  }
  await call('POST', `${core}/secrets`, secret)
  await call('POST', `${core}/secrets`, { ...secret, metadata: { name: 's2' }, type: 'a=b,c\\d' })
  const type = (value: string) =>
    call('GET', `${core}/secrets?fieldSelector=${encodeURIComponent(`type=${value}`)}`)
  t.same(namesOf((await type('kubernetes.io/basic-auth')).body), ['s1'])
  t.same(namesOf((await type('a\\=b\\,c\\\\d')).body), ['s2'])
  for (const selector of ['spec=x', 'type', 'type=a=b', 'reason=x'])
    t.match(
      await call('GET', `${core}/secrets?fieldSelector=${encodeURIComponent(selector)}`),
      { status: 400 },
      selector,
    )
  const active = await call('GET', '/api/v1/namespaces?fieldSelector=status.phase%3DActive')
  t.ok(namesOf(active.body).includes('ns1'))
})

t.test('a watch on one name sees that one alone', async (t) => {
  const watch = watching(server.client, `${ns1}/hardware?watch=1&fieldSelector=metadata.name%3Dh03`)
  await watch.until(1)
  await call('PATCH', `${ns1}/hardware/h04`, { spec: { userData: 'x' } }, mergePatch)
  await call('PATCH', `${ns1}/hardware/h03`, { spec: { userData: 'x' } }, mergePatch)
  const events = await watch.until(2)
  watch.stop()
  t.same(
    events.map(({ type, object }) => `${type} ${object.metadata['name']}`),
    ['ADDED h03', 'MODIFIED h03'],
  )
})

t.end()
