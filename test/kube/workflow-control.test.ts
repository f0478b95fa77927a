import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import t from 'tap'
import { ulid } from 'ulid'
import type { Workflow } from '../../src/model/workflow.ts'
import type { WorkflowControl } from '../../src/kube/workflow-control.ts'
import { systemClock } from '../../src/model/clock.ts'
import { updateStatus } from '../../src/store/resource.ts'
import { createLookup, runLookup } from '../../src/store/lookup.ts'
import { createEngine } from '../../src/workflow/engine.ts'
import type { Engine } from '../../src/workflow/engine.ts'
import { createLogs } from '../../src/workflow/logs.ts'
import { plan } from '../../src/workflow/plan.ts'
import { runner } from '../cli/run.ts'
import { kubectlOf, noKubectl, usualKubectl } from './kubectl.ts'
import { hardware, ns1, startServer, workflow } from './server.ts'
import type { TestServer } from './server.ts'

const mac = '52:54:00:00:00:01'
const data = `version: "0.1"
name: install
global_timeout: 600
tasks:
  - name: install
    worker: "{{.device_1}}"
    actions:
      - { name: stream, image: image2disk, timeout: 60, retries: 2, retryDelay: 1m }
      - { name: config, image: writefile, timeout: 60 }
`

let server: TestServer
let engine: Engine
const stop = new AbortController()
let running: Promise<unknown>
const audited: Record<string, unknown>[] = []

t.before(async () => {
  const workflows: WorkflowControl = {
    control: (...args) => engine.control(...args),
    turnOf: (one) => engine.turnOf(one),
  }
  const sink = new Writable({
    write: (line: Buffer, _encoding, done) => {
      audited.push(JSON.parse(line.toString()) as Record<string, unknown>)
      done()
    },
  })
  server = await startServer({ workflows, audit: pino({}, sink) })
  const { store, side, shelf } = server.db
  const log = pino({ level: 'silent' })
  const lookup = createLookup({ shelf })
  engine = createEngine({
    store,
    side,
    clock: systemClock,
    log,
    record: () => undefined,
    newId: ulid,
    plan,
    logs: createLogs({ side, clock: systemClock, log }),
    machineByAgent: lookup.machineByAgent,
  })
  running = Promise.all([engine.run(stop.signal), runLookup({ store, lookup, log }, stop.signal)])
  await server.client.create(hardware('m1'))
  const apiVersion = 'tinkerbell.org/v1alpha1'
  await server.client.create({
    apiVersion,
    kind: 'Template',
    metadata: { name: 't', namespace: 'ns1' },
    spec: { data },
  })
})
t.after(async () => {
  stop.abort()
  await running
  await server.close()
})

const cli = runner(() => server)
const post = (name: string, verb: string, body?: unknown, headers: Record<string, string> = {}) =>
  server.client.request('POST', `${ns1}/workflows/${name}/${verb}`, body, headers)
const read = async (name: string) => (await server.client.get('Workflow', 'ns1', name)) as unknown as Workflow

async function state(name: string, wanted: string): Promise<Workflow> {
  const end = Date.now() + 10_000
  for (;;) {
    const found = await read(name)
    if ((found.status?.state ?? '') === wanted) return found
    if (Date.now() > end) throw new Error(`${name} is ${found.status?.state}, expected ${wanted}`)
    await systemClock.sleep(5)
  }
}

async function order(name: string): Promise<Workflow> {
  const object = workflow(name)
  await server.client.create({ ...object, spec: { ...object.spec, hardwareMap: { device_1: mac } } } as never)
  return state(name, 'PENDING')
}

/** As if its first action had succeeded and its second had failed. */
async function half(name: string): Promise<void> {
  const { status } = await order(name)
  const [task] = status!.tasks!
  const actions = task!.actions.map((action, at) => ({ ...action, state: at === 0 ? 'SUCCESS' : 'FAILED' }))
  const next = { ...status, state: 'FAILED', tasks: [{ ...task, actions }] }
  await updateStatus(server.db.store, { kind: 'Workflow', namespace: 'ns1', name }, next)
}

t.test('cancel, pause and resume over the API', async (t) => {
  await order('w1')
  t.match(await post('w1', 'pause', { reason: 'a cable' }), {
    status: 200,
    json: { status: { state: 'PENDING', conditions: [{}, { type: 'Paused', status: 'True' }] } },
  })
  const once = await read('w1')
  t.equal((await post('w1', 'pause')).status, 200)
  t.equal((await read('w1')).metadata.resourceVersion, once.metadata.resourceVersion, 'twice is harmless')
  t.match(await post('w1', 'resume'), {
    status: 200,
    json: { status: { conditions: [{}, { status: 'False' }] } },
  })
  t.match(await post('w1', 'cancel', { reason: 'wrong disk' }), {
    status: 200,
    json: {
      status: {
        state: 'FAILED',
        conditions: [
          {},
          {},
          { type: 'Succeeded', reason: 'Cancelled', message: /cancelled by admin: wrong disk$/ },
        ],
      },
    },
  })
  t.equal((await post('w1', 'cancel')).status, 200, 'twice is harmless')
  t.match(await post('w1', 'pause'), {
    status: 409,
    json: {
      reason: 'Conflict',
      message: /ns1\/w1 .*it is FAILED, and PREPARING, PENDING or RUNNING is expected/,
    },
  })
  t.match(await post('nobody', 'cancel'), { status: 404, json: { reason: 'NotFound' } })
})

t.test('bodies that are none, and what is not there', async (t) => {
  await order('w2')
  const cases: [string, unknown, number, RegExp][] = [
    ['an unknown field', { why: 'x' }, 400, /"why", expected reason alone/],
    ['a reason that is no text', { reason: 7 }, 400, /expected \{"reason"/],
    ['a long reason', { reason: 'x'.repeat(501) }, 400, /500 characters/],
    ['a list', [], 400, /expected \{"reason"/],
    ['no JSON', '{', 400, /not JSON/],
  ]
  for (const [name, body, status, message] of cases)
    t.match(
      await post('w2', 'cancel', body, { 'content-type': 'application/json' }),
      { status, json: { message } },
      name,
    )
  t.match(await post('w2', 'cancel?dryRun=All'), { status: 400 })
  t.equal((await server.client.request('GET', `${ns1}/workflows/w2/cancel`)).status, 405)
  t.equal((await post('w2', 'explode')).status, 404)
  t.equal((await read('w2')).status?.state, 'PENDING', 'nothing has happened to it')
  await post('w2', 'cancel')
})

t.test('who may, and who did', async (t) => {
  await order('w3')
  const asRole = async (role: string) => {
    const wish = { role, ttlSeconds: 600 }
    const { json } = await server.client.request('POST', '/ironwake/v1/tokens', wish)
    return { authorization: `Bearer ${(json as { token: string }).token}` }
  }
  for (const role of ['viewer', 'capt', 'importer'])
    for (const verb of ['cancel', 'pause', 'resume', 'retry', 'restart'])
      t.equal((await post('w3', verb, undefined, await asRole(role))).status, 403, `${role} ${verb}`)
  t.equal((await post('w3', 'pause', undefined, await asRole('operator'))).status, 200)
  t.equal((await post('w3', 'cancel', undefined, await asRole('operator'))).status, 200)
  const find = () =>
    audited.find(
      (line) =>
        line['resource'] === 'workflows.tinkerbell.org/cancel' &&
        line['name'] === 'w3' &&
        line['code'] === 200,
    )
  while (!find()) await systemClock.sleep(5)
  const line = find()
  t.match(line, {
    msg: 'api write',
    verb: 'create',
    role: 'operator',
    namespace: 'ns1',
    name: 'w3',
    code: 200,
  })
})

t.test('retry goes on where it failed, with the plan it had', async (t) => {
  await half('w4')
  const changed = { data: data.replace('config', 'other') }
  await server.client.patch('Template', 'ns1', 't', { spec: changed })
  t.match(await post('w4', 'retry', { reason: 'disk replaced' }), {
    status: 201,
    json: {
      metadata: {
        name: 'w4-retry-1',
        annotations: { 'ironwake.dev/retry-of': 'ns1/w4', 'ironwake.dev/reason': 'disk replaced' },
      },
      spec: { templateRef: 't' },
    },
  })
  const { status } = await state('w4-retry-1', 'PENDING')
  t.match(status?.tasks?.[0]?.actions, [
    { name: 'stream', state: 'SUCCESS', message: 'carried over from ns1/w4' },
    { name: 'config', state: 'PENDING' },
  ])
  t.match(await post('w4', 'retry'), { status: 200, json: { metadata: { name: 'w4-retry-1' } } })
  await post('w4-retry-1', 'cancel')
  t.match(await post('w4', 'retry'), {
    status: 409,
    json: { message: /retried as w4-retry-1.*retry that one/ },
  })
  const both = await Promise.all([post('w4-retry-1', 'retry'), post('w4-retry-1', 'retry')])
  t.same(
    both.map((one) => one.status).toSorted((a, b) => a - b),
    [200, 201],
    'two at once make one',
  )
  for (const { json } of both) t.match(json, { metadata: { name: 'w4-retry-2' } })
  await state('w4-retry-2', 'PENDING')
  t.match(await post('w4-retry-2', 'retry'), { status: 409, json: { message: /cancel it first/ } })
  t.match(await post('w4-retry-2', 'restart'), {
    status: 409,
    json: { message: /is PENDING.*cancel it first/ },
  })
  await post('w4-retry-2', 'cancel')

  t.match(await post('w4', 'restart'), { status: 201, json: { metadata: { name: 'w4-run-1' } } })
  const made = await state('w4-run-1', 'PENDING')
  t.match(made.metadata.annotations, { 'ironwake.dev/restart-of': 'ns1/w4' })
  t.match(made.status?.tasks?.[0]?.actions, [{ name: 'stream' }, { name: 'other' }], 'rendered afresh')
  t.ok(made.status?.tasks?.[0]?.actions.every(({ state: is }) => is === 'PENDING'))
  await server.client.patch('Template', 'ns1', 't', { spec: { data } })
})

t.test('the queue is seen by kubectl and by the command line', async (t) => {
  for (const { metadata } of await server.client.list('Workflow')) await post(metadata.name, 'cancel')
  for (const name of ['q1', 'q2', 'q3']) {
    await order(name)
    await systemClock.sleep(1000)
  }
  const listed = await cli(['workflow', 'list'])
  t.match(listed.out, /q1 .*0\/2\n/)
  t.match(listed.out, /q2 .*0\/2 +2, after ns1\/q1\n/)
  t.match(listed.out, /q3 .*0\/2 +3, after ns1\/q2\n/)
  t.match((await cli(['workflow', 'get', 'ns1/q3'])).out, /Queue: +3, after ns1\/q2\n/)
  const paused = await cli(['workflow', 'pause', 'ns1/q1', '--reason', 'a cable'])
  t.match(paused.out, /ns1 +q1 +PENDING, paused/)
  t.match((await cli(['workflow', 'get', 'ns1/q1'])).out, /Paused: +paused by admin: a cable\n/)
  t.match((await cli(['workflow', 'list'])).out, /q3 .*0\/2 +2, after ns1\/q2\n/, 'it holds nobody up')
  const program = usualKubectl()
  if (program) {
    const { out } = await kubectlOf(program, server)(['-n', 'ns1', 'get', 'workflows', '-o', 'wide'])
    t.match(out, /QUEUE/)
    t.match(out, /q3 .* 2, after ns1\/q2/)
  }
})

t.test('kubectl create --raw cancels', { skip: usualKubectl() ? false : noKubectl }, async (t) => {
  await order('w5')
  const file = join(server.dataDir, 'reason.json')
  await writeFile(file, '{"reason":"by hand"}')
  const kubectl = kubectlOf(usualKubectl()!, server)
  const { code, out } = await kubectl(['create', '--raw', `${ns1}/workflows/w5/cancel`, '-f', file])
  t.equal(code, 0)
  t.match(JSON.parse(out), { metadata: { name: 'w5' }, status: { state: 'FAILED' } })
  t.match(await kubectl(['create', '--raw', `${ns1}/workflows/w5/pause`, '-f', file]), {
    code: 1,
    err: /it is FAILED, and PREPARING, PENDING or RUNNING is expected to pause it/,
  })
})

t.test('the command line', async (t) => {
  await half('w6')
  t.match(await cli(['workflow', 'retry', 'ns1/w6', '-o', 'json']), {
    code: 0,
    out: /"ironwake.dev\/retry-of": "ns1\/w6"/,
  })
  await state('w6-retry-1', 'PENDING')
  t.match((await cli(['workflow', 'get', 'ns1/w6-retry-1'])).out, /Retry of: +ns1\/w6\n/)
  t.match(await cli(['workflow', 'cancel', 'w6-retry-1', '-n', 'ns1']), {
    code: 0,
    out: /w6-retry-1 +FAILED/,
  })
  t.match(await cli(['workflow', 'restart', 'ns1/w6', '-o', 'yaml']), { code: 0, out: /name: w6-run-1/ })
  t.match(await cli(['workflow', 'resume', 'ns1/w6']), { code: 1, err: /it is FAILED/ })
  t.match(await cli(['workflow', 'cancel', 'ns1/nobody']), { code: 1, err: /not found/ })
  for (const verb of ['cancel', 'pause', 'resume', 'retry', 'restart'])
    t.match(await cli(['workflow', verb, '--help']), {
      code: 0,
      out: new RegExp(`--reason <text>[^]*Examples:\\n {2}\\$ ironwake workflow ${verb} `),
    })
})

t.test('discovery and OpenAPI know the subresources', async (t) => {
  const { json } = await server.client.request('GET', '/openapi/v3/apis/tinkerbell.org/v1alpha1')
  const { paths } = json as { paths: Record<string, Record<string, { operationId: string }>> }
  const at = '/apis/tinkerbell.org/v1alpha1/namespaces/{namespace}/workflows/{name}'
  for (const verb of ['cancel', 'pause', 'resume', 'retry', 'restart'])
    t.match(paths[`${at}/${verb}`]?.['post']?.operationId, /^createTinkerbellOrgV1alpha1NamespacedWorkflow/)
})

t.end()
