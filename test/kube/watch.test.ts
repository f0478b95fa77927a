import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTls } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { base, hardware, mergePatch, ns1, startServer, watching, workflow } from './server.ts'
import type { TestServer } from './server.ts'
import { updateStatus } from '../../src/store/resource.ts'

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
    await watch.until(3)
    t.equal(names(watch.events)[2], 'ADDED b')
    await watch.ended
    t.ok(Date.now() - started >= 990)
    const later = watch.events.slice(3)
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

t.test('a client that does not read loses its watch and nobody else does', async (t) => {
  const tls = connectTls({ host: '127.0.0.1', port: server.port, ca: server.pki.caPem })
  tls.pause()
  tls.write(
    `GET ${ns1}/hardware?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.pki.adminToken}\r\n\r\n`,
  )
  const watch = watching(server.client, `${ns1}/hardware?watch=1&resourceVersion=${await versionNow()}`)
  await post(hardware('big'))
  for (let index = 0; index < 10; index++)
    await patch('hardware/big', { spec: { userData: `${index}`.repeat(500_000) } })
  await watch.until(11)
  watch.stop()
  tls.destroy()
  t.match(await call('GET', '/healthz'), { status: 200 })
})

t.end()
