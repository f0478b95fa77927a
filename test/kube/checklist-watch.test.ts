import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { by, eventNames, jobs, openBench, templateOf, versionOf, watchList, workflowOf } from './checklist.ts'
import type { Bench } from './checklist.ts'
import { claimOf, label, provisioned } from './capt.ts'
import { follow, kubectlOf, noKubectl, usualKubectl } from './kubectl.ts'
import { base, hardware, mergePatch, ns1, startServer, watching, workflow } from './server.ts'

const kubectl = usualKubectl()
let bench: Bench
t.before(async () => {
  bench = await openBench(t)
})

t.test(
  'step 13: a WatchList of Workflows and of Jobs tells when everything was told, and ends',
  async (t) => {
    await bench.admin('POST', `${ns1}/workflows`, { ...workflow('step-13'), spec: { disabled: true } })
    await bench.capt('POST', jobs, {
      metadata: { name: 'step-13' },
      spec: { tasks: [{ powerAction: 'off' }] },
    })
    for (const [path, kind] of [
      [`${ns1}/workflows`, 'Workflow'],
      [jobs, 'Job'],
    ] as const) {
      const watch = watching(bench.captClient, `${path}?${watchList}&timeoutSeconds=1`)
      await watch.ended
      const end = watch.events.findIndex(({ type }) => type === 'BOOKMARK')
      const before = watch.events.slice(0, end)
      t.ok(
        before.length > 0 && before.every(({ type, object }) => type === 'ADDED' && object.kind === kind),
        `${kind}s are ADDED`,
      )
      t.ok(eventNames(before).includes('ADDED step-13'))
      t.match(watch.events[end]!.object, {
        kind,
        metadata: { resourceVersion: /^[1-9]\d*$/, annotations: { 'k8s.io/initial-events-end': 'true' } },
      })
    }
  },
)

t.test('step 14: a watch from a list brings every later change once, across reconnects', async (t) => {
  const list = await bench.capt('GET', `${base}/hardware?limit=500&resourceVersion=0`)
  const { path } = await bench.machine('step-14')
  const wanted = [String((await bench.capt('GET', path)).body['metadata'].resourceVersion)]
  for (let turn = 0; turn < 12; turn++)
    wanted.push(String(versionOf(await bench.patch(path, { metadata: { labels: { turn: String(turn) } } }))))
  const seen: string[] = []
  while (seen.length < wanted.length) {
    const since = seen.at(-1) ?? list.body['metadata'].resourceVersion
    const watch = watching(bench.captClient, `${base}/hardware?watch=true&resourceVersion=${since}`)
    await watch.until(Math.min(5, wanted.length - seen.length))
    watch.stop()
    await watch.ended
    seen.push(...watch.events.map(({ object }) => object.metadata['resourceVersion']))
  }
  t.same(seen, wanted)
})

t.test('step 14: a version that is no longer known is Expired', async (t) => {
  const db = await openSqlite(':memory:', { clock: systemClock, historyEvents: 5 })
  const small = await startServer({ store: db.store })
  t.teardown(async () => {
    await small.close()
    await db.close()
  })
  const { metadata } = await small.client.create(hardware('m1'))
  for (let turn = 0; turn < 20; turn++)
    await small.client.patch('Hardware', 'ns1', 'm1', { spec: { userData: String(turn) } })
  const path = `${base}/hardware?watch=true&timeoutSeconds=5&resourceVersion=${metadata.resourceVersion}`
  const answer = await by(small.client)('GET', path)
  t.match(answer, { status: 410, body: { kind: 'Status', reason: 'Expired', code: 410 } })
})

t.test('step 15: a Workflow that succeeds is seen, and the machine gets its userData', async (t) => {
  const { mac, ip, path } = await bench.machine('step-15')
  await bench.site.attachAgent(mac)
  await bench.patch(path, claimOf('m15'))
  const text = '#cloud-config\n# join as tinkerbell://ns1/step-15\n'
  await bench.patch(path, { spec: { userData: text } })
  const run = `${ns1}/workflows/m15`
  const watch = watching(
    bench.captClient,
    `${ns1}/workflows?watch=true&resourceVersion=${await bench.versionNow()}`,
  )
  await bench.capt('POST', `${ns1}/templates`, templateOf('m15'))
  await bench.capt('POST', `${ns1}/workflows`, workflowOf('m15', 'step-15', mac))
  const states = () =>
    watch.events
      .filter(({ object }) => object.metadata['name'] === 'm15')
      .map(({ type, object }) => `${type} ${object['status']?.state ?? ''}`)
  while (!states().includes('MODIFIED SUCCESS')) await watch.until(watch.events.length + 1)
  t.equal(states()[0]?.split(' ')[0], 'ADDED')
  watch.stop()
  const marked = await bench.patch(path, { metadata: { annotations: { [provisioned]: 'true' } } })
  t.match(marked, { status: 200, body: { metadata: { annotations: { [provisioned]: 'true' } } } })
  t.equal(await bench.userData(ip, text), text)

  const found = (await bench.admin('GET', run)).body
  const other = { ...found['status'], state: 'FAILED' }
  const put = await bench.admin('PUT', run, { ...found, status: other })
  t.match(put, { status: 200, body: { status: { state: 'SUCCESS' } } }, 'PUT beside /status leaves it')
  const patched = await bench.admin('PATCH', run, { status: other }, mergePatch)
  t.match(patched, { status: 200, body: { status: { state: 'SUCCESS' } } }, 'so does PATCH')
})

t.test('step 17: what is deleted says so, tells its watchers, and is gone', async (t) => {
  await bench.capt('POST', `${ns1}/templates`, templateOf('m17'))
  await bench.admin('POST', `${ns1}/workflows`, { ...workflow('m17'), spec: { disabled: true } })
  for (const plural of ['workflows', 'templates']) {
    const path = `${ns1}/${plural}`
    const watch = watching(bench.captClient, `${path}?watch=true&resourceVersion=${await bench.versionNow()}`)
    const answer = await bench.capt('DELETE', `${path}/m17`, {})
    t.match(answer, {
      status: 200,
      body: { kind: 'Status', status: 'Success', details: { name: 'm17', kind: plural } },
    })
    const isGone = () => eventNames(watch.events).includes('DELETED m17')
    while (!isGone()) await watch.until(watch.events.length + 1)
    watch.stop()
    t.match(await bench.capt('GET', `${path}/m17`), { status: 404, body: { reason: 'NotFound' } })
  }
})

t.test('step 19: a finalizer holds a deleted Hardware until it is taken off', async (t) => {
  const { path } = await bench.machine('step-19')
  await bench.patch(path, claimOf('m19'))
  const watch = watching(
    bench.captClient,
    `${base}/hardware?watch=true&resourceVersion=${await bench.versionNow()}`,
  )
  const marked = await bench.admin('DELETE', path)
  t.match(marked, { status: 200, body: { kind: 'Hardware', metadata: { deletionTimestamp: /Z$/ } } })
  t.ok((await bench.namesBy(`${label.name}=m19`)).includes('step-19'), 'it is listed')
  t.equal((await bench.patch(path, { metadata: { finalizers: null } })).status, 200)
  t.equal((await bench.capt('GET', path)).status, 404)
  t.same(eventNames(await watch.until(2)), ['MODIFIED step-19', 'DELETED step-19'])
  watch.stop()
})

t.test('step 21: versions are decimal and grow across restarts', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'ironwake-restart-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const database = join(dataDir, 'test.db')
  const versions: string[] = []
  for (let run = 0; run < 3; run++) {
    const one = await startServer({ dataDir, database })
    for (let turn = 0; turn < 3; turn++) {
      const { metadata } = await one.client.create(hardware(`m-${run}-${turn}`))
      versions.push(metadata.resourceVersion)
    }
    await one.client.delete('Hardware', 'ns1', `m-${run}-2`)
    await one.close()
  }
  for (const version of versions) t.match(version, /^[1-9]\d*$/)
  const numbers = versions.map(Number)
  t.same(
    numbers,
    [...new Set(numbers)].toSorted((a, b) => a - b),
  )
})

t.test('step 21: ten patches of one object at once lose nothing', async (t) => {
  const { path } = await bench.machine('step-21')
  const keys = Array.from({ length: 10 }, (_, index) => `key-${index}`)
  const answers = await Promise.all(
    keys.map((key) => bench.patch(path, { metadata: { annotations: { [key]: 'x' } } })),
  )
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
  const { annotations } = (await bench.capt('GET', path)).body['metadata']
  t.same(Object.keys(annotations).toSorted(), keys)
})

t.test('step 22: a client goes on from its version after a restart, and nothing seems deleted', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'ironwake-restart-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const database = join(dataDir, 'test.db')
  const first = await startServer({ dataDir, database })
  for (const name of ['a', 'b']) await first.client.create(hardware(name))
  const before = watching(first.client, `${base}/hardware?watch=true`)
  const since = (await before.until(2)).at(-1)!.object.metadata['resourceVersion']
  await first.close()
  await before.ended.catch(() => {})
  const second = await startServer({ dataDir, database, port: first.port })
  t.teardown(second.close)
  await second.client.create(hardware('c'))
  const after = watching(second.client, `${base}/hardware?watch=true&resourceVersion=${since}`)
  t.same(eventNames(await after.until(1)), ['ADDED c'])
  const list = watching(second.client, `${base}/hardware?${watchList}`)
  t.same(eventNames(await list.until(4)), ['ADDED a', 'ADDED b', 'ADDED c', 'BOOKMARK'])
  for (const watch of [after, list]) watch.stop()
  await Promise.all([after.ended, list.ended])
})

t.test(
  'step 25: kubectl follows Hardware and Workflows',
  { skip: kubectl ? false : noKubectl },
  async (t) => {
    await bench.machine('step-25')
    await bench.admin('POST', `${ns1}/workflows`, { ...workflow('step-25'), spec: { disabled: true } })
    for (const [word, path] of [
      ['hw', 'hardware'],
      ['wf', 'workflows'],
    ] as const) {
      const following = follow(kubectl!, bench.site.server, ['get', word, '-n', 'ns1', '-w'])
      await following.seen('step-25')
      const status = { status: { state: `seen-${word}` } }
      await bench.admin('PATCH', `${ns1}/${path}/step-25/status`, status, mergePatch)
      await following.seen(`seen-${word}`)
      await following.stop()
      t.pass(`${word} was followed`)
    }
    const explained = await kubectlOf(kubectl!, bench.site.server)(['explain', 'hardware.spec'])
    t.match(explained, { code: 0, out: /userData/ })
  },
)
