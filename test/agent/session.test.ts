import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import t from 'tap'
import type { Test } from 'tap'
import type { Action } from '../../src/agent/actions/action.ts'
import type { Leave } from '../../src/agent/leave.ts'
import { Ledger } from '../../src/agent/ledger.ts'
import { Outbox } from '../../src/agent/outbox.ts'
import { Runner } from '../../src/agent/runner.ts'
import { runSession } from '../../src/agent/session.ts'
import { connector } from '../../src/agent/wire.ts'
import type { ActionReport, Hello, MachineFacts } from '../../src/model/agent-protocol.ts'
import { parseMac } from '../../src/model/mac.ts'
import { systemClock } from '../../src/model/clock.ts'
import { createCa, issueServerCertificate } from '../../src/pki/certificate.ts'
import { testMachine } from './machine.ts'

const protoFile = fileURLToPath(new URL('../../proto/ironwake/v1/agent.proto', import.meta.url))
const facts: MachineFacts = {
  arch: 'x86_64',
  kernel: '6.1',
  firmware: 'uefi',
  memoryBytes: 1,
  cpus: 1,
  vendor: '',
  product: '',
  serial: '',
  disks: [],
  nics: [],
}

type Up = {
  message: string
  hello?: Hello
  report?: ActionReport
  logs?: { lines: string[] }
  progress?: { doneBytes: number }
}
type Call = grpc.ServerDuplexStream<Up, object>

/** A server with its own CA whose behaviour is the test's. */
async function server(t: Test, onMessage: (call: Call, message: Up) => void) {
  const ca = await createCa(Date.now())
  const own = await issueServerCertificate(ca, { addresses: ['127.0.0.1'], hostnames: [] }, Date.now())
  const loaded = loadSync(protoFile, { longs: Number, enums: String, defaults: true, oneofs: true })
  const service = (
    grpc.loadPackageDefinition(loaded) as never as {
      ironwake: { v1: { AgentService: { service: grpc.ServiceDefinition } } }
    }
  ).ironwake.v1.AgentService.service
  const listening = new grpc.Server()
  listening.addService(service, {
    Session: (call: Call) => {
      call.on('data', (message: Up) => onMessage(call, message))
      call.on('error', () => undefined)
      call.on('end', () => call.end())
    },
  })
  const keys = [{ private_key: Buffer.from(own.keyPem), cert_chain: Buffer.from(own.certPem) }]
  const credentials = grpc.ServerCredentials.createSsl(null, keys)
  const port = await new Promise<number>((resolve, reject) => {
    listening.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port)))
  })
  t.teardown(() => listening.forceShutdown())
  return { target: `127.0.0.1:${port}`, ca: ca.certPem }
}

type Options = { action?: Action; folder?: string; ca?: string; leave?: (how: Leave) => Promise<void> }

function agent(t: Test, { target, ca }: { target: string; ca: string }, options: Options = {}) {
  const ledger = new Ledger(join(options.folder ?? t.testdir({}), 'actions.json'))
  const clock = {
    ...systemClock,
    sleep: (ms: number, signal?: AbortSignal) =>
      systemClock.sleep(ms > 60_000 ? ms : Math.min(ms, 30), signal),
  }
  const outbox = new Outbox({ ledger, clock })
  const findAction = () => options.action ?? (async () => ({ message: 'done' }))
  const said: string[] = []
  const say = (line: string) => void said.push(line)
  const leave = options.leave ?? (async () => undefined)
  const runner = new Runner({ ledger, outbox, machine: testMachine({}), findAction, leave, say })
  runner.resume()
  let key = ''
  const stop = new AbortController()
  const mac = parseMac('52:54:00:00:00:01')!
  const identity = { agentId: 'm1', mac, token: 'tok', grpc: target, ca, registries: [] }
  const done = runSession(
    {
      connect: connector(protoFile, target, options.ca ?? ca),
      identity,
      bootId: 'boot-1',
      version: '1',
      facts: async () => facts,
      health: async () => ({ uptimeMs: 5, memoryAvailableBytes: 6 }),
      sessionKey: { get: () => key, set: (next) => (key = next) },
      runner,
      outbox,
      clock,
      random: () => 0,
      say,
      onConnectFailure: async () => undefined,
    },
    stop.signal,
  )
  t.teardown(async () => {
    stop.abort()
    await done
  })
  return { said, ledger, runner, key: () => key }
}

const welcome = { welcome: { sessionKey: 'key-1', heartbeatMs: 250 } }
const command = (actionId: string, more: object = {}) => ({
  runAction: {
    workflowId: 'ns/w',
    taskId: 't',
    actionId,
    name: 'act',
    image: 'x',
    attempt: 1,
    timeoutMs: 60_000,
    ...more,
  },
})
const ack = ({ actionId, state }: ActionReport) => ({ reportAck: { actionId, state, accepted: true } })

/** Resolves when `condition` holds; the test's own timeout is the limit. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await systemClock.sleep(10)
}

t.test('the agent says who it is, obeys, reports with logs, and beats', async (t) => {
  const got: Up[] = []
  const site = await server(t, (call, message) => {
    got.push(message)
    if (message.hello) {
      call.write(welcome)
      call.write(command('a1', { environment: { K: 'v' } }))
    }
    if (message.report) call.write(ack(message.report))
  })
  let seen: unknown
  const action: Action = async (run) => {
    seen = run.environment
    run.log('working\u0007on it')
    run.progress(5, 10)
    return { message: 'all written' }
  }
  const { key, ledger } = agent(t, site, { action })
  await until(
    () => ledger.get('a1')?.acknowledged === true && got.some((message) => message.message === 'heartbeat'),
  )
  t.match(got[0]?.hello, {
    protocol: 1,
    agentId: 'm1',
    bootId: 'boot-1',
    token: 'tok',
    sessionKey: '',
    facts: { firmware: 'uefi' },
  })
  t.match(seen, { K: 'v' })
  const order = got
    .filter((message) => message.message !== 'heartbeat')
    .map((message) => message.report?.state ?? message.message)
  t.same(order, ['hello', 'ACTION_STATE_RUNNING', 'logs', 'progress', 'ACTION_STATE_SUCCESS'])
  t.match(got.find((message) => message.logs)?.logs?.lines, ['working on it', 'success: all written'])
  t.match(got.find((message) => message.report?.state === 'ACTION_STATE_SUCCESS')?.report, {
    message: 'all written',
    workflowId: 'ns/w',
    attempt: 1,
  })
  t.equal(key(), 'key-1')
})

t.test(
  'after a drain it comes back with its session key and repeats what was not acknowledged',
  async (t) => {
    const hellos: Hello[] = []
    const reports: ActionReport[] = []
    const site = await server(t, (call, message) => {
      if (message.hello) {
        hellos.push(message.hello)
        call.write(welcome)
        if (hellos.length === 1) call.write(command('a1'))
      }
      if (!message.report) return
      reports.push(message.report)
      if (hellos.length > 1) call.write(ack(message.report))
      else if (message.report.state === 'ACTION_STATE_SUCCESS') call.write({ drain: {} })
    })
    const { ledger } = agent(t, site)
    await until(() => ledger.get('a1')?.acknowledged === true)
    t.match(hellos[1], { token: '', sessionKey: 'key-1', actionId: 'a1' })
    t.equal(reports.at(-1)?.state, 'ACTION_STATE_SUCCESS')
  },
)

t.test('an action that has succeeded is never run again, also by the next process', async (t) => {
  const folder = t.testdir({})
  let starts = 0
  const action: Action = async () => ({ message: `start ${++starts}` })
  const reports: ActionReport[] = []
  const site = await server(t, (call, message) => {
    if (message.hello) {
      call.write(welcome)
      call.write(command('a1'))
      call.write(command('a1', { attempt: 2 }))
    }
    if (message.report) reports.push(message.report)
  })
  agent(t, site, { action, folder })
  await until(() => reports.filter((report) => report.state === 'ACTION_STATE_SUCCESS').length >= 2)
  agent(t, site, { action, folder })
  const before = reports.length
  await until(() => reports.length > before + 1)
  t.equal(starts, 1)
  t.equal(reports.at(-1)?.message, 'start 1')
})

t.test('a failed action is run again only for a new attempt', async (t) => {
  let starts = 0
  const action: Action = async () => {
    throw new Error(`broken\n${++starts}`)
  }
  const failed: ActionReport[] = []
  const site = await server(t, (call, message) => {
    if (message.hello) {
      call.write(welcome)
      call.write(command('a1'))
    }
    if (message.report?.state !== 'ACTION_STATE_FAILED') return
    failed.push(message.report)
    call.write(ack(message.report))
    if (failed.length < 3) call.write(command('a1', { attempt: failed.length }))
  })
  agent(t, site, { action })
  await until(() => failed.length === 3)
  t.same(
    failed.map(({ message, attempt }) => [message, attempt]),
    [
      ['broken 1', 1],
      ['broken 1', 1],
      ['broken 2', 2],
    ],
  )
})

const stops = [
  {
    name: 'cancelled',
    down: { cancelAction: { actionId: 'a1', reason: 'by the operator' } },
    timeoutMs: 60_000,
    state: 'ACTION_STATE_FAILED',
    says: 'cancelled: by the operator',
  },
  {
    name: 'beyond its deadline',
    down: undefined,
    timeoutMs: 300,
    state: 'ACTION_STATE_TIMEOUT',
    says: 'not finished within 0 s',
  },
]
for (const { name, down, timeoutMs, state, says } of stops) {
  t.test(`an action that is ${name} is aborted`, async (t) => {
    const ended: ActionReport[] = []
    const site = await server(t, (call, message) => {
      if (message.hello) {
        call.write(welcome)
        call.write(command('a1', { timeoutMs }))
        call.write(command('a1', { timeoutMs }))
      }
      if (!message.report) return
      if (message.report.state !== 'ACTION_STATE_RUNNING') ended.push(message.report)
      else if (down && message.report.message === 'still running') call.write(down)
    })
    const action: Action = ({ signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    agent(t, site, { action })
    await until(() => ended.length > 0)
    t.match(ended[0], { state, message: says })
  })
}

const restarting: Action = async () => ({ message: 'restarting', leave: 'reboot' })

t.test('what ends the boot waits for the acknowledgement', async (t) => {
  const order: string[] = []
  const site = await server(t, (call, message) => {
    if (message.hello) {
      call.write(welcome)
      call.write(command('a1'))
    }
    if (message.report?.state !== 'ACTION_STATE_SUCCESS') return
    order.push('reported')
    call.write(ack(message.report))
  })
  agent(t, site, { action: restarting, leave: async (how) => void order.push(how) })
  await until(() => order.includes('reboot'))
  t.same(order, ['reported', 'reboot'])
})

t.test('a boot does not end for an action that the server has given up', async (t) => {
  let left = 0
  const site = await server(t, (call, message) => {
    if (message.hello) {
      call.write(welcome)
      call.write(command('a1'))
    }
    if (message.report?.state !== 'ACTION_STATE_SUCCESS') return
    call.write({ reportAck: { actionId: 'a1', state: message.report.state, accepted: false } })
  })
  const { said, ledger } = agent(t, site, { action: restarting, leave: async () => void left++ })
  await until(() => said.some((line) => line.includes('the machine stays')))
  t.equal(left, 0)
  t.equal(ledger.leaving(), undefined, 'nor does it when the agent is started again')
})

t.test(
  'an agent that ended between the acknowledgement and the end of the boot ends it next time',
  async (t) => {
    const folder = t.testdir({})
    let starts = 0
    const left: string[] = []
    const site = await server(t, (call, message) => {
      if (message.hello) call.write(welcome)
      if (message.hello && starts === 0) call.write(command('a1'))
      if (message.report?.state === 'ACTION_STATE_SUCCESS') call.write(ack(message.report))
    })
    const action: Action = async () => {
      starts++
      return { message: 'loaded', leave: 'kexec' }
    }
    const first = agent(t, site, { action, folder, leave: async () => new Promise(() => undefined) })
    await until(() => first.ledger.get('a1')?.acknowledged === true)
    agent(t, site, { action, folder, leave: async (how) => void left.push(how) })
    await until(() => left.length > 0)
    t.same([left, starts], [['kexec'], 1])
  },
)

t.test('a refused identity is explained, and a refused session key gives way to the token', async (t) => {
  const hellos: Hello[] = []
  const site = await server(t, (call, message) => {
    if (!message.hello) return
    hellos.push(message.hello)
    if (hellos.length === 1) {
      call.write(welcome)
      call.write({ drain: {} })
      return
    }
    call.emit('error', { code: grpc.status.UNAUTHENTICATED, details: 'token was used by another boot' })
  })
  const { said } = agent(t, site)
  await until(() => hellos.length === 3)
  t.same(
    hellos.map((hello) => hello.token || hello.sessionKey),
    ['tok', 'key-1', 'tok'],
  )
  await until(() =>
    said.some((line) => /does not accept this boot's identity \(token was used by another boot\)/.test(line)),
  )
})

t.test('a server whose certificate is from another CA gets nothing', async (t) => {
  let messages = 0
  const site = await server(t, () => messages++)
  const other = await createCa(Date.now())
  const { said } = agent(t, site, { ca: other.certPem })
  await until(() => said.length > 1)
  t.match(said[0], /session with 127\.0\.0\.1:\d+ ended: .*certificate/)
  t.equal(messages, 0)
})
