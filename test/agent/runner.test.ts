import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import type { Action, ActionRun } from '../../src/agent/actions/action.ts'
import { openSource } from '../../src/agent/image/source.ts'
import { Ledger } from '../../src/agent/ledger.ts'
import { Outbox } from '../../src/agent/outbox.ts'
import { Runner } from '../../src/agent/runner.ts'
import type { AgentMessage, RunAction } from '../../src/model/agent-protocol.ts'
import { systemClock } from '../../src/model/clock.ts'
import { testMachine } from './machine.ts'

/** A runner whose words are kept. */
function started(t: Test, action: Action, isNative = false) {
  const ledger = new Ledger(join(t.testdir({}), 'actions.json'))
  const outbox = new Outbox({ ledger, clock: systemClock })
  const said: string[] = []
  const sent: AgentMessage[] = []
  const stop = new AbortController()
  void outbox.drive((message) => sent.push(message), stop.signal)
  t.teardown(() => stop.abort())
  const runner = new Runner({
    ledger,
    outbox,
    machine: testMachine({}),
    findAction: () => action,
    isNative: () => isNative,
    leave: async () => undefined,
    say: (line) => said.push(line),
  })
  const states = () => sent.flatMap((message) => ('report' in message ? [message.report.state] : []))
  return {
    runner,
    said,
    states,
    hasSaid: (text: string) => until(text, () => said.some((line) => line.includes(text))),
  }
}

async function until(what: string, is: () => boolean): Promise<void> {
  const end = Date.now() + 10_000
  while (!is()) {
    if (Date.now() > end) throw new Error(`never happened: ${what}`)
    await sleep(2)
  }
}

const command = (more: Partial<RunAction> = {}): RunAction => ({
  workflowId: 'ns/w',
  taskId: 't',
  actionId: 'a1',
  name: 'stream',
  image: 'registry.example/x:1',
  command: ['go'],
  environment: { A: '1' },
  volumes: ['/a:/b'],
  pidNamespace: 'host',
  networkNamespace: 'none',
  timeoutMs: 60_000,
  attempt: 1,
  ...more,
})

/** Goes on whenever its gate lets it, until told to end. */
function steps() {
  let count = 0
  let isToEnd = false
  const action: Action = async ({ gate, signal }) => {
    while (!isToEnd) {
      await gate!.passed(signal)
      count++
      await sleep(1, undefined, { signal })
    }
    return { message: 'done' }
  }
  return { action, count: () => count, end: () => (isToEnd = true) }
}

t.test('an action that is paused stands still until it is sent again', async (t) => {
  const work = steps()
  const { runner, hasSaid, states } = started(t, work.action)
  runner.run(command({ timeoutMs: 300 }))
  await until('it runs', () => work.count() > 3)
  runner.pause('a1', 'a new cable')
  await hasSaid('paused: a new cable')
  const at = work.count()
  await sleep(400)
  t.ok(work.count() <= at + 1, 'nothing moves, and no deadline passes')
  runner.run(command({ timeoutMs: 60_000 }))
  await hasSaid('going on')
  await until('it goes on', () => work.count() > at + 3)
  work.end()
  await runner.idle()
  await hasSaid('success: done')
  t.notOk(states().includes('ACTION_STATE_TIMEOUT'))
})

t.test('one that is cancelled while it is paused ends', async (t) => {
  const work = steps()
  const { runner, said } = started(t, work.action)
  runner.run(command())
  runner.pause('a1', '')
  runner.pause('other', '')
  await until('it is paused', () => said.some((line) => line.includes('paused')))
  runner.cancel('a1', 'no')
  await runner.idle()
  t.match(said.at(-1), /failed: cancelled: no/)
})

t.test('a cancellation that comes right behind its action is not lost', async (t) => {
  const work = steps()
  const { runner, said } = started(t, work.action)
  runner.run(command())
  runner.cancel('a1', 'no')
  await runner.idle()
  t.match(said.at(-1), /failed: cancelled: no/)
})

t.test('what the template wants done after a failure', async (t) => {
  const failing =
    (seen: ActionRun[]): Action =>
    async (run) => {
      seen.push(run)
      if (run.command[0] !== 'go') return { message: `ran ${run.command.join(' ')}` }
      await sleep(run.environment['A'] === 'slow' ? 60_000 : 0, undefined, { signal: run.signal }).catch(
        () => undefined,
      )
      throw new Error('no such thing')
    }
  const cases: { name: string; with: Partial<RunAction>; native?: boolean; want: RegExp }[] = [
    { name: 'on-failure', with: { onFailure: ['tell', 'ann'] }, want: /on-failure: ran tell ann/ },
    {
      name: 'on-timeout',
      with: { onTimeout: ['tell', 'bob'], timeoutMs: 30, environment: { A: 'slow' } },
      want: /on-timeout: ran tell bob/,
    },
    {
      name: 'the agent’s own actions have no image',
      with: { onFailure: ['tell'] },
      native: true,
      want: /on-failure is not run: registry.example\/x:1 is an action of the agent itself/,
    },
    { name: 'nothing', with: {}, want: /failed: no such thing/ },
  ]
  for (const { name, with: more, native, want } of cases)
    t.test(name, async (t) => {
      const seen: ActionRun[] = []
      const { runner, said } = started(t, failing(seen), native)
      runner.run(command(more))
      await runner.idle()
      t.match(said.at(-1), want)
      for (const run of seen)
        t.match(run, { volumes: ['/a:/b'], pidNamespace: 'host', networkNamespace: 'none' })
    })
  t.test('but not when somebody has cancelled it', async (t) => {
    const seen: ActionRun[] = []
    const { runner, said } = started(t, failing(seen))
    runner.run(command({ onFailure: ['tell'], environment: { A: 'slow' } }))
    await until('it runs', () => seen.length > 0)
    runner.cancel('a1', 'no')
    await runner.idle()
    t.match(said.at(-1), /cancelled: no/)
    t.equal(seen.length, 1)
  })
})

t.test('a download whose connection dies during a pause goes on from there', async (t) => {
  const file = Buffer.alloc(8 << 20, 'x')
  const ranges: (string | undefined)[] = []
  let first: ServerResponse | undefined
  const server = createServer((request, response) => {
    const { range } = request.headers
    ranges.push(range)
    const from = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0)
    const end = { 'content-range': `bytes ${from}-${file.length - 1}/${file.length}` }
    response.writeHead(range ? 206 : 200, {
      etag: '"1"',
      'content-length': file.length - from,
      ...(range && end),
    })
    first ??= response
    response.end(file.subarray(from))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/image`
  let served = 0
  const pull: Action = async ({ signal, gate, log }) => {
    const deps = {
      clock: systemClock,
      signal,
      log,
      trusted: [],
      silenceMs: 60_000,
      patienceMs: 1,
      checked: false,
    }
    const { chunks } = await openSource(url, { ...deps, gate })
    for await (const chunk of chunks) {
      served += chunk.length
      if (served >= 1 << 20 && ranges.length === 1 && gate!.isOpen) await sleep(5)
    }
    return { message: `${served} bytes` }
  }
  const { runner, said, hasSaid } = started(t, pull)
  runner.run(command())
  await until('bytes come', () => served > 1 << 20)
  runner.pause('a1', '')
  await hasSaid('paused')
  await sleep(50)
  const at = served
  first!.socket!.destroy()
  await sleep(50)
  t.equal(served, at, 'not a byte more')
  runner.run(command())
  await runner.idle()
  t.match(said.at(-1), new RegExp(`success: ${file.length} bytes`))
  t.match(ranges[1], /^bytes=\d+-$/, 'the rest was asked for, and not the whole')
})
