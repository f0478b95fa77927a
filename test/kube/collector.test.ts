import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import t from 'tap'
import { collector } from '../../src/kube/collector.ts'
import { systemClock } from '../../src/model/clock.ts'
import type { KubeObject, OwnerReference } from '../../src/model/object.ts'
import type { KindName } from '../../src/model/kinds.ts'
import { createObject, deleteObject, modifyObject } from '../../src/store/resource.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { SqliteStore } from '../../src/store/sqlite.ts'

const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' })
const deps = { clock: systemClock, newUid: randomUUID }

type World = { db: SqliteStore; start(): () => Promise<void> }

async function world(events?: { keepMs: number; most: number }): Promise<World> {
  const db = await openSqlite(':memory:', { clock: systemClock })
  const start = () => {
    const stop = new AbortController()
    const part = collector({ ...deps, store: db.store, log, ...(events ? { events } : {}) })
    const running = part(stop.signal)
    return async () => {
      stop.abort()
      await running
    }
  }
  return { db, start }
}

type Extra = { finalizers?: string[]; owners?: OwnerReference[]; namespace?: string; body?: object }
const make = (db: SqliteStore, kind: KindName, name: string, extra: Extra = {}): Promise<KubeObject> => {
  const { finalizers, owners, namespace = 'ns1', body = {} } = extra
  const apiVersion = ['Secret', 'Event', 'Namespace'].includes(kind) ? 'v1' : 'tinkerbell.org/v1alpha1'
  const metadata = {
    name,
    namespace: kind === 'Namespace' ? '' : namespace,
    ...(finalizers ? { finalizers } : {}),
    ...(owners ? { ownerReferences: owners } : {}),
  }
  return createObject(db.store, { apiVersion, kind, metadata, ...body }, deps)
}
const ownerOf = ({ apiVersion, kind, metadata: { name, uid } }: KubeObject): OwnerReference => ({
  apiVersion,
  kind,
  name,
  uid,
})
const key = (kind: KindName, name: string, namespace = 'ns1') => ({ kind, namespace, name })

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const limit = Date.now() + 5000
  while (!(await holds())) {
    if (Date.now() > limit) throw new Error(`not within 5 s: ${what}`)
    await delay(5)
  }
}
const gone = (db: SqliteStore, kind: KindName, name: string, namespace = 'ns1') =>
  until(`${kind} ${name} gone`, async () => !(await db.store.get(key(kind, name, namespace))))

t.test('what belongs to a deleted object goes after it, and what belongs to that too', async (t) => {
  const { db, start } = await world()
  const stop = start()
  t.teardown(async () => {
    await stop()
    await db.close()
  })
  const template = await make(db, 'Template', 'a')
  const child = await make(db, 'Workflow', 'b', { owners: [ownerOf(template)] })
  await make(db, 'Secret', 'c', { owners: [ownerOf(child)] })
  await make(db, 'Secret', 'other')
  await deleteObject(db.store, key('Template', 'a'), {}, deps)
  await gone(db, 'Secret', 'c')
  t.notOk(await db.store.get(key('Workflow', 'b')))
  t.ok(await db.store.get(key('Secret', 'other')))
})

t.test(
  'an object stays as long as one of its owners is there, or is of a kind that is not served',
  async (t) => {
    const { db, start } = await world()
    const stop = start()
    t.teardown(async () => {
      await stop()
      await db.close()
    })
    const [one, two] = [await make(db, 'Template', 'one'), await make(db, 'Template', 'two')]
    await make(db, 'Workflow', 'both', { owners: [ownerOf(one), ownerOf(two)] })
    const machine = {
      apiVersion: 'infrastructure.cluster.x-k8s.io/v1beta1',
      kind: 'TinkerbellMachine',
      name: 'm',
      uid: 'u-1',
    }
    await make(db, 'Workflow', 'capt', { owners: [machine] })
    await make(db, 'Workflow', 'mixed', { owners: [machine, ownerOf(one)] })
    await make(db, 'Workflow', 'held', { owners: [ownerOf(one)], finalizers: ['x/y'] })
    await make(db, 'Template', 'last', { owners: [ownerOf(one)] })
    await deleteObject(db.store, key('Template', 'one'), {}, deps)
    await gone(db, 'Template', 'last')
    for (const name of ['both', 'capt', 'mixed']) {
      const object = await db.store.get(key('Workflow', name))
      t.ok(object && !object.metadata.deletionTimestamp, `${name} stays`)
    }
    await until('held is marked', async () => {
      const held = await db.store.get(key('Workflow', 'held'))
      return held?.metadata.deletionTimestamp !== undefined
    })
    await deleteObject(db.store, key('Template', 'two'), {}, deps)
    await gone(db, 'Workflow', 'both')
  },
)

t.test('an owner in another namespace is none', async (t) => {
  const { db, start } = await world()
  const stop = start()
  t.teardown(async () => {
    await stop()
    await db.close()
  })
  const owner = await make(db, 'Template', 'a', { namespace: 'ns2' })
  await make(db, 'Workflow', 'b', { owners: [ownerOf(owner)] })
  await gone(db, 'Workflow', 'b')
})

t.test('what was deleted while it did not run is made up for', async (t) => {
  const { db, start } = await world()
  t.teardown(() => db.close())
  const owner = await make(db, 'Template', 'a')
  for (let at = 0; at < 120; at++) await make(db, 'Workflow', `w${at}`, { owners: [ownerOf(owner)] })
  await deleteObject(db.store, key('Template', 'a'), {}, deps)
  await make(db, 'Namespace', 'old')
  await make(db, 'Secret', 's', { namespace: 'old' })
  await deleteObject(db.store, key('Namespace', 'old', ''), {}, deps)
  t.equal((await db.store.list('Workflow')).items.length, 120)
  const stop = start()
  await until('all gone', async () => (await db.store.list('Workflow')).items.length === 0)
  await gone(db, 'Namespace', 'old', '')
  t.notOk(await db.store.get(key('Secret', 's', 'old')))
  await stop()
})

t.test('a namespace goes when all that was in it is gone', async (t) => {
  const { db, start } = await world()
  const stop = start()
  t.teardown(async () => {
    await stop()
    await db.close()
  })
  await make(db, 'Workflow', 'held', { finalizers: ['x/y'] })
  await make(db, 'Secret', 'free')
  await until('the namespace is made', async () => Boolean(await db.store.get(key('Namespace', 'ns1', ''))))
  const { gone: atOnce } = await deleteObject(db.store, key('Namespace', 'ns1', ''), {}, deps)
  t.notOk(atOnce)
  await gone(db, 'Secret', 'free')
  const waiting = await db.store.get(key('Namespace', 'ns1', ''))
  t.match(waiting, { status: { phase: 'Terminating' }, metadata: { deletionTimestamp: String } })
  t.ok((await db.store.get(key('Workflow', 'held')))?.metadata.deletionTimestamp)
  const letGo = (current: KubeObject) => ({ ...current, metadata: { ...current.metadata, finalizers: [] } })
  await modifyObject(db.store, key('Workflow', 'held'), letGo)
  await gone(db, 'Namespace', 'ns1', '')
})

t.test('Events are bounded in number and in age', async (t) => {
  const { db, start } = await world({ keepMs: 3_600_000, most: 10 })
  const hourAgo = new Date(Date.now() - 3_700_000).toISOString()
  const aged = { ...(await make(db, 'Event', 'aged', { body: { lastTimestamp: hourAgo } })) }
  const created = { ...aged.metadata, creationTimestamp: hourAgo }
  await db.store.update({ ...aged, metadata: created }, aged.metadata.resourceVersion)
  const stop = start()
  t.teardown(async () => {
    await stop()
    await db.close()
  })
  await gone(db, 'Event', 'aged')
  for (let at = 0; at < 25; at++) await make(db, 'Event', `e${String(at).padStart(2, '0')}`)
  await until('ten are left', async () => (await db.store.list('Event')).items.length === 10)
  const names = (await db.store.list('Event')).items.map(({ metadata }) => metadata.name)
  t.same(
    names,
    Array.from({ length: 10 }, (_, at) => `e${at + 15}`),
  )
})

t.end()
