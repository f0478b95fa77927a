import { Writable } from 'node:stream'
import { pino } from 'pino'
import t from 'tap'
import type { Client } from '../../src/cli/client.ts'
import type { Role } from '../../src/model/role.ts'
import { roles } from '../../src/model/role.ts'
import { clientWith, holderOf } from './client.ts'
import { base, hardware, mergePatch, ns1, startServer, watching } from './server.ts'
import type { TestServer } from './server.ts'

const lines: string[] = []
const log = pino(
  { level: 'warn' },
  new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk))
      done()
    },
  }),
)
const password = Buffer.from('hunter2-hunter2').toString('base64')
const userData = '#cloud-config join: abcdef.0123456789abcdef'
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'
const secrets = '/api/v1/namespaces/ns1/secrets'
const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }
const metadata = { accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' }
const metadataList = { accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1' }
const jsonPatch = { 'content-type': 'application/json-patch+json' }

function secret(name: string) {
  const plain = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'ns1' },
    type: 'Opaque',
    data: { password },
  }
  const annotations = { [lastApplied]: JSON.stringify(plain), note: 'kept' }
  return { ...plain, metadata: { ...plain.metadata, annotations } }
}

function machine(name: string) {
  const plain = hardware(name)
  const annotations = { [lastApplied]: JSON.stringify({ ...plain, spec: { ...plain.spec, userData } }) }
  return { ...plain, metadata: { ...plain.metadata, annotations }, spec: { ...plain.spec, userData } }
}

let server: TestServer
const clients = {} as Record<Role, Client>
t.before(async () => {
  server = await startServer({ log })
  for (const role of roles) clients[role] = (await holderOf(server, role)).client
  await server.client.request('POST', secrets, secret('s1'))
  await server.client.request('POST', `${ns1}/hardware`, machine('m1'))
})
t.teardown(async () => {
  for (const client of Object.values(clients)) client.close()
  await server.close()
})
const text = async (role: Role, ...args: Parameters<Client['request']>) => {
  const answer = await clients[role].request(...args)
  return `${answer.status} ${JSON.stringify(answer.json)}`
}

t.test('the admin reads a Secret', async (t) => {
  t.match(await text('admin', 'GET', `${secrets}/s1`), password)
})

const readings = [
  { name: 'get', path: `${secrets}/s1`, headers: {} },
  { name: 'list', path: secrets, headers: {} },
  { name: 'list of all namespaces', path: '/api/v1/secrets', headers: {} },
  { name: 'Table', path: secrets, headers: table },
  { name: 'Table with objects', path: `${secrets}?includeObject=Object`, headers: table },
  { name: 'metadata', path: `${secrets}/s1`, headers: metadata },
  { name: 'metadata of a list', path: secrets, headers: metadataList },
]
for (const { name, path, headers } of readings) {
  t.test(`an operator sees a Secret without its values: ${name}`, async (t) => {
    const answer = await text('operator', 'GET', path, undefined, headers)
    t.match(answer, /^200 .*s1/)
    t.notMatch(answer, password)
    t.notMatch(answer, '"data"')
    t.ok(!answer.includes('annotations') || answer.includes('note'), 'other annotations stay')
  })
  for (const role of ['viewer', 'capt', 'importer'] as const)
    t.test(`${role} sees no Secret: ${name}`, async (t) => {
      const answer = await text(role, 'GET', path, undefined, headers)
      t.match(answer, /^403 .*cannot (get|list) resource .*secrets/)
      t.notMatch(answer, password)
    })
}

t.test('writes of an operator return no values of Secrets, and store them', async (t) => {
  const answers = [
    await text('operator', 'POST', secrets, secret('s2')),
    await text('operator', 'POST', `${secrets}?dryRun=All`, secret('s3')),
    await text('operator', 'PATCH', `${secrets}/s2`, { metadata: { labels: { a: 'b' } } }, mergePatch),
  ]
  for (const answer of answers) {
    t.match(answer, /^20[01] .*Secret/)
    t.notMatch(answer, password)
  }
  t.match(await text('admin', 'GET', `${secrets}/s2`), password)
  const gone = await text('operator', 'DELETE', `${secrets}/s2`)
  t.match(gone, /^200/)
  t.notMatch(gone, password)
})

t.test('an operator can neither copy a value out of a Secret nor replace it blindly', async (t) => {
  const copy = [{ op: 'copy', from: '/data/password', path: '/metadata/annotations/note' }]
  t.match(await text('operator', 'PATCH', `${secrets}/s1`, copy, jsonPatch), /^403 .*JSON patch/)
  const { metadata: seen } = (await clients.operator.request('GET', `${secrets}/s1`)).json as {
    metadata: object
  }
  const blind = { ...secret('s1'), metadata: seen, data: {} }
  t.match(await text('operator', 'PUT', `${secrets}/s1`, blind), /^403 .*cannot update/)
  t.match(await text('admin', 'GET', `${secrets}/s1`), password)
})

t.test('a watch of Secrets shows an operator no values', async (t) => {
  for (const headers of ['', '&includeObject=Object']) {
    const watch = watching(clients.operator, `${secrets}?watch=true${headers}`)
    await watch.until(1)
    await server.client.request('POST', secrets, secret('s4'))
    await server.client.request('DELETE', `${secrets}/s4`)
    const events = await watch.until(3)
    watch.stop()
    t.same(
      events.map(({ type }) => type),
      ['ADDED', 'ADDED', 'DELETED'],
    )
    t.notMatch(JSON.stringify(events), password)
    t.match(JSON.stringify(events), 'kept')
  }
})

t.test('viewer and importer see no user data, operator and CAPT do', async (t) => {
  for (const role of ['viewer', 'importer'] as const) {
    for (const headers of [{}, table, metadata]) {
      const answer = await text(role, 'GET', `${ns1}/hardware/m1?includeObject=Object`, undefined, headers)
      t.match(answer, /^200 .*m1/)
      t.notMatch(answer, 'abcdef')
    }
    t.match(await text(role, 'GET', `${ns1}/hardware/m1`), '"userData":"***"')
    const watch = watching(clients[role], `${base}/hardware?watch=true`)
    t.notMatch(JSON.stringify(await watch.until(1)), 'abcdef')
    watch.stop()
  }
  for (const role of ['admin', 'operator', 'capt'] as const)
    t.match(await text(role, 'GET', `${ns1}/hardware/m1`), 'abcdef')
})

t.test('to apply to what is not there takes the right to create', async (t) => {
  const type = { 'content-type': 'application/apply-patch+yaml' }
  const path = `${ns1}/hardware/m9?fieldManager=x`
  t.match(
    await text('capt', 'PATCH', path, JSON.stringify(hardware('m9')), type),
    /^403 .*cannot create resource/,
  )
})

t.test('what has no route is refused before it is not found', async (t) => {
  for (const path of [
    '/nothing',
    '/ironwake/v1/tokens/x/y',
    '/apis/example.com/v1/things',
    '/api/v1//secrets',
  ]) {
    t.match(await text('viewer', 'GET', path), /^403/, path)
    t.match(await text('admin', 'GET', path), /^404/, path)
  }
  for (const path of [`${ns1}/h%61rdware`, '/api/v1/namespaces/ns1/%73ecrets'])
    t.notMatch(await text('viewer', 'GET', path), password, path)
  const nobody = await clientWith(server, {})
  t.equal((await nobody.request('GET', '/nothing')).status, 401)
  for (const path of ['/healthz', '/livez', '/readyz'])
    t.equal((await nobody.request('GET', path)).status, 200, path)
  nobody.close()
})

t.test('callers can ask what they may do', async (t) => {
  const review = async (role: Role, resourceAttributes: object) => {
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
    const { status, json } = await clients[role].request('POST', path, {
      kind: 'SelfSubjectAccessReview',
      apiVersion: 'authorization.k8s.io/v1',
      spec: { resourceAttributes },
    })
    t.equal(status, 201)
    return (json as { status: { allowed: boolean } }).status.allowed
  }
  const patch = { group: 'tinkerbell.org', version: '*', resource: 'hardware', verb: 'patch' }
  t.ok(await review('capt', patch))
  t.notOk(await review('viewer', patch))
  t.notOk(await review('operator', { group: '*', resource: '*', verb: '*' }))
  t.ok(await review('admin', { group: '*', resource: '*', verb: '*' }))
  const rules = '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews'
  const spec = { spec: { namespace: 'ns1' } }
  t.match(await clients.importer.request('POST', rules, spec), {
    status: 201,
    json: { status: { resourceRules: [{ resources: ['hardware'] }], incomplete: false } },
  })
  const who = await clients.viewer.request('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {})
  t.match(who.json, { status: { userInfo: { username: /^viewer-/, groups: ['ironwake:viewer'] } } })
  t.match(await clients.viewer.request('POST', rules, {}), { status: 400 })
})

t.test('every write is one audit line, with no body, whatever the log level', async (t) => {
  lines.length = 0
  await clients.operator.request('POST', secrets, secret('s5'))
  await clients.operator.request('PATCH', `${secrets}/s5`, { stringData: { a: 'plain' } }, mergePatch)
  await clients.viewer.request('DELETE', `${ns1}/hardware/m1`)
  await clients.operator.request('DELETE', `${secrets}/s5`)
  await clients.operator.request('GET', `${secrets}/s1`)
  await clients.importer.request('POST', '/ironwake/v1/hardware/import', 'a,b', {
    'content-type': 'text/csv',
  })
  const made = await clients.operator.request('POST', `${ns1}/workflows`, {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Workflow',
    metadata: { generateName: 'wf-' },
    spec: { templateRef: 't', hardwareRef: 'm1' },
  })
  const { name } = (made.json as { metadata: { name: string } }).metadata
  const holder = await holderOf(server, 'viewer')
  holder.client.close()
  await new Promise((resolve) => setTimeout(resolve, 50))
  const audit = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'api write')
  t.match(audit, [
    {
      user: /^operator-/,
      role: 'operator',
      tokenId: String,
      verb: 'create',
      resource: 'secrets',
      namespace: 'ns1',
      name: 's5',
      code: 201,
      ms: Number,
      from: '127.0.0.1',
    },
    { verb: 'patch', resource: 'secrets', name: 's5' },
    { role: 'viewer', verb: 'delete', resource: 'hardware.tinkerbell.org', name: 'm1', code: 403 },
    { verb: 'delete', resource: 'secrets', name: 's5', code: 200 },
    { role: 'importer', verb: 'post', path: '/ironwake/v1/hardware/import', code: 200 },
    { verb: 'create', resource: 'workflows.tinkerbell.org', name, code: 201 },
    { user: 'admin', verb: 'post', path: '/ironwake/v1/tokens', name: holder.id, code: 201 },
  ])
  t.equal(audit.length, 7)
  for (const word of [password, 'hunter2', 'plain', 'abcdef', holder.token]) t.notMatch(lines.join(''), word)
})
