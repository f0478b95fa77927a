import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { status } from '@grpc/grpc-js'
import t from 'tap'
import { AppError } from '../../src/model/error.ts'
import type { Clock } from '../../src/model/clock.ts'
import { createCa } from '../../src/pki/certificate.ts'
import { hello, mac, openSite } from './site.ts'
import type { Site } from './site.ts'

async function open(t: { teardown(end: () => Promise<void>): void }, changes = {}): Promise<Site> {
  const site = await openSite(changes)
  t.teardown(() => site.stop())
  return site
}

async function until(condition: () => boolean) {
  for (let tries = 0; !condition() && tries < 500; tries++) await sleep(5)
}

const action = { workflowId: 'n/w', taskId: 't', actionId: 'a' }

t.test('a session: Hello, Welcome, then messages both ways', async (t) => {
  const { client, engine } = await open(t)
  const agent = client()
  agent.say(hello({ actionId: 'a' }))
  t.match(await agent.hear(), { message: 'welcome', welcome: { sessionKey: 'key', heartbeatMs: 1234 } })
  await until(() => engine.links.length > 0)
  t.match(engine.links[0], { agentId: mac, mac, bootId: 'boot-1' })
  t.match(engine.hellos[0], {
    version: '0.1.0',
    actionId: 'a',
    facts: { arch: 'x86_64', firmware: 'uefi', memoryMiB: 2048, cpus: 2, disks: 1 },
  })
  engine.links[0]!.send({
    type: 'run-action',
    ...action,
    name: 'stream',
    image: 'image2disk',
    command: ['x'],
    environment: { A: 'b' },
    volumes: [],
    pidNamespace: 'host',
    networkNamespace: '',
    timeoutMs: 3_600_000_000_000,
    attempt: 2,
  })
  engine.links[0]!.send({ type: 'cancel-action', actionId: 'a', reason: 'enough' })
  t.match(await agent.hear(), {
    message: 'runAction',
    runAction: {
      ...action,
      command: ['x'],
      environment: { A: 'b' },
      timeoutMs: 3_600_000_000_000,
      attempt: 2,
    },
  })
  t.match(await agent.hear(), { message: 'cancelAction', cancelAction: { actionId: 'a', reason: 'enough' } })
  agent.say({ progress: { actionId: 'a', doneBytes: 5_000_000_000, totalBytes: 6_000_000_000 } })
  agent.say({ logs: { actionId: 'a', lines: ['one', 'two'] } })
  agent.say({ heartbeat: { uptimeMs: 1 } })
  agent.say({ report: { ...action, state: 'ACTION_STATE_SUCCESS', message: 'done', attempt: 2 } })
  const ack = await agent.hear()
  t.match(ack, { reportAck: { actionId: 'a', state: 'ACTION_STATE_SUCCESS', accepted: true } })
  t.match(engine.reports, [{ ...action, state: 'SUCCESS', message: 'done', attempt: 2 }])
  t.same(engine.progressed, [{ actionId: 'a', doneBytes: 5_000_000_000, totalBytes: 6_000_000_000 }])
  t.same(engine.logged, [['a', 'one', 'two']])
  t.equal(engine.beats, 1)
  agent.hangUp()
  t.match(await agent.ended, { code: status.OK })
  t.same(engine.gone, engine.links)
})

t.test('reports are answered one after the other, in order, and only once they are written', async (t) => {
  const { client, engine } = await open(t)
  const order: string[] = []
  engine.onReport = async ({ actionId }) => {
    order.push(`begin ${actionId}`)
    await sleep(actionId === 'a0' ? 30 : 1)
    order.push(`end ${actionId}`)
    return actionId !== 'a1'
  }
  const agent = client()
  agent.say(hello())
  await agent.hear()
  for (const id of ['a0', 'a1', 'a2'])
    agent.say({ report: { ...action, actionId: id, state: 'ACTION_STATE_FAILED' } })
  const acks = [await agent.hear(), await agent.hear(), await agent.hear()]
  t.match(acks, [
    { reportAck: { actionId: 'a0', accepted: true } },
    { reportAck: { actionId: 'a1', accepted: false } },
    { reportAck: { actionId: 'a2', accepted: true } },
  ])
  t.same(order, ['begin a0', 'end a0', 'begin a1', 'end a1', 'begin a2', 'end a2'])
})

t.test('a report that cannot be written is not acknowledged, and the session goes on', async (t) => {
  const { client, engine } = await open(t)
  engine.onReport = async ({ actionId }) => {
    if (actionId === 'a0') throw new AppError('Unavailable', 'disk full')
    return true
  }
  const agent = client()
  agent.say(hello())
  await agent.hear()
  for (const id of ['a0', 'a1'])
    agent.say({ report: { ...action, actionId: id, state: 'ACTION_STATE_FAILED' } })
  t.match(await agent.hear(), { reportAck: { actionId: 'a1' } })
})

t.test('many messages at once all arrive, in order', async (t) => {
  const { client, engine } = await open(t)
  engine.onReport = () => sleep(20).then(() => true)
  const agent = client()
  agent.say(hello())
  await agent.hear()
  agent.say({ report: { ...action, state: 'ACTION_STATE_RUNNING' } })
  for (let line = 0; line < 1000; line++) agent.say({ logs: { actionId: 'a', lines: [String(line)] } })
  agent.say({ report: { ...action, state: 'ACTION_STATE_SUCCESS' } })
  await agent.hear()
  t.match(await agent.hear(), { reportAck: { state: 'ACTION_STATE_SUCCESS' } })
  t.same(
    engine.logged,
    Array.from({ length: 1000 }, (_, line) => ['a', String(line)]),
  )
})

const impatient: Clock = { now: () => Date.now(), sleep: (ms) => sleep(Math.min(ms, 20)) }

t.test('sessions that are refused', async (t) => {
  const cases: { name: string; say: object[]; want: object; changes?: object; bytes?: Buffer }[] = [
    {
      name: 'a token that is not known',
      say: [hello({ token: 'bad' })],
      want: { code: status.UNAUTHENTICATED, details: 'token-unknown' },
    },
    {
      name: 'another version of the protocol',
      say: [hello({ protocol: 2 })],
      want: { code: status.FAILED_PRECONDITION, details: 'protocol 2 is not served, expected 1' },
    },
    {
      name: 'something before Hello',
      say: [{ heartbeat: {} }],
      want: { code: status.FAILED_PRECONDITION, details: 'the first message must be Hello' },
    },
    { name: 'no agent id', say: [hello({ agentId: '' })], want: { code: status.INVALID_ARGUMENT } },
    { name: 'no boot id', say: [hello({ bootId: '' })], want: { code: status.INVALID_ARGUMENT } },
    {
      name: 'an endless agent id',
      say: [hello({ agentId: 'x'.repeat(300) })],
      want: { code: status.INVALID_ARGUMENT },
    },
    { name: 'Hello twice', say: [hello(), hello()], want: { code: status.INVALID_ARGUMENT } },
    {
      name: 'a report without a state',
      say: [hello(), { report: action }],
      want: { code: status.INVALID_ARGUMENT, details: /report.state ACTION_STATE_UNSPECIFIED/ },
    },
    {
      name: 'a report with an endless id',
      say: [hello(), { report: { ...action, actionId: 'x'.repeat(300), state: 'ACTION_STATE_RUNNING' } }],
      want: { code: status.INVALID_ARGUMENT },
    },
    {
      name: 'bytes that are no message',
      say: [hello()],
      bytes: Buffer.from([0x0a, 0xff, 0xff, 0xff]),
      want: { code: status.INVALID_ARGUMENT, details: /malformed/ },
    },
    {
      name: 'bytes in place of Hello',
      say: [],
      bytes: Buffer.from([0x0a, 0x05, 1]),
      want: { code: status.INVALID_ARGUMENT },
    },
    {
      name: 'a message of more than 1 MiB',
      say: [hello(), { logs: { actionId: 'a', lines: ['x'.repeat(1_100_000)] } }],
      want: { code: status.RESOURCE_EXHAUSTED },
    },
    { name: 'silence', say: [], want: { code: status.DEADLINE_EXCEEDED }, changes: { clock: impatient } },
    {
      name: 'a server that cannot write the session down',
      say: [hello()],
      changes: {
        authenticate: async () => {
          throw new AppError('Unavailable', 'boot session is not on disk')
        },
      },
      want: { code: status.UNAVAILABLE, details: 'boot session is not on disk' },
    },
  ]
  for (const { name, say, want, changes, bytes } of cases) {
    t.test(name, async (t) => {
      const { client, engine } = await open(t, changes)
      const agent = client()
      for (const message of say) agent.say(message as Record<string, unknown>)
      if (bytes) agent.sayBytes(bytes)
      t.match(await agent.ended, want)
      await until(() => engine.gone.length === engine.links.length)
      t.equal(engine.gone.length, engine.links.length, 'the engine knows of no link that is gone')
    })
  }
})

t.test('a rejected machine is noted in its timeline', async (t) => {
  const { client, stages } = await open(t)
  const agent = client()
  agent.say(hello({ token: 'bad' }))
  await agent.ended
  t.same(stages, [[mac, 'agent-rejected', { why: 'token-unknown' }]])
})

t.test('the engine can end a session', async (t) => {
  const { client, engine } = await open(t)
  const agent = client()
  agent.say(hello())
  await agent.hear()
  await until(() => engine.links.length > 0)
  engine.links[0]!.close('a newer session')
  t.match(await agent.ended, { code: status.ABORTED, details: 'a newer session' })
  await until(() => engine.gone.length > 0)
  engine.links[0]!.send({ type: 'cancel-action', actionId: 'a', reason: '' })
  engine.links[0]!.close('again')
  t.equal(engine.gone.length, 1)
})

t.test('a connection that breaks ends the session', async (t) => {
  const { client, engine } = await open(t)
  const agent = client()
  agent.say(hello())
  await agent.hear()
  agent.cut()
  await until(() => engine.gone.length > 0)
  t.equal(engine.gone.length, 1)
})

t.test('the first byte', async (t) => {
  const { client, port } = await open(t)
  t.test('a plain call is heard, but AgentService is not for it', async (t) => {
    const agent = client({ plain: true })
    agent.say(hello())
    t.match(await agent.ended, { code: status.UNAUTHENTICATED, details: /TLS/ })
  })
  t.test('a client that trusts another CA does not connect', async (t) => {
    const agent = client({ ca: (await createCa(Date.now())).certPem })
    agent.say(hello())
    t.match(await agent.ended, { code: status.UNAVAILABLE })
  })
  t.test('connections that say nothing, nonsense, or one byte at a time harm nobody', async (t) => {
    const raw = (...parts: Buffer[]) =>
      new Promise<void>((resolve) => {
        const socket = connect(port, '127.0.0.1', async () => {
          for (const part of parts) {
            socket.write(part)
            await sleep(5)
          }
          socket.end()
        })
        socket.on('error', () => resolve())
        socket.on('close', () => resolve())
        socket.resume()
      })
    await raw()
    await raw(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    await raw(Buffer.from([0x16]), Buffer.from([3]), Buffer.from([1, 0, 5, 1, 2, 3, 4, 5]))
    await raw(Buffer.from([0]), Buffer.alloc(100_000))
    const agent = client()
    agent.say(hello())
    t.match(await agent.hear(), { message: 'welcome' })
  })
})

t.test('plain connections can be refused altogether', async (t) => {
  const { client, port } = await open(t, { plain: false })
  const plain = connect(port, '127.0.0.1', () => plain.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'))
  let heard = 0
  plain.on('data', (bytes) => (heard += bytes.length))
  plain.on('error', () => undefined)
  await new Promise((resolve) => plain.on('close', resolve))
  t.equal(heard, 0)
  const agent = client()
  agent.say(hello())
  t.match(await agent.hear(), { message: 'welcome' })
})

t.test('when the server goes, agents are asked to come back and hang up', async (t) => {
  const site = await openSite({ drainMs: 5000 })
  const agent = site.client()
  agent.say(hello())
  await agent.hear()
  const start = Date.now()
  const stopped = site.stop()
  t.match(await agent.hear(), { message: 'drain' })
  agent.hangUp()
  t.match(await agent.ended, { code: status.OK })
  await stopped
  t.ok(Date.now() - start < 2000, 'and nobody waits for the grace to pass')
  t.equal(site.engine.gone.length, 1)
})

t.test('an agent that does not hang up is cut off', async (t) => {
  const site = await openSite()
  const agent = site.client()
  agent.say(hello())
  await agent.hear()
  const silent = connect(site.port, '127.0.0.1')
  silent.on('error', () => undefined)
  await sleep(20)
  await site.stop()
  t.not((await agent.ended).code, status.OK)
  await until(() => site.engine.gone.length > 0)
  t.equal(site.engine.gone.length, 1)
})

t.test('a port that is taken is an error in words', async (t) => {
  const { port } = await open(t)
  await t.rejects(openSite({ port }), { code: 'Unavailable', message: new RegExp(`127.0.0.1:${port}`) })
})
