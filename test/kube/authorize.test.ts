import { readFileSync } from 'node:fs'
import t from 'tap'
import { attributesOf, segmentsOf } from '../../src/kube/attributes.ts'
import type { Attributes } from '../../src/kube/attributes.ts'
import { allows, authorize } from '../../src/kube/authorize.ts'
import { rulesOf } from '../../src/kube/roles.ts'
import { controlVerbs } from '../../src/kube/workflow-control-verbs.ts'
import { kinds } from '../../src/model/kinds.ts'
import { roles } from '../../src/model/role.ts'
import type { Role } from '../../src/model/role.ts'

const read = ['get', 'list', 'watch']
const all = [...read, 'create', 'update', 'patch', 'delete', 'deletecollection']
const document = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8')

/** Rows of the table of docs/security.md whose first column is `first`, by role. */
function tableOf(first: string): { what: string; cells: Record<Role, string> }[] {
  const lines = document.split('\n').map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  const start = lines.findIndex((cells) => cells[0] === first)
  t.same(lines[start]!.slice(1), roles, `columns of the table of each ${first}`)
  const rest = lines.slice(start + 2)
  return rest
    .slice(
      0,
      rest.findIndex((cells) => cells.length === 0),
    )
    .map(([what = '', ...cells]) => ({
      what,
      cells: Object.fromEntries(roles.map((role, index) => [role, cells[index]!])) as Record<Role, string>,
    }))
}

const verbsIn = (cell: string) =>
  cell.split(', ').flatMap((word) => (word === 'all' ? all : word === 'read' ? read : word ? [word] : []))

const resource = (name: string, verb: string, subresource = ''): Attributes => {
  const [plural = '', ...group] = name.split('.')
  return { verb, group: group.join('.'), resource: plural, subresource, namespace: 'ns1', name: '' }
}

const resources = tableOf('resource')

t.test('docs/security.md says of every kind, role and verb what holds', async (t) => {
  const names = Object.values(kinds).map(({ plural, group }) => (group ? `${plural}.${group}` : plural))
  t.same(resources.map(({ what }) => what).toSorted(), names.toSorted())
  for (const { what, cells } of resources)
    for (const role of roles)
      t.same(
        all.filter((verb) => allows(role, resource(what, verb))),
        all.filter((verb) => verbsIn(cells[role]).includes(verb)),
        `${role}: ${what}`,
      )
})

t.test('status goes with its resource for those who have it all', async (t) => {
  for (const { hasStatus, plural, group } of Object.values(kinds)) {
    if (!hasStatus) continue
    const name = group ? `${plural}.${group}` : plural
    for (const role of roles)
      for (const verb of all) {
        const withIt = ['admin', 'operator', 'viewer'].includes(role)
        const message = `${role}: ${verb} ${name}/status`
        t.equal(
          allows(role, resource(name, verb, 'status')),
          withIt && allows(role, resource(name, verb)),
          message,
        )
      }
  }
})

t.test('operators and admins steer Workflows, and nobody else', async (t) => {
  for (const role of roles)
    for (const verb of controlVerbs) {
      const mayCreate = allows(role, resource('workflows.tinkerbell.org', 'create', verb))
      t.equal(mayCreate, role === 'admin' || role === 'operator', `${role}: ${verb}`)
    }
  t.match(document, /`cancel`, `pause`, `resume`, `retry` and `restart` of a Workflow/)
})

t.test('docs/security.md says of every own route who may use it', async (t) => {
  for (const { what, cells } of tableOf('request')) {
    const [verb = '', path = ''] = what.split(' ')
    for (const role of roles) t.equal(allows(role, { verb, path }), cells[role] === 'yes', `${role}: ${what}`)
  }
})

t.test('CAPT 0.7 may make the calls that it makes', async (t) => {
  const calls = {
    'hardware.tinkerbell.org': ['get', 'list', 'watch', 'patch'],
    'templates.tinkerbell.org': ['get', 'list', 'watch', 'create', 'delete'],
    'workflows.tinkerbell.org': ['get', 'list', 'watch', 'create', 'delete'],
    'jobs.bmc.tinkerbell.org': ['get', 'list', 'watch', 'create'],
  }
  const named = rulesOf.capt.resources.flatMap(({ apiGroups, resources: plurals }) =>
    plurals.map((plural) => `${plural}.${apiGroups.join()}`),
  )
  t.same(named.filter((name) => name.includes('tinkerbell')).toSorted(), Object.keys(calls).toSorted())
  for (const [name, verbs] of Object.entries(calls))
    t.same(
      all.filter((verb) => allows('capt', resource(name, verb))),
      all.filter((verb) => verbs.includes(verb)),
    )
})

t.test('what no rule names is for the admin alone', async (t) => {
  const unknown: Attributes[] = [
    resource('configmaps', 'get'),
    resource('leases.coordination.k8s.io', 'get'),
    resource('hardware.example.com', 'get'),
    resource('hardware', 'get'),
    resource('secrets.tinkerbell.org', 'get'),
    resource('hardware.tinkerbell.org', 'escalate'),
    resource('hardware.tinkerbell.org', 'get', 'scale'),
    resource('hardware.tinkerbell.org', '*'),
    resource('*', 'get'),
    { verb: 'get', path: '/' },
    { verb: 'get', path: '/debug/pprof' },
    { verb: 'get', path: '/ironwake/v1/anything' },
    { verb: 'delete', path: '/ironwake/v1/timeline/m1' },
    { verb: 'post', path: '/apis' },
    { verb: 'get', path: '/apisx' },
  ]
  for (const wanted of unknown)
    for (const role of roles)
      t.equal(allows(role, wanted), role === 'admin', `${role}: ${JSON.stringify(wanted)}`)
})

t.test('everyone may ask what they may do', async (t) => {
  for (const role of roles) {
    t.ok(allows(role, resource('selfsubjectaccessreviews.authorization.k8s.io', 'create')))
    t.ok(allows(role, resource('selfsubjectrulesreviews.authorization.k8s.io', 'create')))
    t.ok(allows(role, resource('selfsubjectreviews.authentication.k8s.io', 'create')))
  }
})

const base = '/apis/tinkerbell.org/v1alpha1'
const inNs1 = `${base}/namespaces/ns1`
const hardware = { group: 'tinkerbell.org', resource: 'hardware', subresource: '', namespace: '', name: '' }
const requests = [
  { method: 'GET', path: `${base}/hardware`, want: { ...hardware, verb: 'list' } },
  { method: 'GET', path: `${base}/hardware`, query: { watch: 'true' }, want: { ...hardware, verb: 'watch' } },
  { method: 'GET', path: `${base}/hardware`, query: { watch: '1' }, want: { ...hardware, verb: 'watch' } },
  { method: 'GET', path: `${base}/hardware`, query: { watch: 'false' }, want: { ...hardware, verb: 'list' } },
  { method: 'POST', path: `${inNs1}/hardware`, want: { ...hardware, verb: 'create', namespace: 'ns1' } },
  {
    method: 'DELETE',
    path: `${inNs1}/hardware`,
    want: { ...hardware, verb: 'deletecollection', namespace: 'ns1' },
  },
  {
    method: 'GET',
    path: `${inNs1}/hardware/m1`,
    want: { ...hardware, verb: 'get', namespace: 'ns1', name: 'm1' },
  },
  {
    method: 'PUT',
    path: `${inNs1}/hardware/m1`,
    want: { ...hardware, verb: 'update', namespace: 'ns1', name: 'm1' },
  },
  {
    method: 'PATCH',
    path: `${inNs1}/hardware/m1/status`,
    want: { ...hardware, verb: 'patch', namespace: 'ns1', name: 'm1', subresource: 'status' },
  },
  {
    method: 'DELETE',
    path: `${inNs1}/hardware/m1`,
    want: { ...hardware, verb: 'delete', namespace: 'ns1', name: 'm1' },
  },
  {
    method: 'GET',
    path: '/api/v1/namespaces/ns1/secrets/s1',
    want: { verb: 'get', group: '', resource: 'secrets', subresource: '', namespace: 'ns1', name: 's1' },
  },
  {
    method: 'GET',
    path: '/api/v1/namespaces/ns1',
    want: { verb: 'get', group: '', resource: 'namespaces', subresource: '', namespace: 'ns1', name: 'ns1' },
  },
  {
    method: 'PUT',
    path: '/api/v1/namespaces/ns1/finalize',
    want: {
      verb: 'update',
      group: '',
      resource: 'namespaces',
      subresource: 'finalize',
      namespace: 'ns1',
      name: 'ns1',
    },
  },
  {
    method: 'GET',
    path: '/api/v1/namespaces',
    want: { verb: 'list', group: '', resource: 'namespaces', subresource: '', namespace: '', name: '' },
  },
  { method: 'GET', path: '/api', want: { verb: 'get', path: '/api' } },
  { method: 'GET', path: '/api/v1', want: { verb: 'get', path: '/api/v1' } },
  { method: 'GET', path: base, want: { verb: 'get', path: base } },
  {
    method: 'POST',
    path: '/ironwake/v1/tokens',
    query: { watch: 'true' },
    want: { verb: 'post', path: '/ironwake/v1/tokens' },
  },
  { method: 'GET', path: '/', want: { verb: 'get', path: '/' } },
]
for (const { method, path, query = {}, want } of requests)
  t.test(`${method} ${path} ${JSON.stringify(query)} is a request to ${want.verb}`, async (t) => {
    t.same(attributesOf(method, path.split('/').slice(1), query), want)
  })

t.test('a path is authorized as its route sees it, however it was written', async (t) => {
  const url = '/apis/tinkerbell.org/v1alpha1/namespaces/:namespace/hardware/:name'
  const segments = segmentsOf(url, { namespace: 'a/secrets', name: '../x' })
  t.match(attributesOf('GET', segments, {}), { resource: 'hardware', namespace: 'a/secrets', name: '../x' })
  const timeline = segmentsOf('/ironwake/v1/timeline/*', { '*': '../tokens' })
  t.same(attributesOf('GET', timeline, {}), { verb: 'get', path: '/ironwake/v1/timeline/../tokens' })
})

const capt = { user: 'capt-1', role: 'capt' } as const
const viewer = { user: 'x', role: 'viewer' } as const
const words: { name: string; who: { user: string; role: Role }; wanted: Attributes; want: object }[] = [
  {
    name: 'at the cluster scope',
    who: { user: 'x', role: 'importer' },
    wanted: { ...hardware, verb: 'create' },
    want: {
      message:
        'hardware.tinkerbell.org is forbidden: User "x" cannot create resource "hardware" in API group "tinkerbell.org" at the cluster scope',
      details: { group: 'tinkerbell.org', kind: 'hardware' },
    },
  },
  {
    name: 'of an object in a namespace',
    who: capt,
    wanted: { ...hardware, verb: 'delete', namespace: 'ns1', name: 'm1' },
    want: {
      message:
        'hardware.tinkerbell.org "m1" is forbidden: User "capt-1" cannot delete resource "hardware" in API group "tinkerbell.org" in the namespace "ns1"',
      details: { name: 'm1', group: 'tinkerbell.org', kind: 'hardware' },
    },
  },
  {
    name: 'of a subresource',
    who: capt,
    wanted: { ...hardware, verb: 'patch', namespace: 'ns1', name: 'm1', subresource: 'status' },
    want: {
      message:
        'hardware.tinkerbell.org "m1" is forbidden: User "capt-1" cannot patch resource "hardware/status" in API group "tinkerbell.org" in the namespace "ns1"',
      details: { name: 'm1', group: 'tinkerbell.org', kind: 'hardware' },
    },
  },
  {
    name: 'of the core group',
    who: viewer,
    wanted: { verb: 'list', group: '', resource: 'secrets', subresource: '', namespace: '', name: '' },
    want: {
      message:
        'secrets is forbidden: User "x" cannot list resource "secrets" in API group "" at the cluster scope',
      details: { kind: 'secrets' },
    },
  },
  {
    name: 'of a path',
    who: viewer,
    wanted: { verb: 'post', path: '/ironwake/v1/tokens' },
    want: { message: 'forbidden: User "x" cannot post path "/ironwake/v1/tokens"', details: {} },
  },
]
for (const { name, who, wanted, want } of words)
  t.test(`a refusal ${name} is worded as Kubernetes words it`, async (t) => {
    t.same(authorize(who, wanted), {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      reason: 'Forbidden',
      code: 403,
      ...want,
    })
  })
