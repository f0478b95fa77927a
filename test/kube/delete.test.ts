import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import t from 'tap'
import { collector } from '../../src/kube/collector.ts'
import { systemClock } from '../../src/model/clock.ts'
import { holderOf } from './client.ts'
import { base, hardware, mergePatch, ns1, startServer, workflow } from './server.ts'
import type { TestServer } from './server.ts'

let server: TestServer
const stop = new AbortController()
let running: Promise<void>
t.before(async () => {
  server = await startServer()
  const deps = {
    store: server.db.store,
    clock: systemClock,
    newUid: randomUUID,
    log: pino({ level: 'silent' }),
  }
  running = collector(deps)(stop.signal)
})
t.after(async () => {
  stop.abort()
  await running
  await server.close()
})

type Body = Record<string, any>
const call = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
  const { status, json } = await server.client.request(method, path, body, headers)
  return { status, body: json as Body }
}
const namesIn = async (path: string) =>
  (await call('GET', path)).body['items'].map((item: Body) => item['metadata'].name)
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const limit = Date.now() + 5000
  while (!(await holds())) {
    if (Date.now() > limit) throw new Error(`not within 5 s: ${what}`)
    await delay(10)
  }
}
const isGone = (path: string) => async () => (await call('GET', path)).status === 404

t.test('a collection is deleted as far as selectors take it', async (t) => {
  for (const [at, type] of ['cp', 'worker', 'worker', 'worker'].entries())
    await call('POST', `${ns1}/hardware`, hardware(`h${at}`, { type }))
  const far = {
    ...hardware('far', { type: 'worker' }),
    metadata: { name: 'far', labels: { type: 'worker' } },
  }
  await call('POST', `${base}/namespaces/ns2/hardware`, far)
  await call('PATCH', `${ns1}/hardware/h3`, { metadata: { finalizers: ['x/y'] } }, mergePatch)
  const tried = await call('DELETE', `${ns1}/hardware?labelSelector=type%3Dworker&dryRun=All`)
  t.match(tried, { status: 200, body: { kind: 'HardwareList' } })
  t.equal((await namesIn(`${ns1}/hardware`)).length, 4)
  const done = await call('DELETE', `${ns1}/hardware?labelSelector=type%3Dworker`, { kind: 'DeleteOptions' })
  t.same(
    done.body['items'].map((item: Body) => item['metadata'].name),
    ['h1', 'h2', 'h3'],
  )
  t.same(await namesIn(`${ns1}/hardware`), ['h0', 'h3'])
  t.ok((await call('GET', `${ns1}/hardware/h3`)).body['metadata'].deletionTimestamp, 'a finalizer holds')
  t.same(await namesIn(`${base}/namespaces/ns2/hardware`), ['far'])
  await call('DELETE', `${ns1}/hardware?fieldSelector=metadata.name%3Dh0`)
  t.same(await namesIn(`${ns1}/hardware`), ['h3'])
  await call('PATCH', `${ns1}/hardware/h3`, { metadata: { finalizers: null } }, mergePatch)
  t.match(await call('DELETE', `${ns1}/hardware?labelSelector=a%20b`), { status: 400 })
  t.match(await call('DELETE', '/api/v1/namespaces'), { status: 405 })
})

t.test('preconditions hold for dry runs and for orphans too', async (t) => {
  const { body } = await call('POST', `${ns1}/hardware`, hardware('pre'))
  const remove = (options: object, query = '') => call('DELETE', `${ns1}/hardware/pre${query}`, options)
  for (const query of ['', '?dryRun=All', '?propagationPolicy=Orphan']) {
    t.match(await remove({ preconditions: { uid: 'other' } }, query), {
      status: 409,
      body: { reason: 'Conflict' },
    })
    t.match(await remove({ preconditions: { resourceVersion: '1' } }, query), { status: 409 })
  }
  t.match(await remove({ dryRun: ['All'] }), { status: 200 })
  t.match(await remove({ propagationPolicy: 'Sometimes' }), { status: 422, body: { reason: 'Invalid' } })
  const { uid, resourceVersion } = body['metadata']
  t.match(await remove({ preconditions: { uid, resourceVersion } }), {
    status: 200,
    body: { status: 'Success' },
  })
})

const owned = (name: string, { apiVersion, kind, metadata }: Body) => ({
  ...workflow(name),
  metadata: { name, ownerReferences: [{ apiVersion, kind, name: metadata.name, uid: metadata.uid }] },
})
for (const policy of ['Background', 'Foreground'])
  t.test(`what belongs to a deleted object goes (${policy})`, async (t) => {
    const { body } = await call('POST', `${ns1}/hardware`, hardware('owner'))
    t.equal((await call('POST', `${ns1}/workflows`, owned('mine', body))).status, 201)
    const answer = await call('DELETE', `${ns1}/hardware/owner`, { propagationPolicy: policy })
    t.match(answer, { status: 200, body: { kind: 'Status' } })
    await until('the dependent is gone', isGone(`${ns1}/workflows/mine`))
  })

t.test('an orphan stays, without its owner', async (t) => {
  const { body } = await call('POST', `${ns1}/hardware`, hardware('owner'))
  await call('POST', `${ns1}/workflows`, owned('orphan', body))
  await call('DELETE', `${ns1}/hardware/owner`, { propagationPolicy: 'Orphan' })
  await delay(100)
  const orphan = await call('GET', `${ns1}/workflows/orphan`)
  t.equal(orphan.status, 200)
  t.notOk(orphan.body['metadata'].ownerReferences)
})

t.test('a namespace comes into being when it is first written to', async (t) => {
  t.equal((await call('GET', '/api/v1/namespaces/fresh')).status, 404)
  const path = `${base}/namespaces/fresh/workflows`
  await call('POST', `${path}?dryRun=All`, { ...workflow('w'), metadata: { name: 'w' } })
  t.equal((await call('GET', '/api/v1/namespaces/fresh')).status, 404, 'a dry run makes none')
  await call('POST', path, { ...workflow('w'), metadata: { name: 'w' } })
  t.match(await call('GET', '/api/v1/namespaces/fresh'), {
    status: 200,
    body: {
      kind: 'Namespace',
      apiVersion: 'v1',
      metadata: { name: 'fresh', labels: { 'kubernetes.io/metadata.name': 'fresh' } },
      status: { phase: 'Active' },
    },
  })
  const apply = { apiVersion: 'tinkerbell.org/v1alpha1', kind: 'Workflow', spec: {} }
  const applied = await call('PATCH', `${base}/namespaces/fresher/workflows/w?fieldManager=x`, apply, {
    'content-type': 'application/apply-patch+yaml',
  })
  t.equal(applied.status, 201)
  t.equal((await call('GET', '/api/v1/namespaces/fresher')).status, 200)
})

t.test('a namespace that is being deleted takes nothing more, and goes when it is empty', async (t) => {
  const path = `${base}/namespaces/fresh/workflows`
  await call('PATCH', `${path}/w`, { metadata: { finalizers: ['x/y'] } }, mergePatch)
  const marked = await call('DELETE', '/api/v1/namespaces/fresh')
  t.match(marked, {
    status: 200,
    body: { kind: 'Namespace', status: { phase: 'Terminating' }, metadata: { deletionTimestamp: String } },
  })
  const refused = {
    status: 403,
    body: {
      reason: 'Forbidden',
      message:
        'workflows.tinkerbell.org "v" is forbidden: unable to create new content in namespace fresh because it is being terminated',
      details: { causes: [{ reason: 'NamespaceTerminating', field: 'metadata.namespace' }] },
    },
  }
  t.match(await call('POST', path, { ...workflow('v'), metadata: { name: 'v' } }), refused)
  const apply = { apiVersion: 'tinkerbell.org/v1alpha1', kind: 'Workflow', spec: {} }
  const type = { 'content-type': 'application/apply-patch+yaml' }
  t.match(await call('PATCH', `${path}/v?fieldManager=x`, apply, type), refused)
  await until('the content is marked', async () =>
    Boolean((await call('GET', `${path}/w`)).body['metadata'].deletionTimestamp),
  )
  t.equal((await call('GET', '/api/v1/namespaces/fresh')).status, 200)
  await call('PATCH', `${path}/w`, { metadata: { finalizers: null } }, mergePatch)
  await until('the namespace is gone', isGone('/api/v1/namespaces/fresh'))
  t.equal(
    (await call('POST', path, { ...workflow('v'), metadata: { name: 'v' } })).status,
    201,
    'and can come again',
  )
})

t.test('who holds a namespace is not for its user to say', async (t) => {
  const ns = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'mine' } }
  t.match(await call('POST', '/api/v1/namespaces', ns), {
    status: 201,
    body: { spec: { finalizers: ['kubernetes'] } },
  })
  const patch = { spec: { finalizers: null }, metadata: { labels: { a: 'b' } } }
  t.match(await call('PATCH', '/api/v1/namespaces/mine', patch, mergePatch), {
    status: 200,
    body: { spec: { finalizers: ['kubernetes'] }, metadata: { labels: { a: 'b' } } },
  })
  t.match(await call('POST', '/api/v1/namespaces', { ...ns, metadata: { name: 'a.b' } }), { status: 422 })
  t.match(await call('POST', '/api/v1/namespaces', { ...ns, metadata: { name: 'x', namespace: 'y' } }), {
    status: 400,
  })
  await call('DELETE', '/api/v1/namespaces/mine')
  await until('the empty namespace is gone', isGone('/api/v1/namespaces/mine'))
})

t.test('a limit deletes so many at most, and the token goes on with the others', async (t) => {
  const path = `${base}/namespaces/ns3/hardware`
  for (let n = 0; n < 7; n++) {
    const type = n === 3 ? 'cp' : 'worker'
    const mac = `52:54:00:00:03:0${n}`
    const object = { ...hardware(`h${n}`, { type }, mac), metadata: { name: `h${n}`, labels: { type } } }
    await call('POST', path, object)
  }
  const remove = async (query: string) => {
    const { status, body } = await call('DELETE', `${path}?${query}`)
    const { continue: token, remainingItemCount } = body['metadata'] as {
      continue?: string
      remainingItemCount?: number
    }
    const names = (body['items'] ?? []).map((item: Body) => item['metadata'].name) as string[]
    return { status, names, token, remainingItemCount }
  }
  t.match(await remove('limit=2&dryRun=All'), { names: ['h0', 'h1'], remainingItemCount: 5 })
  t.equal((await namesIn(path)).length, 7)
  const first = await remove('limit=2')
  t.match(first, { status: 200, names: ['h0', 'h1'], token: String, remainingItemCount: 5 })
  t.same(await namesIn(path), ['h2', 'h3', 'h4', 'h5', 'h6'])
  const second = await remove(`limit=2&continue=${first.token}`)
  t.same(second.names, ['h2', 'h3'])
  t.same(await namesIn(path), ['h4', 'h5', 'h6'])
  const any = await remove('limit=1&resourceVersion=0')
  t.same(any.names, ['h4'], 'whatever version will do')
  t.match(await remove(`limit=5&continue=${second.token}`), {
    names: ['h4', 'h5', 'h6'],
    token: undefined,
  })
  t.same(await namesIn(path), [], 'one that somebody else deleted is no fault')
  for (const name of ['a', 'b', 'c'])
    await call('POST', path, {
      ...hardware(name),
      metadata: { name, labels: { type: name === 'b' ? 'cp' : 'worker' } },
    })
  const some = await remove('limit=1&labelSelector=type%3Dworker')
  t.same(some.names, ['a'])
  const rest = await remove(`continue=${some.token}&labelSelector=type%3Dworker`)
  t.match(rest, { names: ['c'], token: undefined })
  t.same(await namesIn(path), ['b'])
  t.match(await remove('limit=2&continue=x'), { status: 400 })
  t.match(await remove('limit=-1'), { status: 400 })
  t.same((await remove('limit=1')).token, undefined, 'nothing is left')
  t.same(await namesIn(path), [])
})

t.test('finalize says who holds a namespace, and nothing else', async (t) => {
  const path = '/api/v1/namespaces/final'
  const inside = `${base}/namespaces/final/workflows`
  await call('POST', inside, { ...workflow('w'), metadata: { name: 'w', finalizers: ['x/y'] } })
  const { body: born } = await call('GET', path)
  const set = (spec: unknown, metadata: object = { name: 'final' }, query = '') =>
    call(
      'PUT',
      `${path}/finalize${query}`,
      { apiVersion: 'v1', kind: 'Namespace', metadata, spec },
      {
        'content-type': 'application/json',
      },
    )
  const held = { spec: { finalizers: ['kubernetes', 'x.org/y'] } }
  t.match(await set(held.spec, { name: 'final' }, '?dryRun=All'), { status: 200, body: held })
  t.same((await call('GET', path)).body, born)
  const labelled = { name: 'final', labels: { a: 'b' }, finalizers: ['x/z'] }
  const changed = await set(held.spec, labelled, '?fieldManager=me')
  t.match(changed, { status: 200, body: { ...held, status: { phase: 'Active' } } })
  const { managedFields, resourceVersion, ...metadata } = changed.body['metadata']
  const { managedFields: _, resourceVersion: before, ...known } = born['metadata']
  t.same(metadata, known, 'the metadata is as it was')
  t.not(resourceVersion, before)
  t.notOk(managedFields, 'nobody kept the owners of one that came into being by itself')
  t.match(await set({ finalizers: ['y'] }), {
    status: 422,
    body: { details: { causes: [{ field: 'spec.finalizers[0]' }] } },
  })
  t.match(await set({ finalizers: [5] }), { status: 422 })
  t.match(await set({}, { name: 'final', resourceVersion: before }), { status: 409 })
  t.match(await set({}, { name: 'final', uid: 'other' }), { status: 409 })
  t.match(await set({}, { name: 'other' }), { status: 400 })
  t.equal((await call('PUT', '/api/v1/namespaces/none/finalize', { metadata: { name: 'none' } })).status, 404)
  for (const method of ['GET', 'PATCH', 'DELETE'])
    t.equal((await call(method, `${path}/finalize`, {}, mergePatch)).status, 405, method)

  const { client } = await holderOf(server, 'operator')
  const refused = await client.request('PUT', `${path}/finalize`, { metadata: { name: 'final' } })
  client.close()
  t.match(refused.json, { code: 403, details: { kind: 'namespaces', name: 'final' } })

  await call('DELETE', path)
  t.match(await call('GET', path), { status: 200, body: { status: { phase: 'Terminating' } } })
  const gone = await set({}, { name: 'final', uid: born['metadata'].uid })
  t.match(gone, { status: 200, body: { kind: 'Namespace' } })
  t.equal((await call('GET', path)).status, 404, 'whatever is in it')
  t.equal((await call('GET', `${inside}/w`)).status, 200)
  await call('PATCH', `${inside}/w`, { metadata: { finalizers: null } }, mergePatch)
})

t.test('finalize notes who did it', async (t) => {
  const path = '/api/v1/namespaces/owned'
  const { body } = await call('POST', '/api/v1/namespaces?fieldManager=maker', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'owned', labels: { a: 'b' } },
  })
  const changed = await call('PUT', `${path}/finalize?fieldManager=me`, {
    ...body,
    spec: { finalizers: ['kubernetes', 'x.org/y'] },
  })
  t.match(
    changed.body['metadata'].managedFields.find(({ manager }: Body) => manager === 'me'),
    { operation: 'Update', subresource: 'finalize', fieldsV1: { 'f:spec': { 'f:finalizers': {} } } },
  )
  await call('PUT', `${path}/finalize`, { metadata: { name: 'owned' } })
  t.match((await call('GET', path)).body, { spec: {}, metadata: { labels: { a: 'b' } } })
  await call('DELETE', path)
  t.equal((await call('GET', path)).status, 404)
})

t.end()
