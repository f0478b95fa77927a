import t from 'tap'
import { hardware, mergePatch, ns1, startServer, workflow } from './server.ts'
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
const jsonPatch = { 'content-type': 'application/json-patch+json' }
const applyPatch = { 'content-type': 'application/apply-patch+yaml' }
const send = (name: string, patch: unknown, headers: Record<string, string>, query = '') =>
  call('PATCH', `${ns1}/hardware/${name}${query}`, patch, headers)
const apply = (
  name: string,
  manager: string,
  spec: object,
  more: { query?: string; metadata?: object } = {},
) =>
  send(
    name,
    { apiVersion: 'tinkerbell.org/v1alpha1', kind: 'Hardware', metadata: { name, ...more.metadata }, spec },
    applyPatch,
    `?fieldManager=${manager}${more.query ?? ''}`,
  )
const get = async (name: string) => (await call('GET', `${ns1}/hardware/${name}`)).body
const owners = (object: Body) =>
  (object['metadata'].managedFields ?? []).map(
    ({ manager, operation, subresource }: Body) =>
      `${manager} ${operation}${subresource ? ` ${subresource}` : ''}`,
  )

t.test('a JSON patch is carried out whole or not at all', async (t) => {
  await call('POST', `${ns1}/hardware`, hardware('j1'))
  const good = [
    { op: 'test', path: '/spec/disks/0/device', value: '/dev/vda' },
    { op: 'add', path: '/spec/disks/-', value: { device: '/dev/vdb' } },
    { op: 'add', path: '/metadata/labels', value: { 'a/b': 'c' } },
    { op: 'replace', path: '/metadata/labels/a~1b', value: 'd' },
  ]
  t.match(await send('j1', good, jsonPatch), {
    status: 200,
    body: {
      spec: { disks: [{}, { device: '/dev/vdb' }] },
      metadata: { generation: 2, labels: { 'a/b': 'd' } },
    },
  })
  const bad = [
    { op: 'add', path: '/spec/userData', value: 'x' },
    { op: 'test', path: '/spec/disks/0/device', value: 'nothing' },
  ]
  t.match(await send('j1', bad, jsonPatch), {
    status: 422,
    body: { reason: 'Invalid', message: /testing value .*device.* failed/ },
  })
  t.notOk((await get('j1'))['spec'].userData)
})

const refusedPatches = [
  { name: 'an object instead of a list', patch: { op: 'add' }, status: 400 },
  { name: 'another name', patch: [{ op: 'replace', path: '/metadata/name', value: 'x' }], status: 400 },
  { name: 'no metadata left', patch: [{ op: 'remove', path: '/metadata' }], status: 400 },
  { name: 'nothing left', patch: [{ op: 'replace', path: '', value: null }], status: 400 },
  {
    name: 'another version',
    patch: [{ op: 'replace', path: '/metadata/resourceVersion', value: '1' }],
    status: 409,
  },
  { name: 'a field of the wrong type', patch: [{ op: 'add', path: '/spec/disks', value: 'x' }], status: 422 },
  {
    name: 'too many operations',
    patch: Array(10_001).fill({ op: 'test', path: '/kind', value: 'Hardware' }),
    status: 413,
  },
]
for (const { name, patch, status } of refusedPatches)
  t.test(`a JSON patch with ${name} is refused with ${status}`, async (t) => {
    const before = await get('j1')
    t.match(await send('j1', patch, jsonPatch), { status, body: { kind: 'Status', code: status } })
    t.same(await get('j1'), before)
  })

t.test(
  'a JSON patch of the current version is applied, one that changes nothing makes no version',
  async (t) => {
    const { metadata } = await get('j1')
    const patch = [{ op: 'test', path: '/metadata/resourceVersion', value: metadata.resourceVersion }]
    const { status, body } = await send('j1', patch, jsonPatch)
    t.match(
      { status, body },
      { status: 200, body: { metadata: { resourceVersion: metadata.resourceVersion } } },
    )
    const status1 = [{ op: 'add', path: '/status', value: { state: 'x' } }]
    t.match(await call('PATCH', `${ns1}/hardware/j1/status`, status1, jsonPatch), {
      body: { status: { state: 'x' } },
    })
  },
)

t.test('a strategic merge patch is not known', async (t) => {
  const answer = await send(
    'j1',
    {},
    { 'content-type': 'application/strategic-merge-patch+json; charset=utf-8' },
  )
  t.match(answer, {
    status: 415,
    body: {
      reason: 'UnsupportedMediaType',
      message:
        'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
    },
  })
})

t.test('applying creates, then changes, then changes nothing', async (t) => {
  const made = await apply('a1', 'me', { userData: 'x' })
  t.match(made, { status: 201, body: { metadata: { generation: 1, uid: String }, spec: { userData: 'x' } } })
  t.match(made.body['metadata'].managedFields, [
    { manager: 'me', operation: 'Apply', apiVersion: 'tinkerbell.org/v1alpha1', fieldsType: 'FieldsV1' },
  ])
  t.same(made.body['metadata'].managedFields[0].fieldsV1, { 'f:spec': { 'f:userData': {} } })
  t.match(made.body['metadata'].managedFields[0].time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  const changed = await apply('a1', 'me', { userData: 'y', vendorData: 'v' })
  t.match(changed, { status: 200, body: { metadata: { generation: 2 } } })
  const same = await apply('a1', 'me', { userData: 'y', vendorData: 'v' })
  t.same(same.body, changed.body)
  const less = await apply('a1', 'me', { vendorData: 'v' })
  t.same(less.body['spec'], { vendorData: 'v' })
})

t.test('a field of another client is a conflict, unless it is forced', async (t) => {
  await apply('a2', 'one', { userData: 'x', vendorData: 'v' })
  const two = await apply('a2', 'two', { userData: 'y' })
  t.match(two, {
    status: 409,
    body: {
      reason: 'Conflict',
      message: 'Apply failed with 1 conflict: conflict with "one": .spec.userData',
      details: {
        causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.spec.userData' }],
      },
    },
  })
  await send('a2', { spec: { tinkVersion: 2 } }, mergePatch, '?fieldManager=three')
  const many = await apply('a2', 'two', { userData: 'y', tinkVersion: 3 })
  t.match(
    many.body['message'],
    /^Apply failed with 2 conflicts: conflicts with "one":\n- \.spec\.userData\nconflicts with "three" using tinkerbell\.org\/v1alpha1 at .*:\n- \.spec\.tinkVersion$/,
  )
  const forced = await apply('a2', 'two', { userData: 'y' }, { query: '&force=true' })
  t.match(forced, { status: 200, body: { spec: { userData: 'y', vendorData: 'v', tinkVersion: 2 } } })
  t.same(owners(forced.body), ['one Apply', 'two Apply', 'three Update'])
  const shared = await apply('a2', 'four', { userData: 'y' })
  t.equal(shared.status, 200, 'the same value is shared')
  t.equal((await apply('a2', 'one', {})).body['spec'].vendorData, undefined)
})

t.test('every way of writing is recorded', async (t) => {
  const agent = { 'user-agent': 'robot/v1.2 (linux)', 'content-type': 'application/json' }
  const made = await call('POST', `${ns1}/hardware`, hardware('a3', { a: 'b' }), agent)
  t.same(owners(made.body), ['robot Update'])
  t.match(made.body['metadata'].managedFields[0].fieldsV1, {
    'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
    'f:spec': { '.': {}, 'f:disks': {}, 'f:interfaces': {} },
  })
  await send('a3', { metadata: { labels: { c: 'd' } } }, mergePatch, '?fieldManager=labeller')
  await send('a3', [{ op: 'add', path: '/spec/userData', value: 'u' }], jsonPatch, '?fieldManager=json')
  const status = { status: { state: 'ready' }, spec: { userData: 'no' } }
  await call('PATCH', `${ns1}/hardware/a3/status?fieldManager=controller`, status, mergePatch)
  const before = await get('a3')
  t.same(owners(before).toSorted(), [
    'controller Update status',
    'json Update',
    'labeller Update',
    'robot Update',
  ])
  const put = await call('PUT', `${ns1}/hardware/a3?fieldManager=put`, {
    ...before,
    spec: { ...before['spec'], userData: 'z' },
    metadata: { ...before['metadata'], managedFields: [] },
  })
  t.same(owners(put.body).toSorted(), [
    'controller Update status',
    'labeller Update',
    'put Update',
    'robot Update',
  ])
  const entry = put.body['metadata'].managedFields.find(({ manager }: Body) => manager === 'controller')
  t.same(entry.fieldsV1, { 'f:status': { '.': {}, 'f:state': {} } })
})

t.test('a client may set the list of owners, and may not break it', async (t) => {
  const { metadata } = await get('a3')
  const [first] = metadata.managedFields
  await send('a3', [{ op: 'replace', path: '/metadata/managedFields', value: [first] }], jsonPatch)
  t.same(owners(await get('a3')), [
    `${first.manager} ${first.operation}${first.subresource ? ' status' : ''}`,
  ])
  const nonsense = [{ manager: 'x', operation: 'Steal', apiVersion: 'v1', fieldsV1: {} }]
  const kept = await send('a3', { metadata: { managedFields: nonsense } }, mergePatch)
  t.equal(owners(kept.body).length, 1)
  const reset = await send('a3', { metadata: { managedFields: [{}] } }, mergePatch)
  t.same(owners(reset.body), [])
})

t.test('what was there before anybody applied belongs to nobody in particular', async (t) => {
  const { modifyObject } = await import('../../src/store/resource.ts')
  await call('POST', `${ns1}/hardware`, hardware('a4'))
  await modifyObject(server.db.store, { kind: 'Hardware', namespace: 'ns1', name: 'a4' }, (current) => {
    const { managedFields: _, ...metadata } = current.metadata
    return { ...current, metadata }
  })
  t.match(await apply('a4', 'me', { disks: [] }), {
    status: 409,
    body: { message: /conflict with "before-first-apply" using .*: \.spec\.disks/ },
  })
  t.match(await apply('a4', 'me', { disks: [], userData: 'x' }, { query: '&force=true' }), { status: 200 })
  t.same(owners(await get('a4')), ['me Apply', 'before-first-apply Update'])
})

t.test('a status is applied through its own path', async (t) => {
  const path = `${ns1}/hardware/a4/status?fieldManager=ctl`
  const object = {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Hardware',
    status: { state: 'up' },
    spec: { userData: 'no' },
  }
  const done = await call('PATCH', path, object, applyPatch)
  t.match(done, { status: 200, body: { status: { state: 'up' }, spec: { userData: 'x' } } })
  t.ok(owners(done.body).includes('ctl Apply status'))
  await apply('a4', 'me', { userData: 'x' }, { query: '&force=true' })
  t.equal((await get('a4'))['status'].state, 'up')
  t.match(await call('PATCH', `${ns1}/hardware/nobody/status?fieldManager=ctl`, object, applyPatch), {
    status: 404,
  })
})

t.test('finalizers and owner references are applied item by item', async (t) => {
  await apply('a5', 'one', {}, { metadata: { finalizers: ['x/one'] } })
  await apply('a5', 'two', {}, { metadata: { finalizers: ['x/two'] } })
  const { body } = await apply('a5', 'one', { userData: 'x' })
  t.same(body['metadata'].finalizers, ['x/two'])
  await call('DELETE', `${ns1}/hardware/a5`)
  t.match(await apply('a5', 'two', {}), { status: 200 })
  t.equal(
    (await call('GET', `${ns1}/hardware/a5`)).status,
    404,
    'the last finalizer is gone, and so the object',
  )
})

const refusedApplies = [
  {
    name: 'no field manager',
    path: '',
    body: {},
    status: 422,
    message: /fieldManager: Required value: is required for apply patch/,
  },
  { name: 'no kind', path: '?fieldManager=x', body: { metadata: {} }, status: 400 },
  {
    name: 'another kind',
    path: '?fieldManager=x',
    body: { kind: 'Workflow', apiVersion: 'tinkerbell.org/v1alpha1' },
    status: 400,
  },
  { name: 'another name', path: '?fieldManager=x', body: { metadata: { name: 'y' } }, status: 400 },
  {
    name: 'owners of its own',
    path: '?fieldManager=x',
    body: { metadata: { managedFields: [{ manager: 'x' }] } },
    status: 400,
    message: /managedFields must be nil/,
  },
  { name: 'a uid of nobody', path: '?fieldManager=x', body: { metadata: { uid: 'u' } }, status: 409 },
  { name: 'a list', path: '?fieldManager=x', body: [], status: 400 },
  { name: 'a name with control letters', path: '?fieldManager=a%00b', body: {}, status: 422 },
  { name: 'a manager of 200 letters', path: `?fieldManager=${'x'.repeat(200)}`, body: {}, status: 422 },
]
for (const { name, path, body, status, message = /./ } of refusedApplies)
  t.test(`applying with ${name} is refused with ${status}`, async (t) => {
    const object = Array.isArray(body)
      ? body
      : {
          ...('metadata' in body && name === 'no kind'
            ? {}
            : { apiVersion: 'tinkerbell.org/v1alpha1', kind: 'Hardware' }),
          ...body,
        }
    t.match(await send('nobody', object, applyPatch, path), { status, body: { kind: 'Status', message } })
    t.equal((await call('GET', `${ns1}/hardware/nobody`)).status, 404)
  })

t.test('force is for applying only', async (t) => {
  t.match(await send('a4', {}, mergePatch, '?force=true'), { status: 422, body: { message: /non-apply/ } })
})

t.test('YAML is applied as JSON is', async (t) => {
  const yaml =
    'apiVersion: tinkerbell.org/v1alpha1\nkind: Hardware\nmetadata:\n  name: y1\nspec:\n  userData: |\n    a\n    b\n'
  t.match(await send('y1', yaml, applyPatch, '?fieldManager=x'), {
    status: 201,
    body: { spec: { userData: 'a\nb\n' } },
  })
  t.match(await send('y1', `${yaml}  userData: twice\n`, applyPatch, '?fieldManager=x'), { status: 400 })
  t.match(await send('y1', 'a: [', applyPatch, '?fieldManager=x'), { status: 400 })
  const posted = await call('POST', `${ns1}/hardware`, yaml.replace('y1', 'y2'), {
    'content-type': 'application/yaml',
  })
  t.equal(posted.status, 201)
})

t.test('a dry run of applying stores nothing and says what would be', async (t) => {
  const dry = await apply('dry', 'me', { userData: 'x' }, { query: '&dryRun=All' })
  t.match(dry, { status: 201, body: { spec: { userData: 'x' } } })
  t.equal((await call('GET', `${ns1}/hardware/dry`)).status, 404)
  const { metadata } = await get('a4')
  t.match(await apply('a4', 'me', { userData: 'z' }, { query: '&dryRun=All&force=true' }), {
    body: { spec: { userData: 'z' } },
  })
  t.equal((await get('a4'))['metadata'].resourceVersion, metadata.resourceVersion)
})

t.test('ten clients that apply at once each keep their field', async (t) => {
  const all = Array.from({ length: 10 }, (_, at) => `c${at}`)
  const answers = await Promise.all(
    all.map((name) => apply('many', name, {}, { metadata: { labels: { [name]: 'x' } } })),
  )
  t.ok(
    answers.every(({ status }) => status === 200 || status === 201),
    'all succeed',
  )
  t.same(Object.keys((await get('many'))['metadata'].labels).toSorted(), all)
})

t.test('updaters beyond ten share an entry', async (t) => {
  for (let at = 0; at < 15; at++)
    await send('many', { metadata: { annotations: { [`k${at}`]: 'v' } } }, mergePatch, `?fieldManager=m${at}`)
  const updates = owners(await get('many')).filter((owner: string) => owner.endsWith('Update'))
  t.equal(updates.length, 10)
  t.ok(updates.includes('ancient-changes Update'))
})

t.test('a Workflow is applied as everything else', async (t) => {
  const { metadata, ...rest } = workflow('w1')
  const answer = await call(
    'PATCH',
    `${ns1}/workflows/w1?fieldManager=x`,
    { ...rest, metadata: { name: metadata.name } },
    applyPatch,
  )
  t.match(answer, { status: 201, body: { kind: 'Workflow' } })
})

t.end()
