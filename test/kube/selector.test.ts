import t from 'tap'
import type { KubeObject } from '../../src/model/object.ts'
import { fieldSelector } from '../../src/kube/field-selector.ts'
import { isLabelKey, isLabelValue, labelSelector } from '../../src/kube/selector.ts'

const object = (labels: Record<string, string>): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Hardware',
  metadata: {
    name: 'm1',
    namespace: 'ns1',
    uid: 'u',
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: '2030-01-01T00:00:00Z',
    labels,
  },
})
const labels = { type: 'cp', 'v1alpha1.tinkerbell.org/ownerName': 'x', rack: '12', in: 'word', empty: '' }

const selectors = [
  { text: '', holds: true },
  { text: 'type', holds: true },
  { text: 'missing', holds: false },
  { text: '!missing', holds: true },
  { text: '! type', holds: false },
  { text: '!v1alpha1.tinkerbell.org/ownerName', holds: false },
  { text: 'v1alpha1.tinkerbell.org/ownerName=x', holds: true },
  { text: 'type=cp', holds: true },
  { text: 'type==cp', holds: true },
  { text: 'type = worker', holds: false },
  { text: 'type!=cp', holds: false },
  { text: 'type!=worker', holds: true },
  { text: 'missing!=anything', holds: true },
  { text: 'missing=', holds: false },
  { text: 'empty=', holds: true },
  { text: 'type in (cp,worker)', holds: true },
  { text: 'type in(worker)', holds: false },
  { text: 'missing in (a)', holds: false },
  { text: 'type notin (worker, etcd)', holds: true },
  { text: 'type notin (cp)', holds: false },
  { text: 'missing notin (cp)', holds: true },
  { text: 'empty in (,a)', holds: true },
  { text: 'rack>11,rack<13', holds: true },
  { text: 'rack>12', holds: false },
  { text: 'type>1', holds: false },
  { text: 'in=word', holds: true },
  { text: 'in in (word)', holds: true },
  { text: 'type in (cp),!missing,rack=12', holds: true },
  { text: 'type in (cp),missing', holds: false },
  { text: '__proto__', holds: undefined },
  { text: 'constructor', holds: false },
  { text: 'toString!=x', holds: true },
  { text: ',', holds: undefined },
  { text: 'a,', holds: undefined },
  { text: 'a b', holds: undefined },
  { text: 'a in b', holds: undefined },
  { text: 'a in (b', holds: undefined },
  { text: 'a in (b))', holds: undefined },
  { text: '=a', holds: undefined },
  { text: '!', holds: undefined },
  { text: '!a=b', holds: undefined },
  { text: 'a=b=c', holds: undefined },
  { text: 'a=b/c', holds: undefined },
  { text: 'a/b/c', holds: undefined },
  { text: 'a>b', holds: undefined },
  { text: `${'k'.repeat(64)}`, holds: undefined },
]
for (const { text, holds } of selectors)
  t.test(
    `"${text}" ${holds === undefined ? 'is malformed' : holds ? 'selects' : 'does not select'}`,
    async (t) => {
      if (holds === undefined) t.throws(() => labelSelector(text), { code: 'BadRequest' })
      else t.equal(labelSelector(text)(object(labels)), holds)
    },
  )

t.test('a hostile selector does not take long', async (t) => {
  const started = Date.now()
  for (const text of [
    '('.repeat(50_000),
    'a,'.repeat(50_000),
    'a in (' + 'b,'.repeat(50_000),
    ' '.repeat(100_000),
  ])
    try {
      labelSelector(text)
    } catch {
      t.ok(true)
    }
  t.ok(Date.now() - started < 2000)
})

const fields = [
  { text: '', holds: true },
  { text: 'metadata.name=m1', holds: true },
  { text: 'metadata.name==m1,metadata.namespace=ns1', holds: true },
  { text: 'metadata.name=m2', holds: false },
  { text: 'metadata.namespace!=ns2', holds: true },
  { text: 'metadata.namespace!=ns1', holds: false },
  { text: 'status.state=x', holds: undefined },
  { text: 'metadata.name', holds: undefined },
]
for (const { text, holds } of fields)
  t.test(`field selector "${text}"`, async (t) => {
    if (holds === undefined) t.throws(() => fieldSelector(text, 'Hardware'), { code: 'BadRequest' })
    else t.equal(fieldSelector(text, 'Hardware')(object({})), holds)
  })

t.test('keys and values of labels', async (t) => {
  for (const key of ['a', 'A_b.c-d', 'example.org/a', 'k'.repeat(63)]) t.ok(isLabelKey(key), key)
  for (const key of ['', '-a', 'a-', '/a', 'a/', 'Ex.org/a', 'a b', 'k'.repeat(64)])
    t.notOk(isLabelKey(key), key)
  for (const value of ['', 'a', 'A_b.c-d', 'v'.repeat(63)]) t.ok(isLabelValue(value), value)
  for (const value of ['-a', 'a-', 'a/b', 'a b', 'v'.repeat(64)]) t.notOk(isLabelValue(value), value)
})
