import { connect as connectTcp } from 'node:net'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { status } from '@grpc/grpc-js'
import type { Client } from '@grpc/grpc-js'
import t from 'tap'
import { call, codeOf, connect } from './agent-host.ts'
import { hello } from './site.ts'
import { comingFrom, openYard, runAgent, tasks, until } from './yard.ts'
import type { Yard, YardOptions } from './yard.ts'

const victim = '52:54:00:00:00:01'
const liar = '52:54:00:00:00:02'
const quiet = new AbortController().signal
const plan = tasks({ disk: ['stream', 'grow'] })

async function furnished(
  t: { teardown(end: () => Promise<void>): void },
  options: YardOptions = {},
): Promise<Yard> {
  const yard = await openYard(options)
  t.teardown(() => yard.close())
  await yard.machine({ name: 'victim', mac: victim, ip: '127.0.0.2' })
  await yard.machine({ name: 'liar', mac: liar, ip: '127.0.0.3' })
  return yard
}

const clientOf = (port: number, file = 'tink-agent.proto', service = 'proto.WorkflowService'): Client =>
  connect(file, service, { authority: `127.0.0.1:${port}`, id: '', signal: quiet, host: undefined as never })

async function code(client: Client, method: string, request: object): Promise<number> {
  return call(client, method, request, quiet).then(() => 0, codeOf)
}

const ended = (yard: Yard, name: string) =>
  until(`${name} ends`, async () => (await yard.house.read(name)).status?.state === 'SUCCESS', 60_000)

/** The victim's Workflow with its first action under way. */
async function underWay(yard: Yard, port: number) {
  let finish = () => {}
  const finished = new Promise<'SUCCESS'>((resolve) => (finish = () => resolve('SUCCESS')))
  const agent = runAgent('current', port, victim, { run: () => finished })
  await yard.workflow('w', plan, victim)
  await until('the victim works', () => agent.ran.length)
  const { status } = await yard.house.read('w')
  const task = status!.tasks![0]!
  return {
    agent,
    finish,
    ids: { workflow_id: 'eksa-system/w', task_id: task.id, action_id: task.actions[0]!.id },
  }
}

t.test('an agent is who has the address of its Hardware', async (t) => {
  const yard = await furnished(t, { admission: 'address' })
  const ways = await Promise.all(
    ['127.0.0.2', '127.0.0.3', '127.0.0.9'].map((ip) => comingFrom(ip, yard.site.port)),
  )
  t.teardown(async () => ways.forEach((way) => way.close()))
  const { agent, finish, ids } = await underWay(yard, ways[0]!.port)
  const report = {
    ...ids,
    agent_id: victim,
    action_name: 'stream',
    action_state: 'FAILED',
    message: { message: '' },
  }
  for (const [name, way] of [
    ['another machine', ways[1]!],
    ['nobody we know', ways[2]!],
  ] as const)
    t.test(`${name} as the victim`, async (t) => {
      const client = clientOf(way.port)
      const worker = clientOf(way.port, 'tink-worker.proto')
      t.equal(await code(client, 'GetAction', { agent_id: victim }), status.PERMISSION_DENIED)
      t.equal(await code(client, 'ReportActionStatus', report), status.PERMISSION_DENIED)
      const { workflow_id } = ids
      const told = {
        workflow_id,
        task_name: 'disk',
        action_name: 'stream',
        action_status: 'STATE_FAILED',
        worker_id: victim,
      }
      t.equal(await code(worker, 'ReportActionStatus', told), status.PERMISSION_DENIED)
      t.equal(
        await code(worker, 'GetWorkflowActions', { workflow_id }),
        status.NOT_FOUND,
        'its secrets are not shown',
      )
      const stream = (
        worker as never as { GetWorkflowContexts(r: object): AsyncIterable<object> }
      ).GetWorkflowContexts({
        worker_id: victim,
      })
      const read = async () => {
        for await (const context of stream) return context
        return undefined
      }
      t.equal(await read().catch(codeOf), status.PERMISSION_DENIED)
      client.close()
      worker.close()
    })
  t.test('another machine as itself, about the victim’s action', async (t) => {
    const client = clientOf(ways[1]!.port)
    const forged = { ...report, agent_id: liar }
    t.equal(await code(client, 'ReportActionStatus', forged), 0, 'taken, and nothing follows from it')
    t.equal(await code(client, 'ReportActionStatus', { ...forged, action_state: 'RUNNING' }), status.ABORTED)
    client.close()
  })
  finish()
  await yard.house.state('w', 'SUCCESS')
  await agent.stop()
  t.same(agent.ran, ['stream', 'grow'])
  const rejected = yard.house.timeline.filter(({ stage }) => stage === 'agent-rejected')
  t.ok(rejected.length > 0)
  t.ok(rejected.every(({ mac, facts }) => mac === victim && facts['why'] === 'address-mismatch'))
})

t.test('they are not admitted at all when that is off', async (t) => {
  const yard = await furnished(t, { admission: 'off' })
  const client = clientOf(yard.site.port)
  t.equal(await code(client, 'GetAction', { agent_id: victim }), status.PERMISSION_DENIED)
  client.close()
})

t.test('nonsense has its code', async (t) => {
  const yard = await furnished(t)
  const { agent, finish, ids } = await underWay(yard, yard.site.port)
  const client = clientOf(yard.site.port)
  const worker = clientOf(yard.site.port, 'tink-worker.proto')
  const good = {
    ...ids,
    agent_id: victim,
    action_name: 'stream',
    action_state: 'SUCCESS',
    message: { message: '' },
  }
  const old = { workflow_id: 'eksa-system/w', task_name: 'disk', action_name: 'stream', worker_id: victim }
  const long = 'x'.repeat(600)
  const far = { seconds: '9223372036854775807', nanos: -1 }
  const cases: { name: string; via?: Client; method?: string; request: object; want: number }[] = [
    { name: 'no agent id', method: 'GetAction', request: {}, want: status.INVALID_ARGUMENT },
    {
      name: 'an endless agent id',
      method: 'GetAction',
      request: { agent_id: long },
      want: status.INVALID_ARGUMENT,
    },
    {
      name: 'an agent id of nobody',
      method: 'GetAction',
      request: { agent_id: 'x' },
      want: status.PERMISSION_DENIED,
    },
    { name: 'no workflow id', request: { ...good, workflow_id: '' }, want: status.INVALID_ARGUMENT },
    { name: 'no action id', request: { ...good, action_id: '' }, want: status.INVALID_ARGUMENT },
    { name: 'an endless task id', request: { ...good, task_id: long }, want: status.INVALID_ARGUMENT },
    { name: 'a state that is none', request: { ...good, action_state: 77 }, want: status.INVALID_ARGUMENT },
    { name: 'PENDING', request: { ...good, action_state: 'PENDING' }, want: status.INVALID_ARGUMENT },
    { name: 'an end of an action that there is not', request: { ...good, action_id: 'x' }, want: 0 },
    { name: 'an end in a Workflow that there is not', request: { ...good, workflow_id: 'n/other' }, want: 0 },
    { name: 'an end in another task', request: { ...good, task_id: 'x' }, want: 0 },
    {
      name: 'a begin of an action that there is not',
      request: { ...good, action_id: 'x', action_state: 'RUNNING' },
      want: status.ABORTED,
    },
    {
      name: 'times beyond all times',
      request: {
        ...good,
        action_id: 'x',
        execution_start: far,
        execution_stop: far,
        execution_duration: long,
      },
      want: 0,
    },
    {
      name: 'legacy: an action that there is not',
      via: worker,
      request: { ...old, action_name: 'x', action_status: 'STATE_RUNNING' },
      want: status.ABORTED,
    },
    {
      name: 'legacy: an end of it',
      via: worker,
      request: { ...old, action_name: 'x', action_status: 'STATE_FAILED' },
      want: 0,
    },
    {
      name: 'legacy: the action after this one',
      via: worker,
      request: { ...old, action_name: 'grow', action_status: 'STATE_RUNNING' },
      want: status.ABORTED,
    },
    {
      name: 'legacy: no action',
      via: worker,
      request: { ...old, action_name: '', action_status: 'STATE_FAILED' },
      want: status.INVALID_ARGUMENT,
    },
    {
      name: 'legacy: another one’s Workflow',
      via: worker,
      method: 'GetWorkflowActions',
      request: { workflow_id: 'n/x' },
      want: status.NOT_FOUND,
    },
    {
      name: 'legacy: a Workflow id without namespace',
      via: worker,
      method: 'GetWorkflowActions',
      request: { workflow_id: 'w' },
      want: status.NOT_FOUND,
    },
  ]
  for (const { name, via = client, method = 'ReportActionStatus', request, want } of cases)
    t.equal(await code(via, method, request), want, name)
  t.match((await yard.house.read('w')).status, { state: 'RUNNING' }, 'nothing of it has counted')
  finish()
  await yard.house.state('w', 'SUCCESS')
  await agent.stop()
  client.close()
  worker.close()
})

t.test('our own agent is not driven out by one that has shown nothing', async (t) => {
  const yard = await furnished(t)
  const own = yard.site.client()
  own.say(hello({ agentId: victim }))
  t.match(await own.hear(), { message: 'welcome' })
  await until('it is known', () => yard.house.timeline.some(({ stage }) => stage === 'agent-hello'))
  const client = clientOf(yard.site.port)
  t.equal(await code(client, 'GetAction', { agent_id: victim }), status.ABORTED)
  client.close()
  await yard.workflow('w', plan, victim)
  t.match(await own.hear(), { message: 'runAction' })
  own.hangUp()
})

t.test('two agents of one id', async (t) => {
  const yard = await furnished(t)
  const { agent, finish } = await underWay(yard, yard.site.port)
  const second = runAgent('current', yard.site.port, victim)
  await until('the second one asks', () => second.points.includes('ask'))
  await sleep(100)
  t.same(second.ran, [], 'what one runs, the other does not get')
  finish()
  await yard.house.state('w', 'SUCCESS')
  await Promise.all([agent.stop(), second.stop()])
  t.same([...agent.ran, ...second.ran].sort(), ['grow', 'stream'])
})

t.test('what is too large, too much or never ends', async (t) => {
  const yard = await furnished(t, { holdMs: 20_000 })
  const { agent, finish } = await underWay(yard, yard.site.port)
  const { port } = yard.site
  await t.test('a message of 100 MiB', async (t) => {
    const before = process.memoryUsage().rss
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    session.on('error', () => undefined)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/proto.WorkflowService/GetAction',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    const over = new Promise<string>((resolve) => {
      stream.on('response', (headers) => headers['grpc-status'] && resolve(String(headers['grpc-status'])))
      stream.on('trailers', (trailers) => resolve(String(trailers['grpc-status'])))
      stream.on('error', () => resolve('reset'))
      stream.on('close', () => resolve('closed'))
    })
    stream.resume()
    const head = Buffer.alloc(5)
    head.writeUInt32BE(100 * 2 ** 20, 1)
    stream.write(head)
    const mib = Buffer.alloc(2 ** 20)
    for (let sent = 0; sent < 100 && !stream.destroyed && !stream.writableEnded; sent++) {
      const room = stream.write(mib)
      if (!room) await Promise.race([once(stream, 'drain').catch(() => undefined), over])
    }
    t.equal(await over, String(status.RESOURCE_EXHAUSTED))
    session.destroy()
    t.ok(process.memoryUsage().rss - before < 80 * 2 ** 20, 'it was not kept')
  })
  await t.test('a flood of calls', async (t) => {
    const clients = Array.from({ length: 10 }, () => clientOf(port))
    const end = new AbortController()
    const calls = clients.flatMap((client) =>
      Array.from({ length: 100 }, () =>
        call(client, 'GetAction', { agent_id: liar }, end.signal).catch(codeOf),
      ),
    )
    await sleep(500)
    finish()
    await ended(yard, 'w')
    t.same(agent.ran, ['stream', 'grow'], 'another machine’s Workflow goes on')
    end.abort()
    const codes = new Set(await Promise.all(calls))
    t.ok(
      [...codes].every((one) => one === status.ABORTED || one === status.CANCELLED),
      [...codes].join(' '),
    )
    for (const client of clients) client.close()
  })
  await t.test('streams that are half open, and connections that say nothing', async (t) => {
    const sessions = Array.from({ length: 20 }, () => connectHttp2(`http://127.0.0.1:${port}`))
    for (const session of sessions) {
      session.on('error', () => undefined)
      for (let count = 0; count < 30; count++) {
        const stream = session.request({
          ':method': 'POST',
          ':path': '/proto.WorkflowService/ReportActionStatus',
          'content-type': 'application/grpc',
          te: 'trailers',
        })
        stream.on('error', () => undefined)
        stream.write(Buffer.from([0, 0, 0]))
      }
    }
    const silent = Array.from({ length: 200 }, () =>
      connectTcp(port, '127.0.0.1')
        .on('error', () => undefined)
        .resume(),
    )
    await yard.workflow('more', tasks({ only: ['last'] }), victim)
    await ended(yard, 'more')
    t.same(agent.ran, ['stream', 'grow', 'last'])
    for (const one of [...sessions, ...silent]) one.destroy()
  })
  await agent.stop()
})
