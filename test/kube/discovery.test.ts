import t from 'tap'
import { mediaRanges } from '../../src/kube/accept.ts'
import { discoveryForm } from '../../src/kube/discovery.ts'
import { kinds } from '../../src/model/kinds.ts'
import { controlVerbs } from '../../src/kube/workflow-control-verbs.ts'
import { startServer } from './server.ts'
import type { TestServer } from './server.ts'

type Body = Record<string, any>

let server: TestServer
t.before(async () => {
  server = await startServer()
})
t.after(() => server.close())

const get = async (path: string, headers: Record<string, string> = {}) => {
  const answer = await server.client.request('GET', path, undefined, headers)
  return { status: answer.status, body: answer.json as Body, headers: answer.headers }
}
const aggregated = (version: string) =>
  `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`
const all = Object.values(kinds)

t.test('the plain documents name every group, version and resource once', async (t) => {
  t.match((await get('/api')).body, { kind: 'APIVersions', versions: ['v1'] })
  const { body } = await get('/apis')
  t.equal(body['kind'], 'APIGroupList')
  t.same(
    body['groups'].map(({ name }: Body) => name),
    ['tinkerbell.org', 'bmc.tinkerbell.org'],
  )
  for (const group of body['groups'] as Body[]) {
    t.same((await get(`/apis/${group['name']}`)).body, group)
    t.same(group['preferredVersion'], group['versions'][0])
  }
})

for (const [path, group] of [
  ['/api/v1', ''],
  ['/apis/tinkerbell.org/v1alpha1', 'tinkerbell.org'],
  ['/apis/bmc.tinkerbell.org/v1alpha1', 'bmc.tinkerbell.org'],
] as const)
  t.test(`${path} lists what can be asked for there`, async (t) => {
    const { body } = await get(path)
    t.match(body, { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: path.replace(/^\/apis?\//, '') })
    const mine = all.filter((info) => info.group === group)
    const wanted = mine.flatMap(({ kind, plural, hasStatus }) => [
      plural,
      ...(kind === 'Namespace' ? [`${plural}/finalize`] : []),
      ...(hasStatus ? [`${plural}/status`] : []),
      ...(kind === 'Workflow' ? controlVerbs.map((verb) => `${plural}/${verb}`) : []),
    ])
    t.same(
      body['resources'].map(({ name }: Body) => name),
      wanted,
    )
    for (const resource of body['resources'] as Body[]) {
      const info = mine.find(({ kind }) => kind === resource['kind'])!
      t.equal(resource['namespaced'], info.namespaced)
      const [, subresource = ''] = resource['name'].split('/')
      const all = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
      const verbs: Record<string, string[]> = {
        '': all.filter((verb) => info.namespaced || verb !== 'deletecollection'),
        status: ['get', 'patch', 'update'],
        finalize: ['update'],
        ...Object.fromEntries(controlVerbs.map((verb) => [verb, ['create']])),
      }
      t.same(resource['verbs'], verbs[subresource])
    }
  })

t.test('a Namespace is in no namespace, has a status, and is let go by a subresource', async (t) => {
  const { body } = await get('/api/v1')
  t.match(
    body['resources'].find(({ name }: Body) => name === 'namespaces'),
    { singularName: 'namespace', namespaced: false, shortNames: ['ns'] },
  )
  for (const inner of ['status', 'finalize'])
    t.ok(body['resources'].some(({ name }: Body) => name === `namespaces/${inner}`))
  t.notOk(body['resources'].some(({ name }: Body) => name === 'secrets/status'))
})

for (const path of ['/apis/other.org', '/apis/other.org/v1', '/apis/tinkerbell.org/v9', '/api/v2'])
  t.test(`${path} is not there, and the answer is a Status`, async (t) => {
    t.match(await get(path), { status: 404, body: { kind: 'Status', reason: 'NotFound', code: 404 } })
  })

const forms = [
  { accept: undefined, want: 'plain' },
  { accept: '*/*', want: 'plain' },
  { accept: 'application/json', want: 'plain' },
  { accept: 'application/vnd.kubernetes.protobuf', want: 'plain' },
  { accept: `${aggregated('v2')},${aggregated('v2beta1')},application/json`, want: 'v2' },
  { accept: `${aggregated('v2beta1')},application/json`, want: 'v2beta1' },
  { accept: `${aggregated('v2beta1')},${aggregated('v2')}`, want: 'v2beta1' },
  { accept: `${aggregated('v3')},application/json`, want: 'plain' },
  { accept: `${aggregated('v2beta')},${aggregated('v2')}`, want: 'v2' },
  { accept: 'application/json;g=other;v=v2;as=APIGroupDiscoveryList', want: 'plain' },
  { accept: 'application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io', want: 'v2' },
  { accept: `application/json, ${aggregated('v2')}`, want: 'plain' },
] as const
for (const { accept, want } of forms)
  t.test(`Accept ${accept} gets the ${want} form`, async (t) => t.equal(discoveryForm(accept), want))

t.test('hostile Accept headers are read without harm', async (t) => {
  for (const accept of [';;;', ',,,', '=;=', 'a/b;=x;__proto__=1', ' '.repeat(5000), ','.repeat(5000)])
    t.equal(discoveryForm(accept), accept.trim() === '' ? 'plain' : 'plain')
  t.same(mediaRanges(' A/B ; q = 1 ')[0], { type: 'a/b', parameters: new Map([['q', '1']]) })
})

for (const version of ['v2', 'v2beta1'])
  for (const path of ['/api', '/apis'])
    t.test(`${path} in the aggregated form ${version} echoes its content type`, async (t) => {
      const { status, body, headers } = await get(path, { accept: `${aggregated(version)},application/json` })
      t.equal(status, 200)
      t.equal(headers['content-type'], aggregated(version))
      t.match(body, { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}` })
    })

t.test('the aggregated form says the same as the plain one', async (t) => {
  const accept = { accept: aggregated('v2') }
  const [core, named] = [await get('/api', accept), await get('/apis', accept)]
  const items = [...(core.body['items'] as Body[]), ...(named.body['items'] as Body[])]
  t.same(
    items.map(({ metadata }) => metadata.name),
    [undefined, 'tinkerbell.org', 'bmc.tinkerbell.org'],
  )
  for (const { metadata, versions } of items)
    for (const { version, freshness, resources } of versions as Body[]) {
      t.equal(freshness, 'Current')
      const group = metadata.name ?? ''
      const plain = await get(group ? `/apis/${group}/${version}` : `/api/${version}`)
      const flat = (resources as Body[]).flatMap((resource) => [
        {
          name: resource['resource'],
          singularName: resource['singularResource'],
          namespaced: resource['scope'] === 'Namespaced',
          kind: resource['responseKind'].kind,
          verbs: resource['verbs'],
          shortNames: resource['shortNames'] ?? [],
          categories: resource['categories'] ?? [],
        },
        ...((resource['subresources'] ?? []) as Body[]).map(({ subresource, responseKind, verbs }) => ({
          name: `${resource['resource']}/${subresource}`,
          singularName: '',
          namespaced: resource['scope'] === 'Namespaced',
          kind: responseKind.kind,
          verbs,
        })),
      ])
      t.same(plain.body['resources'], flat)
    }
})

t.test('a client that has the document is told so, for each form apart', async (t) => {
  for (const accept of ['application/json', aggregated('v2'), aggregated('v2beta1')]) {
    const { etag } = (await get('/apis', { accept })).headers
    t.match(etag, /^"[0-9A-F]{32}"$/)
    t.equal((await get('/apis', { accept, 'if-none-match': etag! })).status, 304)
    t.equal((await get('/apis', { accept, 'if-none-match': `"other", W/${etag}` })).status, 304)
    t.equal((await get('/apis', { accept, 'if-none-match': '"other"' })).status, 200)
  }
  const plain = (await get('/apis')).headers
  t.match(plain, { vary: /Accept/i, 'cache-control': /no-cache/ })
  t.equal((await get('/apis', { accept: aggregated('v2'), 'if-none-match': plain.etag! })).status, 200)
})

t.test('clients can read the version as that of a Kubernetes', async (t) => {
  const { body } = await get('/version')
  t.match(body, { major: /^\d+$/, minor: /^\d+$/, gitVersion: /^v1\.\d+\.\d+(\+[0-9A-Za-z.-]+)?$/ })
})

t.end()
