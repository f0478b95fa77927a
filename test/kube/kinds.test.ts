import t from 'tap'
import { cellsOf, columnDefinitions } from '../../src/kube/table.ts'
import { checkObject } from '../../src/kube/validate.ts'
import type { AppError } from '../../src/model/error.ts'
import { apiVersionOf, basePathOf, kinds, resourceNameOf } from '../../src/model/kinds.ts'
import type { KindInfo, KindName } from '../../src/model/kinds.ts'
import type { NewObject } from '../../src/model/object.ts'
import { systemClock } from '../../src/model/clock.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { createLookup } from '../../src/store/lookup.ts'

const all: readonly KindInfo[] = Object.values(kinds)
const names = Object.keys(kinds) as KindName[]
const made = '2026-01-01T00:00:00Z'
const now = Date.parse('2026-01-01T00:03:00Z')

const object = (kind: KindName, name: string, rest: object = {}, namespace = 'ns1'): NewObject => ({
  apiVersion: apiVersionOf(kind),
  kind,
  metadata: { name, namespace, uid: 'u', generation: 1, creationTimestamp: made, resourceVersion: '1' },
  ...rest,
})

t.test('every kind stands in the table under its own name, and no two kinds share one', async (t) => {
  t.same(
    all.map(({ kind }) => kind),
    names,
  )
  for (const words of [all.map(({ kind }) => kind), all.map(resourceNameOf)])
    t.equal(new Set(words).size, words.length)
  const short = all.flatMap(({ shortNames }) => shortNames)
  t.equal(new Set(short).size, short.length, 'nor a short name')
})

t.test('the core group has no name in paths, versions and messages', async (t) => {
  t.equal(basePathOf(kinds.Secret), '/api/v1')
  t.equal(apiVersionOf('Secret'), 'v1')
  t.equal(resourceNameOf(kinds.Secret), 'secrets')
  t.equal(basePathOf(kinds.Job), '/apis/bmc.tinkerbell.org/v1alpha1')
  t.equal(apiVersionOf('Job'), 'bmc.tinkerbell.org/v1alpha1')
  t.equal(resourceNameOf(kinds.Job), 'jobs.bmc.tinkerbell.org')
})

t.test('the store keeps same-named objects of all kinds apart, also without a namespace', async (t) => {
  await using db = await openSqlite(':memory:', { clock: systemClock })
  const spaceOf = (kind: KindName) => (kinds[kind].namespaced ? 'ns1' : '')
  for (const kind of names) {
    const { resourceVersion: _, ...metadata } = object(kind, 'same', {}, spaceOf(kind)).metadata
    await db.store.create({ ...object(kind, 'same'), metadata })
  }
  for (const kind of names) {
    const key = { kind, namespace: spaceOf(kind), name: 'same' }
    t.match(await db.store.get(key), { kind, apiVersion: apiVersionOf(kind) })
    t.equal((await db.store.list(kind)).items.length, 1)
    t.equal((await db.store.list(kind, key.namespace)).items.length, 1)
  }
  const lookup = createLookup()
  const lists = await Promise.all(names.map((kind) => db.store.list(kind)))
  const refill = lookup.refill()
  refill.put(lists.flatMap(({ items }) => items))
  refill.done()
  t.equal(lookup.hardware('ns1', 'same')?.kind, 'Hardware', 'the lookup takes Hardware out of them')
  const gone = await db.store.delete({ kind: 'Namespace', namespace: '', name: 'same' })
  t.equal(gone.kind, 'Namespace')
  t.equal((await db.store.list('Secret')).items.length, 1)
})

const bmc = {
  connection: {
    host: '10.0.0.9',
    authSecretRef: { name: 'bmc-m1-auth', namespace: 'eksa-system' },
    insecureTLS: true,
    providerOptions: { preferredOrder: ['gofish'] },
  },
}
const good: { name: string; kind: KindName; body: object }[] = [
  { name: 'a Machine of EKS Anywhere', kind: 'Machine', body: { spec: bmc } },
  {
    name: 'a Job of Cluster API',
    kind: 'Job',
    body: { spec: { machineRef: { name: 'bmc-m1', namespace: 'ns1' }, tasks: [{ powerAction: 'off' }] } },
  },
  {
    name: 'a Task that boots once from the network',
    kind: 'Task',
    body: { spec: { task: { oneTimeBootDeviceAction: { device: ['pxe'], efiBoot: true } }, ...bmc } },
  },
  {
    name: 'a rule set',
    kind: 'WorkflowRuleSet',
    body: {
      spec: {
        rules: ['{"chassis":{"vendor":["X"]}}'],
        workflow: { namespace: 'n', template: { agentValue: 'a', kvs: { k: 'v' }, ref: 't' } },
      },
    },
  },
  {
    name: 'a Secret with values in base64',
    kind: 'Secret',
    body: { type: 'kubernetes.io/basic-auth', data: { username: 'YWRtaW4=', password: '' } },
  },
  { name: 'a Secret with fields of tomorrow', kind: 'Secret', body: { novel: 1 } },
]
for (const { name, kind, body } of good)
  t.test(`${name} is taken`, async () => checkObject(kinds[kind], object(kind, 'x', body)))

const bad: { name: string; kind: KindName; body: object; path: string }[] = [
  {
    name: 'a Machine without host',
    kind: 'Machine',
    body: { spec: { connection: {} } },
    path: 'spec.connection',
  },
  {
    name: 'a Job that does what no BMC can',
    kind: 'Job',
    body: { spec: { tasks: [{ powerAction: 'explode' }] } },
    path: 'spec.tasks[0].powerAction',
  },
  { name: 'a Secret with bare text', kind: 'Secret', body: { data: { p: 'hunter2!' } }, path: 'data.p' },
  { name: 'a Secret with a number', kind: 'Secret', body: { stringData: { p: 4711 } }, path: 'stringData.p' },
  { name: 'an Event with a bad count', kind: 'Event', body: { count: 'many' }, path: 'count' },
]
for (const { name, kind, body, path } of bad)
  t.test(`${name} is refused with its path`, async (t) => {
    const error = t.throws(() => checkObject(kinds[kind], object(kind, 'x', body))) as AppError
    t.equal(error.code, 'Invalid')
    t.equal(error.faults[0]?.path, path)
    const text = JSON.stringify(error.faults)
    t.notMatch(text, /hunter2|4711/, 'and without repeating what is secret')
  })

t.test('the words that a field may have are told', async (t) => {
  const body = object('Job', 'x', { spec: { tasks: [{ powerAction: 'explode' }] } })
  const error = t.throws(() => checkObject(kinds.Job, body)) as AppError
  t.equal(error.faults[0]?.message, '"explode" is not one of on, off, soft, status, cycle, reset')
})

t.test('three megabytes of base64 are checked', async () =>
  checkObject(kinds.Secret, object('Secret', 'x', { data: { big: 'QUJD'.repeat(750_000) } })),
)

const headersOf = (kind: KindName, wide = false) =>
  (columnDefinitions(kinds[kind]) as { name: string; priority: number }[])
    .filter(({ priority }) => wide || priority === 0)
    .map(({ name }) => name)
const rowOf = (kind: KindName, body: object) =>
  cellsOf(kinds[kind].columns, object(kind, 'x', body) as never, now)

t.test('columns are those that kubectl users know', async (t) => {
  t.same(headersOf('Hardware'), ['Name', 'State', 'Age'])
  t.same(headersOf('Machine'), ['Name', 'Age'])
  t.same(headersOf('Secret'), ['Name', 'Type', 'Data', 'Age'])
  t.same(headersOf('Namespace'), ['Name', 'Status', 'Age'])
  t.same(headersOf('Event'), ['Last Seen', 'Type', 'Reason', 'Object', 'Message'])
  t.same(headersOf('Event', true).slice(-3), ['First Seen', 'Count', 'Name'])
  t.same(headersOf('Workflow'), ['Name', 'Template', 'State', 'Action', 'Agent', 'Hardware', 'Age'])
  t.same(rowOf('Secret', { type: 'Opaque', data: { a: '', b: '' } }), ['x', 'Opaque', 2, '3m'])
  t.same(rowOf('Namespace', { status: { phase: 'Active' } }), ['x', 'Active', '3m'])
})

const subject = { kind: 'Hardware', namespace: 'ns1', name: 'm1', fieldPath: 'spec.x' }
const events: { name: string; body: object; want: unknown[] }[] = [
  {
    name: 'by client-go',
    body: {
      involvedObject: subject,
      type: 'Normal',
      reason: 'Booted',
      message: ' it boots\n',
      source: { component: 'c', host: 'h' },
      firstTimestamp: '2026-01-01T00:01:00Z',
      lastTimestamp: '2026-01-01T00:02:30Z',
      count: 3,
    },
    want: ['30s', 'Normal', 'Booted', 'hardware/m1', 'spec.x', 'c, h', 'it boots', '2m', 3, 'x'],
  },
  {
    name: 'by the newer recorder',
    body: {
      involvedObject: { kind: 'Workflow' },
      reason: 'R',
      eventTime: '2026-01-01T00:01:00.123456Z',
      series: { count: 7, lastObservedTime: '2026-01-01T00:02:00.5Z' },
      reportingComponent: 'c',
      reportingInstance: 'i',
    },
    want: ['59s', null, 'R', 'workflow', null, 'c, i', null, '119s', 7, 'x'],
  },
  {
    name: 'that says nothing',
    body: {},
    want: ['<unknown>', null, null, '', null, '', null, '<unknown>', 1, 'x'],
  },
]
for (const { name, body, want } of events)
  t.test(`the row of an Event ${name}`, async (t) => t.same(rowOf('Event', body), want))
