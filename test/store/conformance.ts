import type { Test } from 'tap'
import { isCode } from '../../src/model/error.ts'
import type { KubeObject, NewObject } from '../../src/model/object.ts'
import { patchObject } from '../../src/store/resource.ts'
import type { Change, Key, Store } from '../../src/store/store.ts'

/** One engine under test. `reopen` ends it and starts it again on the same data; absent when it keeps none. */
export type Subject = {
  store(): Store
  reopen?(): Promise<void>
  close(): Promise<void>
}

/** @param make an empty store that keeps at least `historyEvents` changes, and not many more */
export type MakeSubject = (historyEvents: number) => Promise<Subject>

/** An object as the layers above the store hand it in. */
export function template(name: string, data: string | number = 'x', namespace = 'default'): NewObject {
  return {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Template',
    metadata: {
      name,
      namespace,
      uid: `uid-${name}`,
      generation: 1,
      creationTimestamp: '2026-01-02T03:04:05Z',
    },
    spec: { data },
  }
}

export const keyOf = (name: string, namespace = 'default'): Key => ({ kind: 'Template', namespace, name })

const withData = (object: KubeObject, data: unknown): KubeObject => ({ ...object, spec: { data } })
const versionOf = (object: KubeObject) => Number(object.metadata.resourceVersion)
const told = (change: Change) =>
  change.type === 'synced'
    ? `synced ${change.version}`
    : `${change.type} ${change.object.metadata.name} ${change.version}`

/** Reads changes until `enough` says so. */
export async function read(
  store: Store,
  since: number,
  enough: (changes: readonly Change[]) => boolean,
): Promise<Change[]> {
  const stop = new AbortController()
  const changes: Change[] = []
  for await (const change of store.watch(since, stop.signal)) {
    changes.push(change)
    if (enough(changes)) stop.abort()
  }
  return changes
}

/** One object that is written `count` times. */
async function churn(store: Store, count: number, name = 'n'): Promise<void> {
  let object = (await store.get(keyOf(name))) ?? (await store.create(template(name, 0)))
  for (let i = versionOf(object); i < count; i++)
    object = await store.update(withData(object, i), object.metadata.resourceVersion)
}

const untilSynced = (changes: readonly Change[]) => changes.at(-1)?.type === 'synced'

async function failureOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'no failure'
  } catch (error) {
    return isCode(error, 'NotFound', 'AlreadyExists', 'Conflict', 'Expired', 'Invalid', 'TooLarge')
      ? error.code
      : String(error)
  }
}

/** What every engine behind `Store` does. */
export function conformance(t: Test, name: string, make: MakeSubject): void {
  const check = (title: string, body: (t: Test, subject: Subject) => Promise<void>, historyEvents = 1000) =>
    t.test(`${name}: ${title}`, async (t) => {
      const subject = await make(historyEvents)
      t.teardown(() => subject.close())
      await body(t, subject)
    })
  objects(check)
  contents(check)
  watching(check)
  bounds(check)
  restart(check)
}

type Check = (
  title: string,
  body: (t: Test, subject: Subject) => Promise<void>,
  historyEvents?: number,
) => Promise<unknown>

function objects(check: Check) {
  void check('what was created can be read, changed and deleted', async (t, subject) => {
    const store = subject.store()
    t.equal(await store.get(keyOf('a')), undefined)
    const created = await store.create(template('a'))
    t.match(created, { ...template('a'), metadata: { ...template('a').metadata, resourceVersion: '1' } })
    t.same(await store.get(keyOf('a')), created)
    const updated = await store.update(withData(created, 'y'), created.metadata.resourceVersion)
    t.match(updated, { spec: { data: 'y' }, metadata: { uid: 'uid-a', generation: 1 } })
    const deleted = await store.delete(keyOf('a'))
    t.match(deleted, { spec: { data: 'y' } })
    t.equal(await store.get(keyOf('a')), undefined)
    t.ok(versionOf(deleted) > versionOf(updated) && versionOf(updated) > versionOf(created))
    t.equal(await store.version(), versionOf(deleted))
  })

  void check('a name that is taken, missing or stale is told apart', async (t, subject) => {
    const store = subject.store()
    const first = await store.create(template('a'))
    await store.create(template('a', 'x', 'other'))
    const second = await store.update(withData(first, 'y'), first.metadata.resourceVersion)
    t.equal(await failureOf(store.create(template('a'))), 'AlreadyExists')
    t.equal(await failureOf(store.update(withData(first, 'z'), first.metadata.resourceVersion)), 'Conflict')
    t.equal(await failureOf(store.delete(keyOf('a'), first.metadata.resourceVersion)), 'Conflict')
    t.equal(await failureOf(store.delete(keyOf('b'))), 'NotFound')
    t.equal(await failureOf(store.update(second, '')), 'Conflict')
    t.equal(await failureOf(store.update({ ...second, kind: 'Workflow' }, '1')), 'NotFound')
    await t.rejects(store.delete(keyOf('b')), { message: 'templates.tinkerbell.org "b" not found' })
    t.same(await store.get(keyOf('a')), second)
  })

  void check('of writes at the same time only the one that fails is refused', async (t, subject) => {
    const store = subject.store()
    const names = ['a', 'b', 'a', 'c', 'b', 'd']
    const outcomes = await Promise.all(names.map((one) => failureOf(store.create(template(one)))))
    t.same(outcomes, [
      'no failure',
      'no failure',
      'AlreadyExists',
      'no failure',
      'AlreadyExists',
      'no failure',
    ])
    const { items, version } = await store.list('Template')
    t.same(items.map(versionOf), [1, 2, 3, 4])
    t.equal(version, 4)
  })

  void check(
    'a list is ordered by namespace and name, with the version of its snapshot',
    async (t, subject) => {
      const store = subject.store()
      for (const [name, namespace] of [
        ['b', 'two'],
        ['c', 'one'],
        ['a', 'two'],
        ['a-1', 'one'],
        ['a', 'one'],
      ] as const) {
        await store.create(template(name, 'x', namespace))
      }
      await store.create({ ...template('w'), kind: 'Workflow' })
      const all = await store.list('Template')
      const names = all.items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
      t.same(names, ['one/a', 'one/a-1', 'one/c', 'two/a', 'two/b'])
      t.equal(all.version, 6)
      const one = await store.list('Template', 'one')
      t.same(
        one.items.map(({ metadata }) => metadata.name),
        ['a', 'a-1', 'c'],
      )
      t.same(await store.list('Hardware'), { items: [], version: 6 })
    },
  )

  void check('a long list is one snapshot, whatever is written meanwhile', async (t, subject) => {
    const store = subject.store()
    await Promise.all(Array.from({ length: 450 }, (_, i) => store.create(template(`n${i}`))))
    const [{ items, version }] = await Promise.all([store.list('Template'), store.delete(keyOf('n449'))])
    t.equal(items.length, 450)
    t.equal(version, 450)
  })

  void check('an equal update writes nothing and returns what is stored', async (t, subject) => {
    const store = subject.store()
    const created = await store.create({
      ...template('a'),
      spec: { data: 'x', more: { p: 1, q: [1, { r: null }] } },
    })
    const reordered = {
      ...created,
      spec: { more: { q: [1, { r: null }], p: 1 }, data: 'x', gone: undefined },
    }
    t.same(await store.update(reordered, created.metadata.resourceVersion), created)
    t.equal(await store.version(), 1)
    t.equal((await read(store, 0, untilSynced)).length, 2)
  })

  void check('pages of one version are parts of one snapshot', async (t, subject) => {
    const store = subject.store()
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) await store.create(template(name))
    await store.create(template('x', 'x', 'other'))
    const names = (items: readonly KubeObject[]) => items.map(({ metadata }) => metadata.name)
    const first = await store.page('Template', { limit: 2, namespace: 'default' })
    t.match({ ...first, items: names(first.items) }, { items: ['a', 'b'], version: 7, remaining: 4 })
    const c = (await store.get(keyOf('c')))!
    await store.update(withData(c, 'later'), c.metadata.resourceVersion)
    await store.delete(keyOf('d'))
    await store.create(template('d', 'new'))
    await store.delete(keyOf('e'))
    await store.create(template('c-new'))
    const rest = { after: { namespace: 'default', name: 'b' }, namespace: 'default', limit: 3 }
    const second = await store.page('Template', { ...rest, at: first.version })
    t.match({ ...second, items: names(second.items) }, { items: ['c', 'd', 'e'], version: 7, remaining: 1 })
    t.same(second.items[0], c)
    t.match(second.items[1], { spec: { data: 'x' } })
    const newest = await store.page('Template', rest)
    t.match(
      { ...newest, items: names(newest.items) },
      { items: ['c', 'c-new', 'd'], version: 12, remaining: 1 },
    )
    const everywhere = await store.page('Template', { limit: 100, at: 7 })
    t.same(names(everywhere.items), ['a', 'b', 'c', 'd', 'e', 'f', 'x'])
    t.same(await store.page('Template', { limit: 5, at: 0 }), { items: [], version: 0, remaining: 0 })
    t.equal(await failureOf(store.page('Template', { limit: 5, at: 99 })), 'Expired')
  })

  void check(
    'a page of a version that is forgotten has expired',
    async (t, subject) => {
      const store = subject.store()
      await churn(store, 40)
      for (let at = 0; at < 40; at++) await store.create(template(`n${at}`))
      t.equal(await failureOf(store.page('Template', { limit: 5, at: 2 })), 'Expired')
      t.equal((await store.page('Template', { limit: 5, at: 78 })).remaining, 34)
    },
    10,
  )

  void check('many are made at once, each group whole or not at all', async (t, subject) => {
    const store = subject.store()
    await store.create(template('taken'))
    const watching = read(store, 0, (changes) => changes.at(-1)?.version === 5)
    const groups = [['a'], ['b', 'taken', 'c'], ['d', 'e'], ['a'], ['f']]
    const made = await store.createAll(groups.map((names) => names.map((name) => template(name))))
    t.same(made, [true, false, true, false, true])
    t.same(
      (await store.list('Template')).items.map(({ metadata }) => metadata.name),
      ['a', 'd', 'e', 'f', 'taken'],
    )
    t.same((await watching).filter(({ type }) => type === 'put').map(told), [
      'put taken 1',
      'put a 2',
      'put d 3',
      'put e 4',
      'put f 5',
    ])
    t.same((await read(store, 0, untilSynced)).map(told).slice(1, 3), ['put a 2', 'put d 3'])
    const large = { ...template('large'), spec: { data: 'x'.repeat(7_000_000) } }
    t.equal(await failureOf(store.createAll([[template('g')], [large]])), 'TooLarge')
    t.equal(await store.get(keyOf('g')), undefined)
  })

  void check('three hundred patches at the same time lose nothing', async (t, subject) => {
    const store = subject.store()
    await store.create(template('a'))
    const patches = Array.from({ length: 300 }, (_, i) => ({
      metadata: { labels: { [`label-${i}`]: `${i}` } },
    }))
    await Promise.all(patches.map((patch) => patchObject(store, keyOf('a'), patch)))
    const { metadata } = (await store.get(keyOf('a')))!
    t.equal(Object.keys(metadata.labels ?? {}).length, 300)
    t.equal(metadata.resourceVersion, '301')
  })
}

function contents(check: Check) {
  void check('what callers do to their objects does not reach the store', async (t, subject) => {
    const store = subject.store()
    const given = template('a')
    const creating = store.create(given)
    given.spec = { data: 'changed while written' }
    const created = await creating
    created.spec = 'broken'
    const got = (await store.get(keyOf('a')))!
    got.metadata.name = 'broken'
    for (const item of (await store.list('Template')).items) delete item.spec
    for (const change of await read(store, 0, untilSynced)) {
      if (change.type !== 'synced') t.throws(() => (change.object.metadata.name = 'broken'))
    }
    t.match(await store.get(keyOf('a')), template('a'))
  })

  void check('keys that mean something to JavaScript are stored as data', async (t, subject) => {
    const store = subject.store()
    const spec = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1}'
    const created = await store.create({ ...template('a'), spec: JSON.parse(spec) })
    t.equal(JSON.stringify(created.spec), spec)
    const patch = JSON.parse('{"spec":{"__proto__":{"more":1}},"__proto__":{"polluted":true}}')
    const patched = await patchObject(store, keyOf('a'), patch)
    t.match(JSON.stringify(patched.spec), '"__proto__":{"polluted":true,"more":1}')
    t.equal(Object.getPrototypeOf(patched), Object.prototype)
    t.equal(({} as { polluted?: boolean }).polluted, undefined)
  })

  void check('text of every script, and text that is no text, comes back', async (t, subject) => {
    const store = subject.store()
    const texts = [
      'żółć',
      '日本語',
      '🐢'.repeat(3),
      '\u0000\u001f\u2028',
      '\ud800',
      "'; DROP TABLE objects; --",
    ]
    for (const [i, text] of texts.entries()) {
      await store.create(template(`n${i}`, text))
      t.same((await store.get(keyOf(`n${i}`)))!.spec, { data: text })
    }
  })

  void check('an object of a mebibyte comes back whole', async (t, subject) => {
    const store = subject.store()
    const data = 'é'.repeat(512 * 1024)
    await store.create(template('big', data))
    t.ok(((await store.get(keyOf('big')))!.spec as { data: string }).data === data)
    const [change] = await read(store, 0, untilSynced)
    t.ok(change?.type === 'put' && (change.object.spec as { data: string }).data === data)
  })

  void check('an object nested without end is refused', async (t, subject) => {
    const store = subject.store()
    const deep = JSON.parse('{"a":'.repeat(5000) + '1' + '}'.repeat(5000))
    t.equal(await failureOf(store.create({ ...template('a'), spec: deep })), 'Invalid')
    await store.create(template('a'))
    t.equal(await failureOf(patchObject(store, keyOf('a'), { spec: deep })), 'Invalid')
  })
}

function watching(check: Check) {
  void check('a watch tells history, that it is in step, and what happens then', async (t, subject) => {
    const store = subject.store()
    const a = await store.create(template('a'))
    const b = await store.update(withData(a, 'y'), a.metadata.resourceVersion)
    const reading = read(store, 0, (changes) => changes.length === 5)
    await store.create(template('b'))
    await store.delete(keyOf('a'))
    const changes = await reading
    t.same(changes.filter(({ type }) => type !== 'synced').map(told), [
      'put a 1',
      'put a 2',
      'put b 3',
      'delete a 4',
    ])
    t.same(changes.filter(({ type }) => type === 'synced').length, 1)
    t.match(changes[0], { object: { metadata: { resourceVersion: '1' } }, previous: undefined })
    t.match(changes[1], { object: b, previous: a })
    t.match(changes.at(-1), { object: { metadata: { resourceVersion: '4' } }, previous: b })
  })

  void check('a watch of the newest version is in step at once', async (t, subject) => {
    const store = subject.store()
    t.same((await read(store, 0, untilSynced)).map(told), ['synced 0'])
    await store.create(template('a'))
    t.same((await read(store, 1, untilSynced)).map(told), ['synced 1'])
  })

  void check('watchers that begin amid writes miss nothing and hear nothing twice', async (t, subject) => {
    const store = subject.store()
    const total = 600
    const enough = (changes: readonly Change[]) =>
      changes.filter(({ type }) => type !== 'synced').length === total
    const readers: Promise<Change[]>[] = []
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let i = 0; i < total / 4; i++) {
        if (i % 30 === 0) readers.push(read(store, 0, enough))
        await store.create(template(`n${writer}-${i}`))
      }
    })
    await Promise.all(writers)
    t.equal(readers.length, 20)
    const want = Array.from({ length: total }, (_, i) => i + 1)
    for (const changes of await Promise.all(readers)) {
      const versions = changes.flatMap(({ type, version }) => (type === 'synced' ? [] : [version]))
      t.same(versions, want)
      const synced = changes.findIndex(({ type }) => type === 'synced')
      t.ok(synced >= 0 && changes[synced]!.version === (changes[synced - 1]?.version ?? 0))
    }
  })

  void check('a reader between two versions gets only what came after', async (t, subject) => {
    const store = subject.store()
    for (let i = 0; i < 200; i++) await store.create(template(`n${i}`))
    const changes = await read(store, 150, untilSynced)
    t.same(
      changes.map(({ version }) => version),
      [...Array.from({ length: 50 }, (_, i) => 151 + i), 200],
    )
  })

  void check('a watch ends when it is told to, waiting or not', async (t, subject) => {
    const store = subject.store()
    const stop = new AbortController()
    const seen: string[] = []
    const watching = (async () => {
      for await (const change of store.watch(0, stop.signal)) seen.push(change.type)
    })()
    await store.create(template('a'))
    stop.abort()
    await watching
    t.same((await read(store, 0, () => true)).length, 1)
    const over: Change[] = []
    for await (const change of store.watch(0, AbortSignal.abort())) over.push(change)
    t.same(over, [])
  })

  void check('three hundred watchers share one stop signal', async (t, subject) => {
    const store = subject.store()
    const stop = new AbortController()
    let heard = 0
    const watchers = Array.from({ length: 300 }, async () => {
      for await (const change of store.watch(0, stop.signal)) if (change.type === 'put') heard++
    })
    for (let i = 0; i < 10; i++) await store.create(template(`n${i}`))
    while (heard < 3000) await new Promise(setImmediate)
    stop.abort()
    await Promise.all(watchers)
    t.equal(heard, 3000)
  })
}

function bounds(check: Check) {
  void check(
    'a version that the history no longer has is expired',
    async (t, subject) => {
      const store = subject.store()
      await churn(store, 50)
      t.equal(await failureOf(read(store, 0, untilSynced)), 'Expired')
      t.equal(await failureOf(read(store, 20, untilSynced)), 'Expired')
      t.same((await read(store, 40, untilSynced)).at(-1), { type: 'synced', version: 50 })
    },
    20,
  )

  void check(
    'what was made and never changed is told however old it is',
    async (t, subject) => {
      const store = subject.store()
      for (let i = 0; i < 50; i++) await store.create(template(`n${i}`))
      t.equal((await read(store, 0, untilSynced)).length, 51)
    },
    20,
  )

  void check('a version that never was is expired', async (t, subject) => {
    const store = subject.store()
    await store.create(template('a'))
    for (const since of [2, -1, Number.NaN])
      t.equal(await failureOf(read(store, since, untilSynced)), 'Expired')
  })

  void check(
    'a reader that falls behind the history is cut off, and the others are not',
    async (t, subject) => {
      const store = subject.store()
      const slow = store.watch(0, new AbortController().signal)[Symbol.asyncIterator]()
      t.match(await slow.next(), { value: { type: 'synced' } })
      const first = slow.next()
      const quick = read(store, 0, (changes) => changes.at(-1)?.version === 60)
      await churn(store, 60)
      t.match(await first, { value: { version: 1 } })
      t.equal(await failureOf(slow.next()), 'Expired')
      t.equal((await quick).length, 61)
    },
    20,
  )

  void check(
    'a reader that falls behind while it reads history is cut off',
    async (t, subject) => {
      const store = subject.store()
      await churn(store, 200)
      const slow = store.watch(0, new AbortController().signal)[Symbol.asyncIterator]()
      await slow.next()
      await churn(store, 600)
      const rest = (async () => {
        for (;;) if ((await slow.next()).done) return
      })()
      t.equal(await failureOf(rest), 'Expired')
    },
    200,
  )
}

function restart(check: Check) {
  void check('objects, versions and history survive a restart', async (t, subject) => {
    if (!subject.reopen) return t.comment('this engine keeps nothing')
    const a = await subject.store().create(template('a'))
    await subject.store().create(template('b'))
    await subject.store().delete(keyOf('b'))
    await subject.reopen()
    const store = subject.store()
    t.same(await store.get(keyOf('a')), a)
    t.equal(await store.version(), 3)
    t.equal(versionOf(await store.create(template('c'))), 4)
    const changes = await read(store, 0, untilSynced)
    t.same(changes.map(told), ['put a 1', 'put b 2', 'delete b 3', 'put c 4', 'synced 4'])
    t.match(changes[2], { previous: { metadata: { resourceVersion: '2' } } })
  })

  void check(
    'a restart forgets neither the newest version nor how far the history reaches',
    async (t, subject) => {
      if (!subject.reopen) return t.comment('this engine keeps nothing')
      for (let i = 0; i < 40; i++) await subject.store().create(template(`n${i}`))
      for (let i = 0; i < 40; i++) await subject.store().delete(keyOf(`n${i}`))
      await subject.reopen()
      t.equal(await subject.store().version(), 80)
      t.equal(await failureOf(read(subject.store(), 10, untilSynced)), 'Expired')
      t.equal((await read(subject.store(), 70, untilSynced)).length, 11)
    },
    20,
  )
}
