import { readFileSync } from 'node:fs'
import { fastify } from 'fastify'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import t from 'tap'
import type { Test } from 'tap'
import { createCounter, createHistogram } from '../../src/metrics/figures.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { systemClock } from '../../src/model/clock.ts'
import { parseMac } from '../../src/model/mac.ts'
import type { Mac } from '../../src/model/mac.ts'
import { createLookup } from '../../src/store/lookup.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { createTimeline } from '../../src/timeline/timeline.ts'

const mac = parseMac('02:00:00:00:00:01')!

async function house(t: Test) {
  const clock = { ...systemClock, now: () => now }
  let now = 1_000_000
  const { store, side, close } = await openSqlite(':memory:', { clock })
  t.teardown(close)
  const timeline = createTimeline({ side, clock, log: pino({ level: 'silent' }) })
  const metrics = createMetrics({ version: '1.2.3', timeline })
  const lines = async () => (await metrics.text()).body.split('\n')
  /** the value of a series, by its line without the value */
  const value = async (series: string) => {
    const line = (await lines()).find((text) => text.startsWith(`${series} `))
    return line === undefined ? undefined : Number(line.split(' ').at(-1))
  }
  return { store, timeline, metrics, lines, value, pass: (ms: number) => void (now += ms) }
}

t.test('docs/metrics.md has every figure, with its type and labels, and no other', async (t) => {
  const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` +\| (\w+) +\| ([\w, ]*?) *\| (.+?) *\|$/gm)]
  const documented = rows.map(([, name, type, , what]) => `${name} ${type} ${what}`)
  const { metrics, lines } = await house(t)
  const said = await lines()
  const about = (word: string, name: string) =>
    said.find((line) => line.startsWith(`# ${word} ${name} `))!.slice(`# ${word} ${name} `.length)
  const served = metrics
    .names()
    .map((name) => `${name} ${about('TYPE', name)} ${about('HELP', name).replace(/\.$/, '')}`)
  t.same(documented.toSorted(), served.toSorted())
})

t.test('a figure has a bounded number of series, and counts what comes beyond', async (t) => {
  const registry = new Registry()
  const counter = createCounter(registry, { name: 'x_total', help: 'X', labels: ['a', 'b'] })
  for (let index = 0; index < 5000; index += 1) counter.add(['a', String(index)])
  const text = await registry.metrics()
  t.equal(text.match(/^x_total\{/gm)!.length, 2001)
  t.match(text, /^x_total\{a="other",b="other"\} 3000$/m)
})

t.test('buckets of a histogram count what is at most their bound', async (t) => {
  const registry = new Registry()
  const histogram = createHistogram(registry, { name: 'x_seconds', help: 'X', labels: ['a'] }, [1, 2])
  for (const value of [0.5, 1, 1.5, 7]) histogram.observe(['"\n\\'], value)
  const text = await registry.metrics()
  const values = [...text.matchAll(/^x_seconds_(\w+)\{(.*)\} (\S+)$/gm)].map(([, what, labels, value]) => [
    what,
    labels,
    value,
  ])
  const a = String.raw`a="\"\n\\"`
  t.same(values, [
    ['bucket', `${a},le="1"`, '2'],
    ['bucket', `${a},le="2"`, '3'],
    ['bucket', `${a},le="+Inf"`, '4'],
    ['sum', a, '10'],
    ['count', a, '4'],
  ])
})

t.test('a boot is timed from its first DISCOVER to the agent and to the phone-home', async (t) => {
  const { timeline, value, lines, pass } = await house(t)
  const discover = (client: string) => timeline.record(mac, 'dhcp-discover', { client })
  discover('firmware')
  pass(3000)
  discover('firmware')
  pass(4000)
  timeline.record(mac, 'boot-script', { target: 'netboot-os' })
  pass(20_000)
  timeline.record(mac, 'agent-hello', { version: '1' })
  pass(1000)
  timeline.record(mac, 'agent-hello', { version: '2' })
  timeline.record(mac, 'action-ended', { action: 'stream', state: 'SUCCESS', ms: 70_000 })
  timeline.record(mac, 'workflow-ended', { workflow: 'a/b', state: 'SUCCESS' })
  pass(60_000)
  discover('firmware')
  timeline.record(mac, 'boot-script', { target: 'disk' })
  pass(12_000)
  timeline.record(mac, 'phone-home', {})
  pass(5000)
  timeline.record(mac, 'phone-home', {})
  t.equal(await value('ironwake_boot_to_agent_seconds_count'), 1)
  t.equal(await value('ironwake_boot_to_agent_seconds_sum'), 27)
  t.equal(await value('ironwake_boot_to_phone_home_seconds_count'), 1)
  t.equal(await value('ironwake_boot_to_phone_home_seconds_sum'), 100)
  t.equal(await value('ironwake_action_duration_seconds_bucket{state="SUCCESS",le="120"}'), 1)
  t.equal(await value('ironwake_workflows_ended_total{state="SUCCESS"}'), 1)
  t.equal(await value('ironwake_boot_stages_total{stage="dhcp-discover"}'), 3)
  t.notOk(
    (await lines()).some((line) => line.includes(mac)),
    'no machine is named',
  )
})

t.test('a boot whose beginning nobody saw is not timed', async (t) => {
  const { timeline, value, pass } = await house(t)
  timeline.record(mac, 'boot-script', { target: 'netboot-os' })
  pass(9000)
  timeline.record(mac, 'agent-hello', {})
  t.equal(await value('ironwake_boot_to_agent_seconds_count'), 0)
})

t.test('requests are counted by the routes that are declared', async (t) => {
  const { metrics, value, lines } = await house(t)
  const app = fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  app.get('/files/:name', async () => 'x'.repeat(5000))
  app.get('/hijacked', (_request, reply) => {
    reply.hijack()
    reply.raw.end('y'.repeat(7000))
  })
  app.get('/stream', (_request, reply) => {
    reply.hijack()
    reply.raw.write('first\n')
  })
  metrics.http('boot', app)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  for (const path of ['files/a', 'files/b', 'hijacked', 'none/02:00:00:00:00:01'])
    await fetch(`${url}/${path}`).then((answer) => answer.text())
  const gone = new AbortController()
  const stream = await fetch(`${url}/stream?watch=true`, { signal: gone.signal })
  t.equal(await value('ironwake_http_requests{service="boot"}'), 1)
  gone.abort()
  await stream.text().catch(() => {})
  for (let wait = 0; wait < 200 && (await value('ironwake_http_requests{service="boot"}')) !== 0; wait += 1)
    await systemClock.sleep(10)
  t.equal(
    await value('ironwake_http_requests{service="boot"}'),
    0,
    'a reader that went away is not counted on',
  )
  const of = (method: string, route: string, code: number) =>
    value(`ironwake_http_requests_total{service="boot",method="${method}",route="${route}",code="${code}"}`)
  t.equal(await of('GET', '/files/:name', 200), 2)
  t.equal(await of('GET', '/hijacked', 200), 1)
  t.equal(await of('GET', 'none', 404), 1)
  const bytes = async (route: string) =>
    (await value(`ironwake_http_response_bytes_total{service="boot",route="${route}"}`))!
  t.ok((await bytes('/files/:name')) >= 10_000 && (await bytes('/files/:name')) < 11_000)
  t.ok((await bytes('/hijacked')) >= 7000 && (await bytes('/hijacked')) < 7500)
  t.equal(await value('ironwake_http_request_duration_seconds_count{service="boot",route="/files/:name"}'), 2)
  t.notOk((await lines()).some((line) => line.includes('_duration_') && line.includes('/stream')))
  t.notOk((await lines()).some((line) => line.includes(mac)))
})

t.test('writes are counted and Workflows known by their state', async (t) => {
  const { store, metrics, value } = await house(t)
  const counted = metrics.store(store)
  const workflow = (name: string, state: string) => ({
    apiVersion: 'tinkerbell.org/v1alpha1' as const,
    kind: 'Workflow' as const,
    metadata: { namespace: 'a', name, uid: name, generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
    status: { state },
  })
  const made = await counted.create(workflow('one', 'RUNNING') as never)
  await t.rejects(counted.create(workflow('one', 'RUNNING') as never), { code: 'AlreadyExists' })
  const list = await counted.list('Workflow')
  const feed = metrics.workflows(createLookup())
  const refill = feed.refill()
  refill.put(list.items)
  refill.done()
  t.equal(await value('ironwake_workflows{state="RUNNING"}'), 1)
  const ended = { ...made, status: { state: 'SUCCESS' } }
  feed.apply({ type: 'put', version: 2, object: ended, previous: made })
  feed.apply({ type: 'put', version: 2, object: ended, previous: made })
  t.equal(await value('ironwake_workflows{state="RUNNING"}'), undefined)
  t.equal(await value('ironwake_workflows{state="SUCCESS"}'), 1)
  feed.apply({ type: 'delete', version: 3, object: ended, previous: ended })
  t.equal(await value('ironwake_workflows{state="SUCCESS"}'), undefined)
  t.equal(await value('ironwake_store_writes_total{operation="create",outcome="ok"}'), 1)
  t.equal(await value('ironwake_store_writes_total{operation="create",outcome="AlreadyExists"}'), 1)
  t.equal(await value('ironwake_store_write_duration_seconds_count{operation="create"}'), 2)
})

t.test('agents are counted while they are connected', async (t) => {
  const { metrics, value } = await house(t)
  const heard: string[] = []
  const desk = metrics.agents({
    heartbeatMs: 1,
    connect: async (_link: { mac: Mac }, _hello: object) => void heard.push('connect'),
    disconnect: (_link: { mac: Mac }) => void heard.push('disconnect'),
  })
  const [old, next] = [{ mac }, { mac }]
  await desk.connect(old, {})
  await desk.connect(next, {})
  t.equal(await value('ironwake_agent_streams'), 2)
  t.equal(await value('ironwake_agents_connected'), 1)
  desk.disconnect(old)
  t.equal(await value('ironwake_agent_streams'), 1)
  t.equal(await value('ironwake_agent_sessions_total'), 2)
  t.same(heard, ['connect', 'connect', 'disconnect'])
})
