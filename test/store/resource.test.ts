import t from 'tap'
import type { Test } from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import type { KubeObject, NewObject } from '../../src/model/object.ts'
import {
  createObject,
  deleteObject,
  mergePatch,
  modifyObject,
  newObject,
  patchObject,
  replaced,
  updateObject,
  updateStatus,
} from '../../src/store/resource.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { Key } from '../../src/store/store.ts'

const now = Date.parse('2026-03-04T05:06:07.890Z')
const clock = { now: () => now }
const key: Key = { kind: 'Hardware', namespace: 'eksa-system', name: 'm1' }
const owner = (name: string, namespace: string) => ({
  'v1alpha1.tinkerbell.org/ownerName': name,
  'v1alpha1.tinkerbell.org/ownerNamespace': namespace,
})

const hardware = (): NewObject => ({
  apiVersion: 'tinkerbell.org/v1alpha1',
  kind: 'Hardware',
  metadata: { name: 'm1', namespace: 'eksa-system', labels: { type: 'cp' }, annotations: {} },
  spec: { agentID: 'a', unknown: { field: 1 } },
})

async function storeWith(t: Test, object: NewObject = hardware()) {
  const sqlite = await openSqlite(':memory:', { clock: systemClock })
  t.teardown(() => sqlite.close())
  const created = await createObject(sqlite.store, object, { clock, newUid: () => 'uid-1' })
  return { store: sqlite.store, created }
}

const patchCases = [
  // RFC 7396, appendix A
  { target: { a: 'b' }, patch: { a: 'c' }, want: { a: 'c' } },
  { target: { a: 'b' }, patch: { b: 'c' }, want: { a: 'b', b: 'c' } },
  { target: { a: 'b' }, patch: { a: null }, want: {} },
  { target: { a: 'b', b: 'c' }, patch: { a: null }, want: { b: 'c' } },
  { target: { a: ['b'] }, patch: { a: 'c' }, want: { a: 'c' } },
  { target: { a: 'c' }, patch: { a: ['b'] }, want: { a: ['b'] } },
  { target: { a: { b: 'c' } }, patch: { a: { b: 'd', c: null } }, want: { a: { b: 'd' } } },
  { target: { a: [{ b: 'c' }] }, patch: { a: [1] }, want: { a: [1] } },
  { target: ['a', 'b'], patch: ['c', 'd'], want: ['c', 'd'] },
  { target: { a: 'b' }, patch: ['c'], want: ['c'] },
  { target: { a: 'foo' }, patch: null, want: null },
  { target: { a: 'foo' }, patch: 'bar', want: 'bar' },
  { target: { e: null }, patch: { a: 1 }, want: { e: null, a: 1 } },
  { target: [1, 2], patch: { a: 'b', c: null }, want: { a: 'b' } },
  { target: {}, patch: { a: { bb: { ccc: null } } }, want: { a: { bb: {} } } },
]

t.test('a merge patch does what RFC 7396 says', async (t) => {
  for (const { target, patch, want } of patchCases) {
    const before = JSON.stringify(target)
    t.same(mergePatch(target, patch), want, `${before} + ${JSON.stringify(patch)}`)
    t.equal(JSON.stringify(target), before, 'the target is not changed')
  }
  const hostile = JSON.parse('{"__proto__":{"x":1},"a":{"__proto__":null}}')
  const merged = mergePatch({ a: { b: 1 } }, hostile) as Record<string, unknown>
  t.equal(JSON.stringify(merged), '{"a":{"b":1},"__proto__":{"x":1}}')
  t.equal(merged['x'], undefined)
})

t.test('a new object gets what only the store may set', async (t) => {
  const { created } = await storeWith(t, {
    ...hardware(),
    metadata: {
      ...hardware().metadata,
      uid: 'mine',
      generation: 7,
      deletionTimestamp: 'x',
      creationTimestamp: 'x',
    },
    status: { state: 'made up' },
  })
  t.strictSame(created.metadata, {
    name: 'm1',
    namespace: 'eksa-system',
    uid: 'uid-1',
    generation: 1,
    creationTimestamp: '2026-03-04T05:06:07Z',
    labels: { type: 'cp' },
    resourceVersion: '1',
  })
  t.equal(created.status, undefined)
  t.same(created.spec, hardware().spec)
})

const badMetadata = [
  { metadata: { resourceVersion: '1' }, code: 'BadRequest' },
  { metadata: { labels: { a: 1 } }, code: 'Invalid' },
  { metadata: { labels: ['a'] }, code: 'Invalid' },
  { metadata: { annotations: 'a' }, code: 'Invalid' },
  { metadata: { finalizers: 'a' }, code: 'Invalid' },
  { metadata: { finalizers: [1] }, code: 'Invalid' },
  { metadata: { ownerReferences: [1] }, code: 'Invalid' },
]

t.test('metadata of a wrong shape is refused', async (t) => {
  for (const { metadata, code } of badMetadata) {
    const object = { ...hardware(), metadata: { ...hardware().metadata, ...metadata } } as NewObject
    t.throws(() => newObject(object, { uid: 'u', now }), { code }, JSON.stringify(metadata))
  }
})

const generationCases = [
  { name: 'a changed spec counts', change: { spec: { agentID: 'b' } }, want: 2 },
  { name: 'a field beside the spec counts', change: { extra: 1 }, want: 2 },
  { name: 'labels do not count', change: { metadata: { labels: { a: 'b' } } }, want: 1 },
  { name: 'a status in the wrong place is ignored', change: { status: { state: 'x' } }, want: 1 },
  {
    name: 'what only the store may set is ignored',
    change: { metadata: { generation: 9, creationTimestamp: 'x' } },
    want: 1,
  },
]

for (const { name, change, want } of generationCases) {
  t.test(`generation: ${name}`, async (t) => {
    const { store, created } = await storeWith(t)
    const stored = await updateStatus(store, key, { state: 'in_use' })
    const updated = await updateObject(
      store,
      mergePatch(stored, change) as KubeObject,
      stored.metadata.resourceVersion,
    )
    t.equal(updated.metadata.generation, want)
    t.equal(updated.metadata.creationTimestamp, created.metadata.creationTimestamp)
    t.same(updated.status, { state: 'in_use' })
    const isNothing = want === 1 && !('labels' in (change.metadata ?? {}))
    t.equal(updated.metadata.resourceVersion, isNothing ? '2' : '3')
  })
}

t.test('an update names its version, or takes the newest', async (t) => {
  const { store, created } = await storeWith(t)
  await patchObject(store, key, { spec: { agentID: 'b' } })
  await t.rejects(updateObject(store, created, '1'), {
    code: 'Conflict',
    message:
      'Operation cannot be fulfilled on hardware.tinkerbell.org "m1": the object has been modified; ' +
      'please apply your changes to the latest version and try again',
  })
  const next = await updateObject(store, { ...created, spec: { agentID: 'c' } })
  t.same(next.spec, { agentID: 'c' })
  const other = { ...created, metadata: { ...created.metadata, uid: 'another' } }
  await t.rejects(updateObject(store, other), { code: 'Conflict', message: /UID in precondition: another/ })
  const missing = { ...created, metadata: { ...created.metadata, name: 'm2' } }
  await t.rejects(updateObject(store, missing), {
    code: 'NotFound',
    message: 'hardware.tinkerbell.org "m2" not found',
  })
})

t.test('a status is written by itself', async (t) => {
  const { store, created } = await storeWith(t)
  const byKey = await updateStatus(store, key, { state: 'a' })
  t.same([byKey.status, byKey.spec, byKey.metadata.generation], [{ state: 'a' }, created.spec, 1])
  await t.rejects(updateStatus(store, created, { state: 'b' }), { code: 'Conflict' })
  const byObject = await updateStatus(store, { ...byKey, spec: 'ignored' }, { state: 'c' })
  t.same([byObject.status, byObject.spec], [{ state: 'c' }, created.spec])
  await t.rejects(updateStatus(store, key, { state: 'd' }, '1'), { code: 'Conflict' })
  t.equal((await updateStatus(store, key, undefined)).status, undefined)
  const patched = await patchObject(
    store,
    key,
    { status: { state: 'e' }, spec: null },
    { subresource: 'status' },
  )
  t.same([patched.status, patched.spec], [{ state: 'e' }, created.spec])
})

t.test(
  'a patch without a version is applied to the newest object, one with a version to that only',
  async (t) => {
    const { store } = await storeWith(t)
    const updated = await patchObject(store, key, {
      spec: { agentID: null },
      metadata: { labels: { type: null } },
    })
    t.strictSame(updated.spec, { unknown: { field: 1 } })
    t.equal(updated.metadata.labels, undefined)
    const stale = { metadata: { resourceVersion: '1' }, spec: { agentID: 'z' } }
    await t.rejects(patchObject(store, key, stale), { code: 'Conflict' })
    const fresh = { metadata: { resourceVersion: '2' }, spec: { agentID: 'z' } }
    t.equal((await patchObject(store, key, fresh)).metadata.resourceVersion, '3')
  },
)

const badPatches = [
  { patch: [], code: 'BadRequest' },
  { patch: null, code: 'BadRequest' },
  { patch: { metadata: null }, code: 'BadRequest' },
  { patch: { metadata: { name: 'm2' } }, code: 'BadRequest' },
  { patch: { metadata: { namespace: null } }, code: 'BadRequest' },
  { patch: { kind: 'Workflow' }, code: 'BadRequest' },
  { patch: { apiVersion: 'v2' }, code: 'BadRequest' },
  { patch: { metadata: { resourceVersion: 1 } }, code: 'BadRequest' },
  { patch: { metadata: { labels: { a: {} } } }, code: 'Invalid' },
  { patch: { metadata: { uid: 'another' } }, code: 'Conflict' },
]

t.test('a patch that is none, or renames, is refused', async (t) => {
  const { store, created } = await storeWith(t)
  for (const { patch, code } of badPatches) {
    await t.rejects(patchObject(store, key, patch), { code }, JSON.stringify(patch))
  }
  t.same(await store.get(key), created)
})

t.test('a check sees what would be stored and may refuse it; a dry run stores nothing', async (t) => {
  const { store, created } = await storeWith(t)
  const check = (next: KubeObject) => {
    t.equal(next.metadata.generation, 2)
    throw new Error('not like this')
  }
  await t.rejects(patchObject(store, key, { spec: { agentID: 'b' } }, { check }), /not like this/)
  const dry = await patchObject(store, key, { spec: { agentID: 'b' } }, { dryRun: true })
  t.match(dry, { spec: { agentID: 'b' }, metadata: { generation: 2 } })
  t.same(await store.get(key), created)
})

t.test('changes at the same time are all made', async (t) => {
  const { store } = await storeWith(t, { ...hardware(), spec: { count: 0 } })
  const countUp = (current: KubeObject) => {
    const spec = current.spec as { count: number }
    spec.count++
    return current
  }
  await Promise.all(Array.from({ length: 20 }, () => modifyObject(store, key, countUp)))
  t.same((await store.get(key))?.spec, { count: 20 })
})

t.test('a deletion waits for finalizers', async (t) => {
  const { store } = await storeWith(t)
  await patchObject(store, key, { metadata: { finalizers: ['x', 'y'] } })
  const marked = await deleteObject(store, key, {}, { clock })
  t.equal(marked.gone, false)
  t.match(marked.object.metadata, {
    deletionTimestamp: '2026-03-04T05:06:07Z',
    deletionGracePeriodSeconds: 0,
    generation: 2,
    resourceVersion: '3',
  })
  const again = await deleteObject(store, key, {}, { clock: { now: () => now + 60_000 } })
  t.same(again, marked)
  const adding = patchObject(store, key, { metadata: { finalizers: ['x', 'y', 'z'] } })
  await t.rejects(adding, { code: 'Invalid', message: /no new finalizers can be added/ })
  const undo = await patchObject(store, key, { metadata: { deletionTimestamp: null, finalizers: ['x'] } })
  t.equal(undo.metadata.deletionTimestamp, '2026-03-04T05:06:07Z')
  await updateStatus(store, key, { state: 'going' })
  t.ok(await store.get(key))
  const last = await patchObject(store, key, { metadata: { finalizers: null } })
  t.equal(last.metadata.finalizers, undefined)
  t.equal(last.metadata.resourceVersion, String(await store.version()))
  t.equal(await store.get(key), undefined)
  await t.rejects(deleteObject(store, key, {}, { clock }), { code: 'NotFound' })
})

t.test('a deletion without finalizers is at once, under its preconditions', async (t) => {
  const { store } = await storeWith(t)
  await t.rejects(deleteObject(store, key, { uid: 'another' }, { clock }), { code: 'Conflict' })
  await t.rejects(deleteObject(store, key, { resourceVersion: '9' }, { clock }), { code: 'Conflict' })
  const { gone, object } = await deleteObject(store, key, { uid: 'uid-1', resourceVersion: '1' }, { clock })
  t.match({ gone, version: object.metadata.resourceVersion }, { gone: true, version: '2' })
})

const claims = [
  { name: 'a free machine can be claimed', from: {}, to: owner('a', 'n'), ok: true },
  {
    name: 'a release frees it',
    from: owner('a', 'n'),
    to: { 'v1alpha1.tinkerbell.org/ownerName': null },
    ok: true,
  },
  { name: 'an empty owner is none', from: owner('', ''), to: owner('b', 'n'), ok: true },
  { name: 'the same owner may claim again', from: owner('a', 'n'), to: owner('a', 'n'), ok: true },
  { name: 'another owner is refused', from: owner('a', 'n'), to: owner('b', 'n'), ok: false },
  {
    name: 'an owner of the same name elsewhere is refused',
    from: owner('a', 'n'),
    to: owner('a', 'm'),
    ok: false,
  },
]

for (const { name, from, to, ok } of claims) {
  t.test(`claim: ${name}`, async (t) => {
    const { store, created } = await storeWith(t, {
      ...hardware(),
      metadata: { ...hardware().metadata, labels: from },
    })
    const claim = patchObject(store, key, { metadata: { labels: to } })
    const put = () => replaced(created, mergePatch(created, { metadata: { labels: to } }) as KubeObject)
    if (ok) {
      await t.resolves(claim)
      t.doesNotThrow(put)
    } else {
      await t.rejects(claim, {
        code: 'Conflict',
        message: /^Operation cannot be fulfilled on hardware.* claimed by n\/a/,
      })
      t.throws(put, { code: 'Conflict' })
    }
  })
}

t.test('claim: of ten claims at the same time one is granted', async (t) => {
  const { store } = await storeWith(t)
  const claim = (i: number) => patchObject(store, key, { metadata: { labels: owner(`m${i}`, 'n') } })
  const results = await Promise.allSettled(Array.from({ length: 10 }, (_, i) => claim(i)))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
})
