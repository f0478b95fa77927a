import { credentials } from '@grpc/grpc-js'
import t from 'tap'
import { template } from '../workflow/house.ts'
import { hello, siteCa } from './site.ts'
import type { Conversation } from './site.ts'
import { openYard, runAgent, tasks, until } from './yard.ts'
import type { Kind, Yard, YardOptions } from './yard.ts'

const macs = ['52:54:00:00:00:01', '52:54:00:00:00:02', '52:54:00:00:00:03', '52:54:00:00:00:04'] as const
const kinds: readonly Kind[] = ['current', 'legacy', 'legacy-0.6']
const two = tasks({ disk: ['stream', 'grow'], configure: ['write', 'finish'] })
const all = ['stream', 'grow', 'write', 'finish']

async function furnished(
  t: { teardown(end: () => Promise<void>): void },
  options: YardOptions = {},
): Promise<Yard> {
  const yard = await openYard(options)
  t.teardown(() => yard.close())
  for (const [index, mac] of macs.entries()) await yard.machine({ name: `m${index}`, mac })
  return yard
}

/** Carries out whatever our own agent is given. */
async function ownAgent(agent: Conversation): Promise<string[]> {
  const ran: string[] = []
  agent.say(hello({ agentId: macs[0] }))
  for (;;) {
    const said = await agent.hear().catch(() => undefined)
    if (!said) return ran
    const command = said['runAction'] as Record<string, string> | undefined
    if (!command) continue
    ran.push(command['name']!)
    const { workflowId, taskId, actionId } = command
    agent.say({ report: { workflowId, taskId, actionId, state: 'ACTION_STATE_SUCCESS', attempt: 1 } })
  }
}

t.test('three generations and our own agent carry out Workflows side by side', async (t) => {
  const yard = await furnished(t)
  const agents = kinds.map((kind, index) => runAgent(kind, yard.site.port, macs[index + 1]!))
  const own = yard.site.client()
  const ours = ownAgent(own)
  for (const mac of macs) await yard.workflow(`w-${mac.slice(-2)}`, two, mac)
  for (const mac of macs) await yard.house.state(`w-${mac.slice(-2)}`, 'SUCCESS')
  own.hangUp()
  t.same(await ours, all)
  for (const [index, agent] of agents.entries()) {
    await agent.stop()
    t.same(agent.ran, all, kinds[index]!)
    const failures = agent.codes.filter((code) => !/^(GetAction 9|\S+ 1)$/.test(code))
    t.same(failures, [], 'nothing but "no action" was refused')
  }
  const story = yard.house.timeline
    .filter(({ stage }) => stage === 'agent-hello')
    .map(({ facts }) => facts['version'])
  t.same(new Set(story), new Set(['1', '0.1.0', 'tink-agent', 'tink-worker'].slice(1)))
})

t.test('what an action looks like to each generation', async (t) => {
  for (const kind of kinds)
    t.test(kind, async (t) => {
      const yard = await furnished(t)
      await yard.workflow(
        'w',
        tasks({ disk: ['stream', 'rootio reg.example/rootio:v1'] }, { timeout: 0 }),
        macs[1],
      )
      const agent = runAgent(kind, yard.site.port, macs[1])
      const { status } = await yard.house.state('w', 'SUCCESS')
      await agent.stop()
      t.match(agent.works[0], {
        workflowId: 'eksa-system/w',
        name: 'stream',
        image: 'quay.io/tinkerbell/actions/image2disk:latest',
        timeout: 3600,
        command: ['a', 'b'],
        volumes: ['/dev:/dev', '/lib:/lib'],
        environment: ['A=x=y', 'LEVEL=action', 'TASK=1'],
        pid: 'host',
      })
      t.match(agent.works[1], { image: 'reg.example/rootio:v1' }, 'images are named as they are')
      t.ok(
        status?.tasks?.[0]?.actions.every(
          ({ executionStart, executionStop }) => executionStart! <= executionStop!,
        ),
      )
    })
})

t.test('by TLS too', async (t) => {
  const yard = await furnished(t)
  await yard.workflow('w', two, macs[1])
  const agent = runAgent('current', yard.site.port, macs[1], {
    credentials: credentials.createSsl(Buffer.from(siteCa)),
  })
  await yard.house.state('w', 'SUCCESS')
  await agent.stop()
  t.same(agent.ran, all)
})

t.test('an agent that waits is given its action as soon as there is one', async (t) => {
  const yard = await furnished(t, { holdMs: 60_000 })
  const agent = runAgent('current', yard.site.port, macs[1])
  await until('the agent waits', () => agent.points.includes('ask'))
  await until('it is known', () => yard.house.timeline.some(({ stage }) => stage === 'agent-hello'))
  await yard.workflow('w', two, macs[1])
  await yard.house.state('w', 'SUCCESS')
  await agent.stop()
  const asked = agent.points.filter((point) => point === 'ask').length
  t.ok(asked <= agent.ran.length + 1, 'it has never asked in vain')
})

t.test('without work a call is held, then told so in the code that agents take quietly', async (t) => {
  const yard = await furnished(t, { holdMs: 50 })
  const agent = runAgent('current', yard.site.port, macs[1])
  await until('an answer', () => agent.codes.length > 1)
  await agent.stop()
  t.same(new Set(agent.codes.slice(0, 2)), new Set(['GetAction 9']))
})

t.test('a RUNNING report that fails is followed by the same action', async (t) => {
  for (const kind of ['current', 'legacy'] as const)
    t.test(kind, async (t) => {
      let failures = 2
      const yard = await furnished(t, {
        between: (engine) => ({
          ...engine,
          report: async (link, report) => {
            if (report.state === 'RUNNING' && failures-- > 0) throw new Error('disk full')
            return engine.report(link, report)
          },
        }),
      })
      const agent = runAgent(kind, yard.site.port, macs[1])
      await yard.workflow('w', two, macs[1])
      await yard.house.state('w', 'SUCCESS')
      await agent.stop()
      t.same(agent.ran, all)
      t.equal(agent.codes.filter((code) => /RUNNING 13/.test(code)).length, 2)
    })
})

t.test('a report of an end that cannot be written is repeated, and ends no agent', async (t) => {
  for (const kind of ['current', 'legacy'] as const)
    t.test(kind, async (t) => {
      const codes = ['NotFound', 'Invalid', 'FailedPrecondition', 'Unavailable'] as const
      const { AppError } = await import('../../src/model/error.ts')
      let turn = 0
      const yard = await furnished(t, {
        between: (engine) => ({
          ...engine,
          report: async (link, report) => {
            const code = codes[turn]
            if (report.state === 'SUCCESS' && turn++ < codes.length) throw new AppError(code!, 'not now')
            return engine.report(link, report)
          },
        }),
      })
      const agent = runAgent(kind, yard.site.port, macs[1])
      await yard.workflow('w', two, macs[1])
      await yard.house.state('w', 'SUCCESS')
      await agent.stop()
      t.same(agent.ran, all)
      t.equal(agent.codes.filter((code) => /SUCCESS 14/.test(code)).length, 4)
    })
})

t.test('an action that fails ends the Workflow, with a reason in our words', async (t) => {
  for (const kind of kinds)
    t.test(kind, async (t) => {
      const yard = await furnished(t)
      const agent = runAgent(kind, yard.site.port, macs[1], {
        run: async ({ name }) => (name === 'grow' ? 'FAILED' : 'SUCCESS'),
      })
      await yard.workflow('w', two, macs[1])
      const { status } = await yard.house.state('w', 'FAILED')
      await agent.stop()
      t.same(agent.ran, ['stream', 'grow'])
      t.match(status?.conditions?.at(-1)?.message, /grow.*gives no reason: see the syslog/)
    })
})

t.test('a deadline holds, and what the agent says later changes nothing', async (t) => {
  for (const kind of ['current', 'legacy'] as const)
    t.test(kind, async (t) => {
      const yard = await furnished(t)
      let finish = () => {}
      const agent = runAgent(kind, yard.site.port, macs[1], {
        run: ({ workflowId }) =>
          workflowId.endsWith('/w')
            ? new Promise((resolve) => (finish = () => resolve('SUCCESS')))
            : Promise.resolve('SUCCESS'),
      })
      await yard.workflow('w', two, macs[1])
      await until('the action runs', () => agent.ran.length)
      await yard.house.clock.advance(120_000)
      const { status } = await yard.house.state('w', 'TIMEOUT')
      t.match(status?.conditions?.at(-1), { reason: 'ActionTimeout' })
      await yard.workflow('next', two, macs[1])
      finish()
      if (kind === 'current') {
        await yard.house.state('next', 'SUCCESS')
        t.same(agent.ran, ['stream', ...all], 'it goes on with the next Workflow')
      } else {
        await until('it asks for the next action', () => agent.codes.includes('STATE_RUNNING 10'))
        t.same(agent.ran, ['stream'], 'of the dead Workflow nothing more is run')
        t.match((await yard.house.read('w')).status, { state: 'TIMEOUT' })
      }
      await agent.stop()
    })
})

t.test('one Workflow of a machine runs at a time, the oldest first', async (t) => {
  for (const kind of ['current', 'legacy'] as const)
    t.test(kind, async (t) => {
      const yard = await furnished(t)
      await yard.workflow('one', two, macs[1])
      await yard.house.clock.advance(2000)
      await yard.workflow('two', tasks({ only: ['last'] }), macs[1])
      const agent = runAgent(kind, yard.site.port, macs[1], {
        run: async (work) => {
          if (work.workflowId.endsWith('/one'))
            t.match((await yard.house.read('two')).status, { state: 'PENDING' })
          return 'SUCCESS'
        },
      })
      await yard.house.state('two', 'SUCCESS')
      await agent.stop()
      t.same(agent.ran, [...all, 'last'])
    })
})

t.test('tasks of two machines take turns', async (t) => {
  const yard = await furnished(t)
  const task = (name: string, worker: string) =>
    tasks({ [name]: [`${name}-1`, `${name}-2`] }, { worker })
      .split('\n')
      .slice(4)
  const text = [
    ...tasks({}).split('\n'),
    ...task('a', macs[1]),
    ...task('b', macs[2]),
    ...task('c', macs[1]),
  ].join('\n')
  const agents = [runAgent('current', yard.site.port, macs[1]), runAgent('legacy', yard.site.port, macs[2])]
  await yard.workflow('w', text, macs[1])
  await yard.house.state('w', 'SUCCESS')
  for (const agent of agents) await agent.stop()
  t.same(agents[0]!.ran, ['a-1', 'a-2', 'c-1', 'c-2'])
  t.same(agents[1]!.ran, ['b-1', 'b-2'])
})

t.test('a restart of the server', async (t) => {
  for (const kind of kinds)
    t.test(kind, async (t) => {
      const yard = await furnished(t)
      await yard.workflow('w', two, macs[1])
      const first = runAgent(kind, yard.site.port, macs[1], {
        run: async ({ name }) => (name === 'grow' ? new Promise(() => {}) : 'SUCCESS'),
      })
      await until('the second action runs', () => first.ran.includes('grow'))
      await yard.reopen()
      const second = runAgent(kind, yard.site.port, macs[1])
      await yard.house.state('w', 'SUCCESS')
      await second.stop()
      t.same(second.ran, ['grow', 'write', 'finish'], 'what has succeeded does not run again')
    })
})

t.test('an action that ends the boot', async (t) => {
  const text = tasks({ all: ['stream', 'restart quay.io/tinkerbell/actions/kexec:latest', 'after'] })
  const left = () => new Promise<never>(() => {})
  for (const kind of ['current', 'legacy'] as const)
    t.test(kind, async (t) => {
      const yard = await furnished(t)
      await yard.workflow('w', text, macs[1])
      const before = runAgent(kind, yard.site.port, macs[1], {
        run: ({ name }) => (name === 'restart' ? left() : Promise.resolve('SUCCESS')),
      })
      await until('it runs', () => before.ran.includes('restart'))
      const again = runAgent(kind, yard.site.port, macs[1])
      await yard.reopen()
      await again.stop()
      t.same(again.ran, [], 'another agent of the machine does not get what the first one runs')
      const after = runAgent(kind, yard.site.port, macs[1])
      await yard.house.state('w', 'SUCCESS')
      await after.stop()
      t.same(after.ran, ['after'], 'it has succeeded once the machine is back')
    })
  t.test('as the last one, it has succeeded once the agent is gone for good', async (t) => {
    const yard = await furnished(t)
    await yard.workflow('w', template(['last quay.io/tinkerbell/actions/kexec:latest']), macs[1])
    const agent = runAgent('current', yard.site.port, macs[1], { run: left })
    await until('it runs', () => agent.ran.includes('last'))
    await until('it is noted', async () => {
      const { status } = await yard.house.read('w')
      return (status as { ironwake?: object })?.ironwake && JSON.stringify(status).includes('isLeaving')
    })
    await yard.site.stop()
    await yard.house.clock.advance(40_000)
    const { status } = await yard.house.state('w', 'SUCCESS')
    t.match(status?.tasks?.[0]?.actions[0], { message: 'the machine has left' })
  })
})
