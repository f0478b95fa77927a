import t from 'tap'
import type { Test } from 'tap'
import { isCode } from '../../src/model/error.ts'
import type { RunStatus } from '../../src/workflow/run.ts'
import { until } from './clock.ts'
import { connectAgent, namespace, openHouse, template } from './house.ts'
import type { House } from './house.ts'
import { mac } from './runs.ts'

async function furnished(t: Test, text = template(['one', 'two'])): Promise<House> {
  const house = await openHouse()
  t.teardown(() => house.close())
  await house.hardware('machine', mac)
  await house.template('install', text)
  return house
}

const steer = (house: House, name: string, verb: 'cancel' | 'pause' | 'resume') =>
  house.engine.control({ namespace, name }, verb, 'ann', '')
const conditionOf = async (house: House, name: string, type: string) =>
  (await house.read(name)).status?.conditions?.find((one) => one.type === type)

t.test('a pause holds over a restart of the server, and its time does not count', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  await house.clock.advance(10_000)
  await steer(house, 'w1', 'pause')
  t.match(agent.told.at(-1), { type: 'pause-action', actionId: agent.current().actionId })
  await house.restart(3_600_000)
  const back = await connectAgent(house)
  t.match(back.told, [{ type: 'pause-action' }], 'it is told nothing else')
  await house.clock.advance(3_600_000)
  t.equal((await house.read('w1')).status?.state, 'RUNNING')
  const again = await connectAgent(house)
  await steer(house, 'w1', 'resume')
  await until('it goes on', () => again.told.some(({ type }) => type === 'run-action'))
  t.match(again.current(), { name: 'one', timeoutMs: 50_000, attempt: 1 })
  t.equal(await again.report('SUCCESS'), true)
})

t.test('a cancelled Workflow lets the next one of the machine begin', async (t) => {
  const house = await furnished(t)
  for (const name of ['w1', 'w2', 'w3']) {
    await house.workflow(name)
    await house.state(name, 'PENDING')
    await house.clock.advance(1000)
  }
  const agent = await connectAgent(house)
  const [, w2, w3] = await Promise.all(['w1', 'w2', 'w3'].map((name) => house.read(name)))
  t.same(house.engine.turnOf(w2!), { ahead: 1, after: { namespace, name: 'w1' } })
  t.same(house.engine.turnOf(w3!), { ahead: 2, after: { namespace, name: 'w2' } })
  await steer(house, 'w2', 'pause')
  t.same(house.engine.turnOf(w3!), { ahead: 1, after: { namespace, name: 'w1' } })
  const { actionId } = agent.current()
  await steer(house, 'w1', 'cancel')
  t.ok(agent.told.some((command) => command.type === 'cancel-action' && command.actionId === actionId))
  await house.state('w3', 'RUNNING')
  t.equal((await house.read('w2')).status?.state, 'PENDING')
  t.match(house.story(), ['agent-hello', 'workflow-started', 'action-started one'])
})

t.test('one that is paused before its turn begins when it is resumed', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  await steer(house, 'w1', 'pause')
  const agent = await connectAgent(house)
  t.same(agent.actions(), [])
  await steer(house, 'w1', 'resume')
  await house.state('w1', 'RUNNING')
})

t.test('what cannot be done is a conflict, what is not there is not found', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  await steer(house, 'w1', 'cancel')
  await steer(house, 'w1', 'cancel')
  t.ok(isCode(await steer(house, 'w1', 'pause').catch((error: unknown) => error), 'Conflict'))
  t.ok(isCode(await steer(house, 'nobody', 'pause').catch((error: unknown) => error), 'NotFound'))
})

t.test(
  'a failed action is sent again when its time has come, over a restart of the server too',
  async (t) => {
    const text = template(['one']).replace('timeout: 60', 'timeout: 60, retries: 3, retryDelay: 30s')
    const house = await furnished(t, text)
    await house.workflow('w1')
    await house.state('w1', 'PENDING')
    const agent = await connectAgent(house)
    await agent.report('FAILED', 'no link')
    await house.clock.advance(20_000)
    house.engine.heartbeat(agent)
    await house.clock.advance(15_000)
    await until('the second try', () => agent.current().attempt === 2)
    await agent.report('TIMEOUT', 'too slow')
    t.match((await house.read('w1')).status as RunStatus, {
      ironwake: { failures: 2, lastError: 'too slow' },
    })
    await house.restart(300_000)
    const back = await connectAgent(house)
    t.match(back.current(), { attempt: 3, timeoutMs: 60_000 })
    await back.report('SUCCESS')
    await house.state('w1', 'SUCCESS')
    const ends = house.story().filter((line) => line.startsWith('action-ended'))
    t.same(ends, ['action-ended one FAILED', 'action-ended one FAILED', 'action-ended one SUCCESS'])
  },
)

t.test(
  'an agent that does not come after a restart of the server is noted as silent, until it comes',
  async (t) => {
    const house = await furnished(t, template(['one'], { timeout: 6000 }))
    await house.workflow('w1')
    await house.state('w1', 'PENDING')
    await connectAgent(house)
    await house.restart(1000)
    await house.clock.advance(60_000)
    await until('it is noted', async () => (await conditionOf(house, 'w1', 'AgentSilent'))?.status === 'True')
    await connectAgent(house)
    await until('it is back', async () => (await conditionOf(house, 'w1', 'AgentSilent'))?.status === 'False')
  },
)

t.test('an agent that falls silent is noted', async (t) => {
  const house = await furnished(t, template(['one'], { timeout: 6000 }))
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  house.engine.disconnect(agent)
  await house.clock.advance(40_000)
  await until('it is noted', async () => (await conditionOf(house, 'w1', 'AgentSilent'))?.status === 'True')
  t.match(await conditionOf(house, 'w1', 'AgentSilent'), { time: '2026-05-01T10:00:00.000Z' })
})
