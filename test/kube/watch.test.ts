import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTls } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { heldMiB } from './memory.ts'
import { base, hardware, mergePatch, ns1, startServer, watching, workflow } from './server.ts'
import type { TestServer } from './server.ts'
import { systemClock } from '../../src/model/clock.ts'
import { updateStatus } from '../../src/store/resource.ts'
import { openSqlite } from '../../src/store/sqlite.ts'

let server: TestServer
t.before(async () => {
  server = await startServer({ bookmarkMs: 100 })
})
t.after(() => server.close())

type Body = Record<string, any>
const call = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
  const { status, json } = await server.client.request(method, path, body, headers)
  return { status, body: json as Body }
}
const post = (object: { kind: string }) =>
  call('POST', `${ns1}/${object.kind === 'Hardware' ? 'hardware' : 'workflows'}`, object)
const patch = (path: string, body: object) => call('PATCH', `${ns1}/${path}`, body, mergePatch)
const names = (events: { type: string; object: Body }[]) =>
  events.map(({ type, object }) => `${type} ${object['metadata'].name ?? ''}`.trim())
const versionNow = async () => (await call('GET', `${base}/hardware`)).body['metadata'].resourceVersion

t.test(
  '13: a WatchList brings what exists, the end of that, then what changes, and ends on time',
  async (t) => {
    await post(workflow('a'))
    const query =
      'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
    const started = Date.now()
    const watch = watching(server.client, `${ns1}/workflows?${query}&timeoutSeconds=1`)
    const [added, end] = await watch.until(2)
    t.match(added, { type: 'ADDED', object: { kind: 'Workflow', apiVersion: 'tinkerbell.org/v1alpha1' } })
    t.match(end, {
      type: 'BOOKMARK',
      object: {
        kind: 'Workflow',
        metadata: { resourceVersion: /^[1-9]\d*$/, annotations: { 'k8s.io/initial-events-end': 'true' } },
      },
    })
    await post(workflow('b'))
    const isAdded = ({ type }: { type: string }) => type === 'ADDED'
    while (watch.events.filter(isAdded).length < 2) await watch.until(watch.events.length + 1)
    t.equal(names(watch.events.filter(isAdded))[1], 'ADDED b')
    await watch.ended
    t.ok(Date.now() - started >= 990)
    const later = watch.events.slice(2).filter((event) => !isAdded(event))
    t.ok(
      later.length > 0 && later.every(({ type }) => type === 'BOOKMARK'),
      'bookmarks come while nothing happens',
    )
    t.notOk(later[0]?.object.metadata['annotations'])
  },
)

t.test('13: the headers of a watch come at once, over HTTP/1.1 and HTTP/2', async (t) => {
  const path = `${ns1}/workflows?watch=true&resourceVersion=${await versionNow()}`
  const tls = connectTls({ host: '127.0.0.1', port: server.port, ca: server.pki.caPem })
  tls.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.pki.adminToken}\r\n\r\n`)
  const head = await new Promise<string>((resolve) => tls.once('data', (data) => resolve(String(data))))
  tls.destroy()
  t.match(head, /^HTTP\/1\.1 200 OK\r\n/)
  t.match(head, /content-type: application\/json\r\n/)
  t.match(head, /transfer-encoding: chunked/i)
  const session = connectHttp2(server.url, { ca: server.pki.caPem })
  const stream = session.request({ ':path': path, authorization: `Bearer ${server.pki.adminToken}` })
  const headers = await new Promise<Body>((resolve) => stream.once('response', resolve))
  t.match(headers, { ':status': 200, 'content-type': 'application/json' })
  stream.close()
  session.destroy()
})

t.test('14: list, then watch from its version: every change once, in order, across reconnects', async (t) => {
  let version: string = await versionNow()
  const wanted = ['ADDED seq', ...Array.from({ length: 20 }, () => 'MODIFIED seq'), 'DELETED seq']
  const writes = (async () => {
    await post(hardware('seq'))
    for (let index = 0; index < 20; index++) await patch('hardware/seq', { spec: { userData: `${index}` } })
    await call('DELETE', `${ns1}/hardware/seq`)
  })()
  const seen: { type: string; object: Body }[] = []
  while (seen.length < wanted.length) {
    const watch = watching(server.client, `${base}/hardware?watch=true&resourceVersion=${version}`)
    await watch.until(Math.min(3, wanted.length - seen.length))
    watch.stop()
    await watch.ended
    seen.push(...watch.events)
    version = watch.events.at(-1)!.object.metadata['resourceVersion']
  }
  await writes
  t.same(names(seen), wanted)
  const order = seen.map(({ object }) => Number(object['metadata'].resourceVersion))
  t.same(
    order,
    order.toSorted((a, b) => a - b),
  )
})

t.test('14: a watch without a version begins with what exists', async (t) => {
  await post(hardware('exists'))
  const watch = watching(server.client, `${ns1}/hardware?watch=1&fieldSelector=metadata.name%3Dexists`)
  await watch.until(1)
  await patch('hardware/exists', { spec: { userData: 'y' } })
  await post(hardware('other'))
  await call('DELETE', `${ns1}/hardware/exists`)
  await watch.until(3)
  watch.stop()
  await watch.ended
  t.same(names(watch.events), ['ADDED exists', 'MODIFIED exists', 'DELETED exists'])
})

t.test('14: an object that begins to match is ADDED, one that ceases to is DELETED', async (t) => {
  const version = await versionNow()
  const watch = watching(
    server.client,
    `${ns1}/hardware?watch=1&resourceVersion=${version}&labelSelector=type%3Dcp`,
  )
  await post(hardware('moves', { type: 'worker' }))
  await patch('hardware/moves', { metadata: { labels: { type: 'cp' } } })
  await patch('hardware/moves', { spec: { userData: 'z' } })
  const { body } = await patch('hardware/moves', { metadata: { labels: { type: 'worker' } } })
  await patch('hardware/moves', { metadata: { labels: { type: 'cp' } } })
  await call('DELETE', `${ns1}/hardware/moves`)
  const events = await watch.until(5)
  watch.stop()
  t.same(names(events), ['ADDED moves', 'MODIFIED moves', 'DELETED moves', 'ADDED moves', 'DELETED moves'])
  t.equal(events[2]!.object.metadata['resourceVersion'], body['metadata'].resourceVersion)
  t.equal(events[2]!.object.metadata['labels'].type, 'worker')
})

t.test('14: namespaces and kinds do not leak into each other', async (t) => {
  const version = await versionNow()
  const watch = watching(server.client, `${base}/namespaces/ns2/hardware?watch=1&resourceVersion=${version}`)
  await post(hardware('elsewhere'))
  await post(workflow('else'))
  const inside = { ...hardware('inside'), metadata: { name: 'inside' } }
  await call('POST', `${base}/namespaces/ns2/hardware`, inside)
  await watch.until(1)
  watch.stop()
  t.same(names(watch.events), ['ADDED inside'])
})

t.test('15: a status that the server sets is seen as MODIFIED', async (t) => {
  const version = await versionNow()
  const watch = watching(server.client, `${ns1}/workflows?watch=1&resourceVersion=${version}`)
  await updateStatus(server.db.store, { kind: 'Workflow', namespace: 'ns1', name: 'a' }, { state: 'SUCCESS' })
  const events = await watch.until(1)
  watch.stop()
  t.match(events, [{ type: 'MODIFIED', object: { status: { state: 'SUCCESS' }, metadata: { name: 'a' } } }])
})

t.test('17: the DELETED event carries the version of the deletion', async (t) => {
  const version = await versionNow()
  const watch = watching(server.client, `${ns1}/workflows?watch=1&resourceVersion=${version}`)
  await call('DELETE', `${ns1}/workflows/b`)
  const events = await watch.until(1)
  watch.stop()
  t.match(names(events), ['DELETED b'])
  t.ok(Number(events[0]!.object.metadata['resourceVersion']) > Number(version))
})

t.test('19: marking for deletion is MODIFIED, losing the last finalizer DELETED', async (t) => {
  const held = hardware('held')
  await post({ ...held, metadata: { ...held.metadata, finalizers: ['example.org/f'] } } as typeof held)
  const watch = watching(server.client, `${ns1}/hardware?watch=1&resourceVersion=${await versionNow()}`)
  await call('DELETE', `${ns1}/hardware/held`)
  await patch('hardware/held', { metadata: { finalizers: null } })
  const events = await watch.until(2)
  watch.stop()
  t.same(names(events), ['MODIFIED held', 'DELETED held'])
  t.ok(events[0]!.object.metadata['deletionTimestamp'])
})

t.test('2.6: a watch for tables sends the columns once', async (t) => {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  const session = connectHttp2(server.url, { ca: server.pki.caPem })
  const headers = { authorization: `Bearer ${server.pki.adminToken}`, accept }
  const stream = session.request({ ':path': `${ns1}/hardware?watch=1&timeoutSeconds=0`, ...headers })
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  session.destroy()
  const events = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Body)
  t.ok(events.length > 1)
  const columns = events.map(({ object }) => object.columnDefinitions.length)
  t.same(columns, [3, ...columns.slice(1).map(() => 0)])
  t.equal(events[0]!['object'].rows[0].object.metadata.namespace, 'ns1')
})

t.test('14: a version older than the history is Expired', async (t) => {
  const small = await startServer()
  t.after(() => small.close())
  const make = (name: string) =>
    small.client.create({ ...workflow(name), metadata: { name, namespace: 'ns1' } })
  for (let index = 0; index < 3; index++) await make(`w${index}`)
  const store = {
    ...small.db.store,
    watch: (since: number, signal: AbortSignal) => small.db.store.watch(since - 1000, signal),
  }
  const expired = await startServer({ store })
  t.after(() => expired.close())
  await expired.client.create({ ...workflow('x'), metadata: { name: 'x', namespace: 'ns1' } })
  const answer = await expired.client.request('GET', `${ns1}/workflows?watch=1&resourceVersion=1`)
  t.match(answer, { status: 410, json: { kind: 'Status', reason: 'Expired', code: 410 } })
})

t.test('22: a watcher goes on from its version after the server was restarted', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'ironwake-restart-'))
  t.after(() => rm(dataDir, { recursive: true, force: true }))
  const database = join(dataDir, 'test.db')
  const first = await startServer({ dataDir, database })
  const make = (on: TestServer, name: string) =>
    on.client.create({ ...workflow(name), metadata: { name, namespace: 'ns1' } })
  await make(first, 'one')
  const before = watching(first.client, `${ns1}/workflows?watch=1`)
  const [event] = await before.until(1)
  const { port } = first
  const closing = Date.now()
  await first.close()
  await before.ended.catch(() => {})
  t.ok(Date.now() - closing < 2500, 'a watch does not hold up the shutdown')
  const second = await startServer({ dataDir, database, port })
  t.after(() => second.close())
  t.equal(second.pki.certPem, first.pki.certPem)
  await make(second, 'two')
  const since = event!.object.metadata['resourceVersion']
  const after = watching(second.client, `${ns1}/workflows?watch=1&resourceVersion=${since}`)
  const events = await after.until(1)
  after.stop()
  t.same(names(events), ['ADDED two'])
  t.ok(Number(events[0]!.object.metadata['resourceVersion']) > Number(since))
})

/** A watch over HTTP/1.1 whose socket is never read after the headers. */
async function stalledWatch(on: TestServer, path: string) {
  const tls = connectTls({ host: '127.0.0.1', port: on.port, ca: on.pki.caPem })
  tls.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${on.pki.adminToken}\r\n\r\n`)
  await new Promise((resolve) => tls.once('data', resolve))
  tls.pause()
  return tls
}

t.test('a client that does not read is cut off, and memory stays flat meanwhile', async (t) => {
  const slow = await startServer({ stalledMs: 1000 })
  t.after(() => slow.close())
  const make = (name: string) =>
    slow.client.create({ ...workflow(name), metadata: { name, namespace: 'ns1' } })
  await make('w')
  const path = `${ns1}/hardware?watch=1&resourceVersion=1`
  const stalled = await Promise.all(Array.from({ length: 5 }, () => stalledWatch(slow, path)))
  const live = watching(slow.client, `${ns1}/hardware?watch=1&resourceVersion=1`)
  await slow.client.create(hardware('big'))
  let cutOff = 0
  for (const tls of stalled) tls.on('close', () => cutOff++)
  for (const tls of stalled) tls.on('error', () => {})
  const before = heldMiB()
  const count = 40
  for (let at = 0; at < count; at++) {
    const body = { spec: { userData: String(at).padEnd(500_000, 'x') } }
    await slow.client.request('PATCH', `${ns1}/hardware/big`, body, mergePatch)
    live.events.length = Math.min(live.events.length, 0)
  }
  const grown = Math.round(heldMiB() - before)
  // 20 MB were written, to 5 watchers that took nothing.
  t.ok(grown < 30, `grew by ${grown} MiB`)
  live.stop()
  const limit = Date.now() + 10_000
  while (cutOff < stalled.length && Date.now() < limit) {
    for (const tls of stalled) tls.resume()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  t.equal(cutOff, stalled.length)
  t.match(await slow.client.request('GET', '/healthz'), { status: 200 })
})

t.test(
  'a reader that is further behind than the history is told so, and one on HTTP/2 is cut off too',
  async (t) => {
    const db = await openSqlite(':memory:', { clock: systemClock, historyEvents: 10 })
    const small = await startServer({ store: db.store, stalledMs: 4000 })
    t.after(async () => {
      await small.close()
      await db.close()
    })
    const version = async () => {
      const { json } = await small.client.request('GET', `${ns1}/hardware`)
      return (json as Body)['metadata'].resourceVersion
    }
    await small.client.create(hardware('big'))
    const path = `${ns1}/hardware?watch=1&resourceVersion=${await version()}`
    const session = connectHttp2(small.url, { ca: small.pki.caPem })
    const stream = session.request({ ':path': path, authorization: `Bearer ${small.pki.adminToken}` })
    let closed = false
    stream.on('close', () => (closed = true))
    stream.on('error', () => {})
    await new Promise((resolve) => stream.once('response', resolve))
    const tls = await stalledWatch(small, path)
    for (let at = 0; at < 30; at++) {
      const body = { spec: { userData: String(at).padEnd(400_000, 'x') } }
      await small.client.request('PATCH', `${ns1}/hardware/big`, body, mergePatch)
    }
    let text = ''
    tls.on('data', (data) => (text += String(data)))
    tls.on('error', () => {})
    tls.resume()
    await new Promise((resolve) => setTimeout(resolve, 4100))
    stream.resume()
    const limit = Date.now() + 12_000
    while ((!text.includes('"ERROR"') || !closed) && Date.now() < limit)
      await new Promise((resolve) => setTimeout(resolve, 50))
    t.match(text.slice(text.indexOf('{"type":"ERROR"')), /"reason":"Expired","code":410/)
    t.ok(closed)
    session.destroy()
    tls.destroy()
  },
)

t.test('a reader that falls behind misses nothing', async (t) => {
  const version = await versionNow()
  const tls = await stalledWatch(server, `${ns1}/workflows?watch=1&resourceVersion=${version}`)
  const count = 1500
  const big = 'y'.repeat(2000)
  for (let at = 0; at < count; at += 100)
    await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        server.db.store.create({
          ...workflow(`seq-${String(at + i).padStart(5, '0')}`),
          metadata: {
            name: `seq-${String(at + i).padStart(5, '0')}`,
            namespace: 'ns1',
            annotations: { big },
          },
        }),
      ),
    )
  let text = ''
  tls.on('data', (data) => (text += String(data)))
  tls.resume()
  const limit = Date.now() + 10_000
  while (!text.includes(`seq-0${count - 1}`) && Date.now() < limit)
    await new Promise((resolve) => setTimeout(resolve, 20))
  tls.destroy()
  const seen = [...text.matchAll(/"name":"seq-(\d+)"/g)].map(([, number]) => Number(number))
  t.same(
    seen,
    Array.from({ length: count }, (_, at) => at),
  )
})

t.test('metadata alone is watched, over HTTP/2, bookmark included', async (t) => {
  const accept = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'
  const session = connectHttp2(server.url, { ca: server.pki.caPem })
  const headers = { authorization: `Bearer ${server.pki.adminToken}`, accept }
  const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
  const stream = session.request({ ':path': `${ns1}/hardware?${query}&timeoutSeconds=0`, ...headers })
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  session.destroy()
  const events = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Body)
  t.ok(events.length > 1)
  for (const { object } of events) {
    t.match(object, { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' })
    t.notOk(object.spec)
  }
  t.match(events.at(-1), { type: 'BOOKMARK' })
})

t.test('cluster-scoped kinds and core kinds are watched like all others', async (t) => {
  const watch = watching(server.client, '/api/v1/namespaces?watch=1&fieldSelector=metadata.name%3Dwatched')
  await call('POST', '/api/v1/namespaces/watched/secrets', {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
  })
  const [event] = await watch.until(1)
  watch.stop()
  t.match(event, { type: 'ADDED', object: { kind: 'Namespace', status: { phase: 'Active' } } })
})

const program = `
import { randomUUID } from 'node:crypto'
import { openSqlite } from './src/store/sqlite.ts'
import { createObject, modifyObject, deleteObject } from './src/store/resource.ts'
const clock = { now: () => Date.now() }
const { store } = await openSqlite(process.argv[1], { clock })
const deps = { clock, newUid: randomUUID }
const kind = 'Workflow'
for (const name of ['a', 'b', 'c'])
  await createObject(store, { apiVersion: 'tinkerbell.org/v1alpha1', kind, metadata: { name, namespace: 'ns1' } }, deps)
for (let at = 0; at < 50; at++)
  await modifyObject(store, { kind, namespace: 'ns1', name: 'a' }, (one) => ({ ...one, spec: { at } }))
await deleteObject(store, { kind, namespace: 'ns1', name: 'b' }, {}, deps)
process.kill(process.pid, 'SIGKILL')
`

t.test('22: the history of events is there after the server was killed', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'ironwake-killed-'))
  t.after(() => rm(dataDir, { recursive: true, force: true }))
  const database = join(dataDir, 'test.db')
  const args = ['--import=tsx', '--input-type=module', '--eval', program, database]
  const { signal } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  t.equal(signal, 'SIGKILL')
  const again = await startServer({ dataDir, database })
  t.after(() => again.close())
  const watch = watching(again.client, `${ns1}/workflows?watch=1&resourceVersion=2`)
  const events = await watch.until(52)
  watch.stop()
  t.same(names(events).slice(0, 2), ['ADDED c', 'MODIFIED a'])
  t.equal(names(events).at(-1), 'DELETED b')
  const versions = events.map(({ object }) => Number(object.metadata['resourceVersion']))
  t.same(
    versions,
    Array.from({ length: 52 }, (_, at) => at + 3),
  )
})

t.end()
