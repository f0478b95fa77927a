import t from 'tap'
import { strategicPatch } from '../../src/kube/strategic.ts'

const owner = (uid: string, rest: object = {}) => ({ uid, kind: 'K', name: uid, ...rest })
const secret = {
  metadata: { name: 's', labels: { a: '1' }, finalizers: ['x/1'], ownerReferences: [owner('u1')] },
  data: { a: 'QQ==', b: 'Qg==' },
}

const cases: { name: string; patch: unknown; want: unknown }[] = [
  {
    name: 'as kubectl apply sends it, it is a merge patch',
    patch: { data: { a: 'Qw==', b: null }, metadata: { annotations: { n: 'v' } } },
    want: { ...secret, metadata: { ...secret.metadata, annotations: { n: 'v' } }, data: { a: 'Qw==' } },
  },
  {
    name: 'finalizers are added to those there are',
    patch: { metadata: { finalizers: ['x/2', 'x/1'], '$setElementOrder/finalizers': ['x/1', 'x/2'] } },
    want: { ...secret, metadata: { ...secret.metadata, finalizers: ['x/1', 'x/2'] } },
  },
  {
    name: 'finalizers are taken away by name',
    patch: { metadata: { '$deleteFromPrimitiveList/finalizers': ['x/1'] } },
    want: { ...secret, metadata: { ...secret.metadata, finalizers: [] } },
  },
  {
    name: 'owners are told apart by their uid',
    patch: { metadata: { ownerReferences: [{ uid: 'u1', controller: true }, owner('u2')] } },
    want: {
      ...secret,
      metadata: { ...secret.metadata, ownerReferences: [owner('u1', { controller: true }), owner('u2')] },
    },
  },
  {
    name: 'an owner is taken away by its uid',
    patch: { metadata: { ownerReferences: [{ uid: 'u1', $patch: 'delete' }] } },
    want: { ...secret, metadata: { ...secret.metadata, ownerReferences: [] } },
  },
  {
    name: 'all owners make room',
    patch: { metadata: { ownerReferences: [{ $patch: 'replace' }, owner('u3')] } },
    want: { ...secret, metadata: { ...secret.metadata, ownerReferences: [owner('u3')] } },
  },
  {
    name: 'a map is replaced as a whole',
    patch: { data: { $patch: 'replace', c: 'Qw==' } },
    want: { ...secret, data: { c: 'Qw==' } },
  },
  { name: 'a map is emptied', patch: { data: { $patch: 'delete' } }, want: { ...secret, data: {} } },
  {
    name: 'all but named keys are dropped',
    patch: { data: { $retainKeys: ['b', 'c'], c: 'Qw==' } },
    want: { ...secret, data: { b: 'Qg==', c: 'Qw==' } },
  },
  {
    name: 'a list that is not known to merge is replaced',
    patch: { spec: { finalizers: ['kubernetes'] } },
    want: { ...secret, spec: { finalizers: ['kubernetes'] } },
  },
]
for (const { name, patch, want } of cases)
  t.test(name, async (t) => {
    const before = structuredClone([secret, patch])
    t.same(strategicPatch(secret, patch), want)
    t.same([secret, patch], before, 'and neither object nor patch is changed')
  })

for (const patch of [
  { $patch: 'explode' },
  { metadata: { ownerReferences: [{ name: 'no uid' }] } },
  { metadata: { ownerReferences: ['text'] } },
])
  t.test(`${JSON.stringify(patch)} is refused`, async (t) =>
    t.throws(() => strategicPatch(secret, patch), { code: 'BadRequest' }),
  )

t.test('keys of the prototype are ordinary keys', async (t) => {
  const patched = strategicPatch({}, JSON.parse('{"__proto__":{"x":1},"constructor":{"y":2}}')) as object
  t.same(Object.keys(patched), ['__proto__', 'constructor'])
  t.notOk('x' in Object.prototype)
})
