import t from 'tap'
import { base, hardware, mergePatch, ns1, startServer, workflow } from './server.ts'
import type { TestServer } from './server.ts'

let server: TestServer
t.before(async () => {
  server = await startServer()
})
t.after(() => server.close())

type Body = Record<string, any>
const call = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
  const { status, json, headers: answered } = await server.client.request(method, path, body, headers)
  return { status, body: json as Body, headers: answered }
}
const owner = (name: string) => ({
  'v1alpha1.tinkerbell.org/ownerName': name,
  'v1alpha1.tinkerbell.org/ownerNamespace': 'capt',
})
const list = async (selector: string) => {
  const { body } = await call('GET', `${base}/hardware?labelSelector=${encodeURIComponent(selector)}`)
  return body['items'].map((item: Body) => item['metadata'].name)
}

t.test('1: /api and /apis answer, also for the aggregated Accept header', async (t) => {
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
  t.match(await call('GET', '/api'), { status: 200, body: { kind: 'APIVersions' } })
  const groups = await call('GET', '/apis')
  t.match(groups, { status: 200, body: { kind: 'APIGroupList', groups: [{ name: 'tinkerbell.org' }] } })
  for (const path of ['/api', '/apis'])
    t.match(await call('GET', path, undefined, { accept }), {
      status: 200,
      body: { kind: 'APIGroupDiscoveryList' },
    })
  t.match(await call('GET', '/apis/tinkerbell.org'), { status: 200, body: { kind: 'APIGroup' } })
  t.match(await call('GET', '/apis/nobody.org/v1'), {
    status: 404,
    body: { kind: 'Status', reason: 'NotFound' },
  })
  t.match(await call('GET', '/version'), { status: 200, body: { gitVersion: /^v1\.\d+\.\d+/ } })
})

t.test('2: the resource list names every kind and its status', async (t) => {
  const { body } = await call('GET', base)
  const names = body['resources'].map((entry: Body) => entry['name'])
  t.same(names, [
    'hardware',
    'hardware/status',
    'templates',
    'templates/status',
    'workflows',
    'workflows/status',
    ...['cancel', 'pause', 'resume', 'retry', 'restart'].map((verb) => `workflows/${verb}`),
    'workflowrulesets',
    'workflowrulesets/status',
  ])
  for (const entry of body['resources']) t.equal(entry.namespaced, true)
  for (const verb of ['list', 'watch', 'patch']) t.ok(body['resources'][0].verbs.includes(verb), verb)
})

t.test('3: a request without credentials or with wrong ones is refused', async (t) => {
  for (const authorization of ['', 'Bearer wrong', 'Basic YTpi', `Bearer ${server.pki.adminToken}x`]) {
    const answer = await call('GET', base, undefined, { authorization })
    t.match(
      answer,
      { status: 401, body: { kind: 'Status', reason: 'Unauthorized', code: 401 } },
      authorization,
    )
    t.ok(answer.headers['www-authenticate'])
  }
  t.match(await call('GET', '/nowhere', undefined, { authorization: '' }), { status: 401 })
})

t.test('4: POST stores a Hardware; a second one of that name is refused', async (t) => {
  const first = await call('POST', `${ns1}/hardware`, hardware('m1', { type: 'cp' }))
  t.match(first, { status: 201, body: { kind: 'Hardware', metadata: { generation: 1, namespace: 'ns1' } } })
  t.match(first.body['metadata'].uid, /^[0-9a-f-]{36}$/)
  t.match(first.body['metadata'].creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  t.match(first.body['metadata'].resourceVersion, /^[1-9]\d*$/)
  const second = await call('POST', `${ns1}/hardware`, hardware('m1'))
  t.match(second, {
    status: 409,
    body: {
      reason: 'AlreadyExists',
      message: 'hardware.tinkerbell.org "m1" already exists',
      details: { name: 'm1', group: 'tinkerbell.org', kind: 'hardware' },
    },
  })
})

t.test('5: lists select by label in the grammar of Kubernetes', async (t) => {
  t.same(await list('!v1alpha1.tinkerbell.org/ownerName'), ['m1'])
  t.same(await list('type in (cp,worker),!v1alpha1.tinkerbell.org/ownerName'), ['m1'])
  t.same(await list('type=worker'), [])
  const { body } = await call('GET', `${base}/hardware?labelSelector=type%3Dnone`)
  t.match(body, { kind: 'HardwareList', apiVersion: 'tinkerbell.org/v1alpha1', items: [] })
  t.match(await call('GET', `${base}/hardware?labelSelector=a%20b`), {
    status: 400,
    body: { reason: 'BadRequest' },
  })
})

t.test('5: lists select by name and namespace, and by no other field', async (t) => {
  const by = (selector: string) =>
    call('GET', `${base}/hardware?fieldSelector=${encodeURIComponent(selector)}`)
  t.equal((await by('metadata.name=m1,metadata.namespace=ns1')).body['items'].length, 1)
  t.equal((await by('metadata.name!=m1')).body['items'].length, 0)
  t.match(await by('spec.disks=x'), { status: 400, body: { reason: 'BadRequest' } })
})

t.test('6: a missing object is a NotFound Status', async (t) => {
  t.match(await call('GET', `${ns1}/hardware/nobody`), {
    status: 404,
    body: {
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: 'NotFound',
      message: 'hardware.tinkerbell.org "nobody" not found',
      code: 404,
    },
  })
  t.match(await call('GET', '/apis/tinkerbell.org/v1alpha1/namespaces/ns1/nothing'), {
    status: 404,
    body: { kind: 'Status', reason: 'NotFound' },
  })
})

t.test('7: a claim by merge patch bumps the version, not the generation', async (t) => {
  const before = (await call('GET', `${ns1}/hardware/m1`)).body
  const finalizers = ['infrastructure.cluster.x-k8s.io/tinkerbellmachine']
  const patch = { metadata: { labels: owner('mach-1'), finalizers } }
  const { status, body } = await call('PATCH', `${ns1}/hardware/m1`, patch, mergePatch)
  t.match({ status, body }, { status: 200, body: { metadata: { finalizers, generation: 1 } } })
  t.not(body['metadata'].resourceVersion, before['metadata'].resourceVersion)
  t.same(await list('!v1alpha1.tinkerbell.org/ownerName'), [])
  t.same(await list('v1alpha1.tinkerbell.org/ownerName=mach-1,v1alpha1.tinkerbell.org/ownerNamespace=capt'), [
    'm1',
  ])
})

t.test('8: another claim is a conflict, the same one again changes nothing', async (t) => {
  const before = (await call('GET', `${ns1}/hardware/m1`)).body
  const other = await call(
    'PATCH',
    `${ns1}/hardware/m1`,
    { metadata: { labels: owner('mach-2') } },
    mergePatch,
  )
  t.match(other, { status: 409, body: { reason: 'Conflict' } })
  const same = await call(
    'PATCH',
    `${ns1}/hardware/m1`,
    { metadata: { labels: owner('mach-1') } },
    mergePatch,
  )
  t.equal(same.status, 200)
  t.equal(same.body['metadata'].resourceVersion, before['metadata'].resourceVersion)
})

t.test('9: a large userData is stored and counts as a new generation', async (t) => {
  const userData = 'x'.repeat(100_000)
  const { status, body } = await call('PATCH', `${ns1}/hardware/m1`, { spec: { userData } }, mergePatch)
  t.equal(status, 200)
  t.equal(body['metadata'].generation, 2)
  t.equal(body['spec'].userData, userData)
})

t.test('9: a body above 3 MiB is refused', async (t) => {
  const userData = 'x'.repeat(3 * 1024 * 1024)
  const answer = await call('PATCH', `${ns1}/hardware/m1`, { spec: { userData } }, mergePatch)
  t.match(answer, { status: 413, body: { kind: 'Status', reason: 'RequestEntityTooLarge' } })
})

t.test('10: null removes labels, annotations and finalizers; unknown fields survive', async (t) => {
  const set = { metadata: { annotations: { a: 'b' } }, spec: { futureField: { deep: [1, null] } } }
  await call('PATCH', `${ns1}/hardware/m1`, set, mergePatch)
  const remove = { metadata: { labels: { type: null }, annotations: { a: null }, finalizers: null } }
  const { body } = await call('PATCH', `${ns1}/hardware/m1`, remove, mergePatch)
  t.notOk(body['metadata'].annotations)
  t.notOk(body['metadata'].finalizers)
  t.same(body['metadata'].labels, owner('mach-1'))
  t.same(body['spec'].futureField, { deep: [1, null] })
})

t.test('11: a patch of a stale version conflicts; other patch types are not understood', async (t) => {
  const stale = await call(
    'PATCH',
    `${ns1}/hardware/m1`,
    { metadata: { resourceVersion: '1' }, spec: {} },
    mergePatch,
  )
  t.match(stale, {
    status: 409,
    body: { reason: 'Conflict', message: /^Operation cannot be fulfilled on hardware/ },
  })
  for (const type of ['application/strategic-merge-patch+json', 'application/json', 'text/html']) {
    const answer = await call('PATCH', `${ns1}/hardware/m1`, '{}', { 'content-type': type })
    t.match(answer, { status: 415, body: { kind: 'Status', reason: 'UnsupportedMediaType' } }, type)
  }
})

t.test('12: Templates and Workflows keep their text, and no status of their creator', async (t) => {
  const data = 'version: "0.1"\nname: x\n\ttab ü €\n  - "{{.device_1}}"\n'
  const labels = { 'capt.tinkerbell.org/machine-name': 'm', 'capt.tinkerbell.org/machine-namespace': 'n' }
  const template = {
    kind: 'Template',
    apiVersion: 'tinkerbell.org/v1alpha1',
    metadata: { name: 't', labels },
  }
  await call('POST', `${ns1}/templates`, { ...template, spec: { data } })
  const { body } = await call('GET', `${ns1}/templates/t`)
  t.equal(body['spec'].data, data)
  t.same(body['metadata'].labels, labels)
  const made = await call('POST', `${ns1}/workflows`, {
    ...workflow('w', labels),
    status: { state: 'SUCCESS' },
  })
  t.equal(made.status, 201)
  t.notOk(made.body['status'])
})

t.test('15: status is written through its own path only', async (t) => {
  const status = { state: 'RUNNING' }
  await call('PATCH', `${ns1}/workflows/w`, { status }, mergePatch)
  t.notOk((await call('GET', `${ns1}/workflows/w`)).body['status'])
  const patched = await call(
    'PATCH',
    `${ns1}/workflows/w/status`,
    { status, spec: { templateRef: 'z' } },
    mergePatch,
  )
  t.match(patched, { status: 200, body: { status, spec: { templateRef: 't' }, metadata: { generation: 1 } } })
  const current = patched.body
  const put = await call('PUT', `${ns1}/workflows/w/status`, { ...current, status: { state: 'SUCCESS' } })
  t.match(put, { status: 200, body: { status: { state: 'SUCCESS' } } })
  const main = await call('PUT', `${ns1}/workflows/w`, { ...put.body, status: { state: 'FAILED' } })
  t.match(main, { status: 200, body: { status: { state: 'SUCCESS' } } })
  t.match((await call('GET', `${ns1}/workflows/w/status`)).body, { status: { state: 'SUCCESS' } })
  const wrong = await call('PATCH', `${ns1}/workflows/w/status`, { status: { tasks: 'none' } }, mergePatch)
  t.match(wrong, { status: 422, body: { reason: 'Invalid' } })
})

t.test('17: DELETE answers with a Status, then the object is gone', async (t) => {
  const options = { kind: 'DeleteOptions', apiVersion: 'v1' }
  const { status, body } = await call('DELETE', `${ns1}/workflows/w`, options)
  t.match(
    { status, body },
    { status: 200, body: { kind: 'Status', status: 'Success', details: { name: 'w' } } },
  )
  t.match(await call('GET', `${ns1}/workflows/w`), { status: 404 })
  t.match(await call('DELETE', `${ns1}/templates/t`, undefined, { 'content-type': 'application/json' }), {
    status: 200,
  })
})

t.test('17: DELETE holds to its preconditions', async (t) => {
  const { body } = await call('POST', `${ns1}/workflows`, workflow('pre'))
  const remove = (preconditions: object) => call('DELETE', `${ns1}/workflows/pre`, { preconditions })
  t.match(await remove({ uid: 'other' }), { status: 409, body: { reason: 'Conflict' } })
  t.match(await remove({ resourceVersion: '1' }), { status: 409 })
  t.match(await call('DELETE', `${ns1}/workflows/pre?dryRun=All`), { status: 200 })
  t.match(await remove({ uid: body['metadata'].uid }), { status: 200 })
})

t.test('19: a finalizer holds a deletion until it is removed', async (t) => {
  await call('POST', `${ns1}/hardware`, {
    ...hardware('held'),
    metadata: { name: 'held', finalizers: ['example.org/f'] },
  })
  const marked = await call('DELETE', `${ns1}/hardware/held`)
  t.match(marked, { status: 200, body: { kind: 'Hardware', metadata: { deletionTimestamp: String } } })
  t.ok(
    (await call('GET', `${base}/hardware`)).body['items'].some(
      (item: Body) => item['metadata'].name === 'held',
    ),
  )
  const added = { metadata: { finalizers: ['example.org/f', 'example.org/g'] } }
  t.match(await call('PATCH', `${ns1}/hardware/held`, added, mergePatch), { status: 422 })
  t.match(await call('PATCH', `${ns1}/hardware/held`, { metadata: { finalizers: null } }, mergePatch), {
    status: 200,
  })
  t.match(await call('GET', `${ns1}/hardware/held`), { status: 404 })
})

t.test('20: Hardware without an instance id gets its MAC; what else is missing is a warning', async (t) => {
  const { spec, ...rest } = hardware('plain', {}, '52:54:00:00:00:77')
  const made = await call('POST', `${ns1}/hardware`, { ...rest, spec: { interfaces: spec.interfaces } })
  t.match(made, { status: 201, body: { spec: { metadata: { instance: { id: '52:54:00:00:00:77' } } } } })
  t.match(String(made.headers['warning']), /299 - "spec\.disks is empty/)
})

t.test('21: ten patches at once lose nothing', async (t) => {
  const names = Array.from({ length: 10 }, (_, index) => `key-${index}`)
  const patch = (name: string) => ({ metadata: { annotations: { [name]: 'x' } } })
  const answers = await Promise.all(
    names.map((name) => call('PATCH', `${ns1}/hardware/m1`, patch(name), mergePatch)),
  )
  t.ok(answers.every(({ status }) => status === 200))
  const versions = new Set(answers.map(({ body }) => body['metadata'].resourceVersion))
  t.equal(versions.size, 10)
  const { body } = await call('GET', `${ns1}/hardware/m1`)
  t.same(Object.keys(body['metadata'].annotations).toSorted(), names)
})

t.test('23: PUT needs the current version', async (t) => {
  const { body } = await call('GET', `${ns1}/hardware/m1`)
  const put = (metadata: object) => call('PUT', `${ns1}/hardware/m1`, { ...body, metadata })
  const { resourceVersion, ...metadata } = body['metadata']
  t.match(await put({ ...metadata, resourceVersion: '1' }), { status: 409, body: { reason: 'Conflict' } })
  t.match(await put(metadata), {
    status: 422,
    body: { reason: 'Invalid', details: { causes: [{ field: 'metadata.resourceVersion' }] } },
  })
  const next = { ...body, spec: { ...body['spec'], userData: 'new' } }
  t.match(await call('PUT', `${ns1}/hardware/m1`, next), { status: 200, body: { spec: { userData: 'new' } } })
  t.match(await call('PUT', `${ns1}/hardware/nobody`, { ...next, metadata: { resourceVersion } }), {
    status: 404,
  })
})

const refused = [
  { name: 'a field of the wrong type', body: { spec: { disks: 'sda' } }, status: 422, field: 'spec.disks' },
  {
    name: 'a whole number written as text',
    body: { spec: { interfaces: [{ dhcp: { lease_time: '5' } }] } },
    status: 422,
    field: 'spec.interfaces[0].dhcp.lease_time',
  },
  { name: 'a name with capitals', body: { metadata: { name: 'Bad' } }, status: 422, field: 'metadata.name' },
  { name: 'no name at all', body: { metadata: {} }, status: 422, field: 'metadata.name' },
  {
    name: 'a label value with a space',
    body: { metadata: { name: 'x', labels: { a: 'b c' } } },
    status: 422,
    field: 'metadata.labels',
  },
  { name: 'a version of its own', body: { metadata: { name: 'x', resourceVersion: '5' } }, status: 400 },
  { name: 'another kind', body: { kind: 'Template' }, status: 400 },
  { name: 'another namespace', body: { metadata: { name: 'x', namespace: 'other' } }, status: 400 },
  { name: 'a list', body: [], status: 400 },
  { name: 'text that is not JSON', body: '{', status: 400 },
  { name: 'a key that would change prototypes', body: '{"__proto__": {"a": 1}}', status: 400 },
  { name: 'nesting beyond measure', body: `{"spec":${'['.repeat(5000)}${']'.repeat(5000)}}`, status: 400 },
  { name: 'an unknown dryRun', path: '?dryRun=Some', body: {}, status: 400 },
]
for (const { name, body, status, field, path = '' } of refused)
  t.test(`a create with ${name} is refused with ${status}`, async (t) => {
    const object =
      typeof body === 'string' || Array.isArray(body) ? body : { ...hardware('refused'), ...body }
    const type = { 'content-type': 'application/json' }
    const answer = await call('POST', `${ns1}/hardware${path}`, object, type)
    t.match(answer, { status, body: { kind: 'Status', status: 'Failure', code: status } })
    if (field) t.match(answer.body, { reason: 'Invalid', details: { causes: [{ field }] } })
    t.match(await call('GET', `${ns1}/hardware/refused`), { status: 404 })
  })

t.test('a create with a misspelt field keeps it', async (t) => {
  const body = { ...hardware('misspelt'), spec: { dsks: [{ device: 'x' }], interfaces: null } }
  t.match(await call('POST', `${ns1}/hardware`, body), {
    status: 201,
    body: { spec: { dsks: [{ device: 'x' }] } },
  })
})

t.test('generateName gives each object a name of its own', async (t) => {
  const { metadata: _, ...rest } = workflow('x')
  const make = () => call('POST', `${ns1}/workflows`, { ...rest, metadata: { generateName: 'run-' } })
  const [first, second] = [await make(), await make()]
  t.match(first.body['metadata'].name, /^run-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  t.not(first.body['metadata'].name, second.body['metadata'].name)
})

t.test('dryRun=All checks and stores nothing', async (t) => {
  const version = async () => (await call('GET', `${base}/hardware`)).body['metadata'].resourceVersion
  const before = await version()
  t.match(await call('POST', `${ns1}/hardware?dryRun=All`, hardware('dry')), {
    status: 201,
    body: { metadata: { name: 'dry' } },
  })
  t.match(await call('POST', `${ns1}/hardware?dryRun=All`, hardware('m1')), { status: 409 })
  const patch = { spec: { userData: 'dry' } }
  t.match(await call('PATCH', `${ns1}/hardware/m1?dryRun=All`, patch, mergePatch), {
    body: { spec: patch.spec },
  })
  t.equal(await version(), before)
})

const versions = [
  { query: 'resourceVersion=0', status: 200 },
  { query: 'limit=1&resourceVersion=0', status: 200 },
  { query: 'resourceVersion=1&resourceVersionMatch=NotOlderThan', status: 200 },
  { query: 'resourceVersion=1&resourceVersionMatch=Exact', status: 200 },
  { query: 'resourceVersion=999999', status: 504, reason: 'Timeout' },
  { query: 'resourceVersion=abc', status: 400, reason: 'BadRequest' },
  { query: 'resourceVersionMatch=Exact', status: 422, reason: 'Invalid' },
  { query: 'resourceVersion=1&resourceVersionMatch=Newest', status: 422, reason: 'Invalid' },
  { query: 'sendInitialEvents=true', status: 422, reason: 'Invalid' },
  { query: 'watch=1&resourceVersionMatch=NotOlderThan', status: 422, reason: 'Invalid' },
  { query: 'watch=1&sendInitialEvents=true', status: 422, reason: 'Invalid' },
  { query: 'watch=1&resourceVersion=999999', status: 504, reason: 'Timeout' },
  { query: 'watch=1&labelSelector=a%20b', status: 400, reason: 'BadRequest' },
]
for (const { query, status, reason } of versions)
  t.test(`14: a list or watch with ${query} answers ${status}`, async (t) => {
    const answer = await call('GET', `${base}/hardware?${query}`)
    t.match(answer, { status, body: reason ? { kind: 'Status', reason } : { kind: 'HardwareList' } })
  })

t.test('other methods are not allowed', async (t) => {
  t.match(await call('DELETE', `${base}/hardware`), { status: 405, body: { reason: 'MethodNotAllowed' } })
  t.match(await call('POST', `${ns1}/hardware/m1`, {}), { status: 405 })
})

t.test('a malformed URL is a bad request', async (t) => {
  t.match(await call('GET', `${ns1}/hardware/%E0%A4%A`), { status: 400, body: { kind: 'Status' } })
  t.match(await call('GET', `${ns1}/hardware/..%2f..%2fetc`), { status: 404, body: { kind: 'Status' } })
})

t.test('health routes need no credentials', async (t) => {
  for (const path of ['/healthz', '/livez', '/readyz'])
    t.match(await call('GET', path, undefined, { authorization: '' }), { status: 200 })
  const notReady = await startServer({
    ready: () => [
      { name: 'store', ok: true },
      { name: 'dhcp', ok: false },
    ],
  })
  t.after(() => notReady.close())
  const answer = await notReady.client.request('GET', '/readyz', undefined, { authorization: '' })
  t.match(answer, { status: 503, json: /\[-\]dhcp failed/ })
  t.notMatch(answer.json, /store/)
  t.match(await notReady.client.request('GET', '/readyz?verbose'), { status: 503, json: /\[\+\]store ok/ })
})

t.test('2.6: a table has the columns of its kind', async (t) => {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
  const { body } = await call('GET', `${ns1}/workflows`, undefined, { accept })
  t.match(body, { kind: 'Table', apiVersion: 'meta.k8s.io/v1' })
  t.same(
    body['columnDefinitions'].map((column: Body) => column['name']),
    [
      'Name',
      'Template',
      'State',
      'Task',
      'Action',
      'Agent',
      'Hardware',
      'Template-Rendering',
      'Queue',
      'Age',
    ],
  )
  t.match(body['rows'][0].cells.slice(1, 3), ['t', null])
  t.match(body['rows'][0].object, { kind: 'PartialObjectMetadata', metadata: { namespace: 'ns1' } })
  const one = await call('GET', `${ns1}/hardware/m1?includeObject=Object`, undefined, { accept })
  t.match(one.body['rows'], [{ object: { kind: 'Hardware' } }])
})

t.test('2.6: metadata alone can be had; protobuf alone cannot', async (t) => {
  const accept = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'
  const { body } = await call('GET', `${base}/hardware`, undefined, { accept })
  t.match(body, { kind: 'PartialObjectMetadataList', items: [{ kind: 'PartialObjectMetadata' }] })
  t.notOk(body['items'][0].spec)
  const protobuf = { accept: 'application/vnd.kubernetes.protobuf' }
  t.match(await call('GET', `${base}/hardware`, undefined, protobuf), {
    status: 406,
    body: { reason: 'NotAcceptable' },
  })
})

t.test('2.2: OpenAPI has a document per group and version', async (t) => {
  const { body } = await call('GET', '/openapi/v3')
  const { serverRelativeURL } = body['paths']['apis/tinkerbell.org/v1alpha1']
  const document = (await call('GET', serverRelativeURL)).body
  const patch = document['paths'][`${base}/namespaces/{namespace}/hardware/{name}`].patch
  t.same(patch['x-kubernetes-group-version-kind'], {
    group: 'tinkerbell.org',
    version: 'v1alpha1',
    kind: 'Hardware',
  })
  t.ok(patch.parameters.some((parameter: Body) => parameter['name'] === 'fieldValidation'))
  t.same(Object.keys(patch.requestBody.content), [
    'application/merge-patch+json',
    'application/json-patch+json',
    'application/apply-patch+yaml',
  ])
  const accept = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'
  const old = await call('GET', '/openapi/v2', undefined, { accept })
  t.match(old.headers['content-type'], /^application\/com\.github\.proto-openapi\.spec\.v2\.v1\.0\+protobuf/)
})

t.end()
