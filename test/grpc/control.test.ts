import t from 'tap'
import type { ControlVerb } from '../../src/workflow/run.ts'
import { createObject } from '../../src/store/resource.ts'
import { namespace } from '../workflow/house.ts'
import { openYard, runAgent, tasks, until } from './yard.ts'
import type { Kind, Yard } from './yard.ts'

const mac = '52:54:00:00:00:01'
const kinds: readonly Kind[] = ['current', 'legacy', 'legacy-0.6']
const two = tasks({ disk: ['stream', 'grow'] })

async function furnished(t: { teardown(end: () => Promise<void>): void }): Promise<Yard> {
  const yard = await openYard({ holdMs: 100 })
  t.teardown(() => yard.close())
  await yard.machine({ name: 'm1', mac })
  return yard
}

const control = (yard: Yard, name: string, verb: ControlVerb) =>
  yard.house.engine.control({ namespace, name }, verb, 'ann', 'a reason')

/** Something that ends when it is told to. */
function held() {
  let end = () => {}
  const over = new Promise<void>((resolve) => (end = resolve))
  return { over, end: () => end() }
}

async function statesOf(yard: Yard, name: string): Promise<string[]> {
  const { status } = await yard.house.read(name)
  return status!.tasks!.flatMap((task) => task.actions.map(({ state }) => state))
}

for (const kind of kinds) {
  t.test(
    `${kind}: one that is cancelled gets no further action, and what it says late changes nothing`,
    async (t) => {
      const yard = await furnished(t)
      await yard.workflow('w', two, mac)
      const work = held()
      const agent = runAgent(kind, yard.site.port, mac, {
        run: async () => work.over.then(() => 'SUCCESS' as const),
      })
      await until('it runs', () => agent.ran.includes('stream'))
      await control(yard, 'w', 'cancel')
      const { status } = await yard.house.state('w', 'FAILED')
      t.match(status?.conditions?.at(-1), {
        type: 'Succeeded',
        reason: 'Cancelled',
        message: 'action "stream" of task "disk": cancelled by ann: a reason',
      })
      const { metadata } = await yard.house.read('w')
      work.end()
      await until('it has told its end', () => agent.points.includes('ended stream'))
      await until(
        'it asks for more',
        () => agent.codes.length > 0 || agent.points.filter((one) => one === 'ask').length > 1,
      )
      const after = await yard.house.read('w')
      t.equal(after.metadata.resourceVersion, metadata.resourceVersion, 'nothing was written')
      t.same(await statesOf(yard, 'w'), ['FAILED', 'PENDING'])
      await agent.stop()
      t.same(agent.ran, ['stream'])
    },
  )

  t.test(`${kind}: one that is paused goes on with the next action when it is resumed`, async (t) => {
    const yard = await furnished(t)
    await yard.workflow('w', two, mac)
    const work = held()
    const agent = runAgent(kind, yard.site.port, mac, {
      run: async ({ name }) => {
        if (name === 'stream') await work.over
        return 'SUCCESS'
      },
    })
    await until('it runs', () => agent.ran.includes('stream'))
    await control(yard, 'w', 'pause')
    work.end()
    await until('it has told its end', () => agent.points.includes('ended stream'))
    await until(
      'it was refused',
      () => agent.codes.length > 0 || agent.points.filter((one) => one === 'ask').length > 2,
    )
    t.same(await statesOf(yard, 'w'), ['SUCCESS', 'PENDING'])
    await yard.reopen()
    const again = runAgent(kind, yard.site.port, mac)
    await until('it asks', () => again.points.includes('ask') && again.points.length > 0)
    t.same(await statesOf(yard, 'w'), ['SUCCESS', 'PENDING'], 'over a restart of the server too')
    await control(yard, 'w', 'resume')
    await yard.house.state('w', 'SUCCESS')
    await Promise.all([agent.stop(), again.stop()])
    t.same([...agent.ran, ...again.ran].toSorted(), ['grow', 'stream'], 'each action ran once')
  })

  t.test(`${kind}: a retry begins with the action that failed`, async (t) => {
    const yard = await furnished(t)
    await yard.workflow('w', two, mac)
    let isBroken = true
    const agent = runAgent(kind, yard.site.port, mac, {
      run: async ({ name }) => (name === 'grow' && isBroken ? 'FAILED' : 'SUCCESS'),
    })
    const { spec } = await yard.house.state('w', 'FAILED')
    isBroken = false
    const annotations = { 'ironwake.dev/retry-of': `${namespace}/w` }
    const object = {
      apiVersion: 'tinkerbell.org/v1alpha1',
      kind: 'Workflow',
      metadata: { namespace, name: 'w-retry-1', annotations },
      spec,
    }
    await createObject(yard.house.sqlite.store, object as never, {
      clock: yard.house.clock,
      newUid: () => 'uid-retry',
    })
    const { status } = await yard.house.state('w-retry-1', 'SUCCESS')
    await agent.stop()
    t.same(agent.ran, ['stream', 'grow', 'grow'])
    t.match(status?.tasks?.[0]?.actions[0], { message: `carried over from ${namespace}/w`, state: 'SUCCESS' })
  })

  t.test(`${kind}: an action that fails is handed out again when it is due`, async (t) => {
    const yard = await furnished(t)
    const template = two.replaceAll('pid: host', 'pid: host, retries: 1, retryDelay: 20s')
    await yard.workflow('w', template, mac)
    let failures = 1
    const agent = runAgent(kind, yard.site.port, mac, {
      run: async () => (failures-- > 0 ? 'FAILED' : 'SUCCESS'),
    })
    await until('the first try has failed', async () => {
      const { status } = await yard.house.read('w')
      return (status as { ironwake?: { failures?: number } })?.ironwake?.failures === 1
    })
    t.same(agent.ran, ['stream'])
    await yard.house.clock.advance(21_000)
    await yard.house.state('w', 'SUCCESS')
    await agent.stop()
    t.same(agent.ran, ['stream', 'stream', 'grow'])
  })
}

t.test('on-timeout and on-failure reach workers', async (t) => {
  const yard = await furnished(t)
  await yard.workflow('w', two.replaceAll('pid: host', 'pid: host, on-timeout: [a, b], on-failure: [c]'), mac)
  const agent = runAgent('legacy', yard.site.port, mac)
  await yard.house.state('w', 'SUCCESS')
  await agent.stop()
  t.match(agent.works[0], { on_timeout: ['a', 'b'], on_failure: ['c'] })
})
