import t from 'tap'
import type { Hardware } from '../../src/model/hardware.ts'
import { deleteObject, patchObject } from '../../src/store/resource.ts'
import type { EngineEvent } from '../../src/workflow/listeners.ts'
import { until } from './clock.ts'
import { connectAgent, namespace, openHouse, template } from './house.ts'
import type { House } from './house.ts'
import { mac, otherMac, t0 } from './runs.ts'

async function furnished(t: { teardown(end: () => Promise<void>): void }, data?: string): Promise<House> {
  const house = await openHouse()
  t.teardown(() => house.close())
  await house.hardware('machine', mac)
  await house.template('install', data ?? template(['stream', 'configure']))
  return house
}

const allowPxe = async (house: House) => {
  const found = await house.sqlite.store.get({ kind: 'Hardware', namespace, name: 'machine' })
  return (found as Hardware).spec?.interfaces?.[0]?.netboot?.allowPXE
}
const deleteWorkflow = (house: House, name: string) =>
  deleteObject(house.sqlite.store, { kind: 'Workflow', namespace, name }, {}, house)

t.test('a Workflow from creation to success', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  const running = await house.state('w1', 'RUNNING')
  const [stream] = running.status!.tasks![0]!.actions
  t.match(agent.told, [
    {
      type: 'run-action',
      workflowId: `${namespace}/w1`,
      taskId: running.status!.tasks![0]!.id,
      actionId: stream!.id,
      name: 'stream',
      image: 'actions/image2disk',
      environment: { LEVEL: 'task' },
      timeoutMs: 60_000,
      attempt: 1,
    },
  ])
  t.equal(await agent.report('RUNNING'), true)
  await house.clock.advance(2500)
  house.engine.progress(agent, { actionId: stream!.id, doneBytes: 5, totalBytes: 10 })
  house.engine.log(agent, stream!.id, ['writing'])
  t.equal(await agent.report('SUCCESS'), true)
  const saved = await house.read('w1')
  t.match(saved.status!.tasks![0]!.actions, [
    { state: 'SUCCESS', executionDuration: '2s' },
    { state: 'RUNNING' },
  ])
  t.same(agent.actions(), ['stream', 'configure'])
  t.equal(await agent.report('SUCCESS'), true)
  t.match((await house.read('w1')).status, {
    state: 'SUCCESS',
    conditions: [
      { type: 'TemplateRenderedSuccess', status: 'True' },
      { type: 'Succeeded', status: 'True' },
    ],
  })
  t.same(house.story(), [
    'agent-hello',
    'workflow-started',
    'action-started stream',
    'action-ended stream SUCCESS',
    'action-started configure',
    'action-ended configure SUCCESS',
    'workflow-ended SUCCESS',
  ])
  t.match(house.timeline[3], { mac, facts: { ms: 2500, bytes: 5 } })
  t.match(await house.engine.workflowProgress(saved.metadata.uid), [
    { actionId: stream!.id, doneBytes: 5, totalBytes: 10 },
  ])
  t.match(await house.engine.workflowLogs(saved.metadata.uid, stream!.id), { lines: [{ text: 'writing' }] })
})

t.test('an agent that was there first gets its Workflow when there is one', async (t) => {
  const house = await furnished(t)
  const agent = await connectAgent(house)
  t.same(agent.told, [])
  await house.workflow('w1')
  await until('an action', () => agent.told.length)
  t.same(agent.actions(), ['stream'])
})

t.test('a restart in the middle repeats the command, and nothing that has succeeded', async (t) => {
  const house = await furnished(t, template(['one', 'two', 'three']))
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const before = await connectAgent(house)
  await before.report('SUCCESS')
  await house.restart()
  const after = await connectAgent(house, { actionId: before.current().actionId })
  t.same(after.actions(), ['two'])
  t.equal(after.current().actionId, before.current().actionId, 'the same run of the action')
  t.equal(after.current().attempt, 1)
  await after.report('SUCCESS')
  await after.report('SUCCESS')
  await house.state('w1', 'SUCCESS')
  t.same(after.actions(), ['two', 'three'])
})

t.test('what ended while the server was down past its deadline has ended in time', async (t) => {
  const house = await furnished(t, template(['one'], { timeout: 20 }))
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  await connectAgent(house)
  await house.restart(60_000)
  await house.clock.advance(25_000)
  t.equal((await house.read('w1')).status?.state, 'RUNNING', 'its agent may still have to come back')
  const agent = await connectAgent(house)
  t.equal(await agent.report('SUCCESS'), true)
  t.equal((await house.read('w1')).status?.state, 'SUCCESS')
})

t.test('deadlines outlive a restart, and a silent machine ends its Workflow', async (t) => {
  const house = await furnished(t, template(['one'], { timeout: 600, globalTimeout: 100 }))
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  await connectAgent(house)
  await house.restart()
  await house.clock.advance(99_000)
  t.equal((await house.read('w1')).status?.state, 'RUNNING')
  await house.clock.advance(2000)
  t.match((await house.state('w1', 'TIMEOUT')).status, { currentState: { state: 'TIMEOUT' } })
})

t.test('an action past its deadline is stopped on the machine', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  for (let beat = 0; beat < 7; beat++) {
    await house.clock.advance(10_000)
    house.engine.heartbeat(agent)
  }
  await house.state('w1', 'TIMEOUT')
  t.match(agent.told.at(-1), { type: 'cancel-action', actionId: agent.current().actionId })
  t.equal(await agent.report('FAILED', 'cancelled'), false, 'what it says then comes too late')
  t.match((await house.read('w1')).status, { state: 'TIMEOUT' })
})

t.test('reports on what the agent was not given change nothing', async (t) => {
  const house = await furnished(t)
  await house.hardware('other', otherMac)
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  const stranger = await connectAgent(house, { agentId: otherMac })
  const { workflowId, taskId, actionId } = agent.current()
  const report = { workflowId, taskId, actionId, state: 'SUCCESS', message: '', attempt: 1 } as const
  const before = await house.read('w1')
  const [next] = before.status!.tasks![0]!.actions.slice(1)
  t.equal(await house.engine.report(stranger, report), false, 'another machine')
  t.equal(await house.engine.report(agent, { ...report, workflowId: 'x/y' }), false, 'another Workflow')
  t.equal(await house.engine.report(agent, { ...report, taskId: 'x' }), false, 'another task')
  t.equal(await house.engine.report(agent, { ...report, actionId: 'x' }), false, 'an unknown action')
  t.equal(await house.engine.report(agent, { ...report, actionId: next!.id }), false, 'an action to come')
  t.equal(await house.engine.report(agent, { ...report, attempt: 4 }), false, 'another attempt')
  house.engine.log(stranger, actionId, ['forged'])
  house.engine.progress(stranger, { actionId, doneBytes: 1, totalBytes: 1 })
  t.same((await house.engine.workflowLogs(before.metadata.uid, actionId)).lines, [])
  t.same(await house.engine.workflowProgress(before.metadata.uid), [])
  t.same(await house.read('w1'), before)
  t.equal(await house.engine.report(agent, report), true, 'and its own still counts')
})

t.test('a newer session of a machine takes over from the older one', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const first = await connectAgent(house)
  const second = await connectAgent(house)
  t.match(first.closed, /newer session/)
  t.equal(second.closed, undefined)
  t.equal(await first.report('SUCCESS'), false)
  t.equal(await second.report('SUCCESS'), true)
})

t.test('a machine that reboots in the middle starts its action again', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const first = await connectAgent(house)
  await first.report('RUNNING')
  house.engine.disconnect(first)
  const second = await connectAgent(house, { bootId: 'boot-2' })
  t.match(second.current(), { name: 'stream', actionId: first.current().actionId, attempt: 2 })
})

t.test('a final reboot ends the Workflow before the machine is gone', async (t) => {
  const house = await furnished(t, template(['stream', 'restart actions/reboot']))
  await house.workflow('w1', { bootOptions: { toggleAllowNetboot: true } })
  await house.state('w1', 'PENDING')
  t.equal(await allowPxe(house), true, 'netboot is on')
  const agent = await connectAgent(house)
  await agent.report('SUCCESS')
  t.equal(await agent.report('RUNNING'), true)
  t.equal((await house.read('w1')).status?.state, 'RUNNING', 'it may still fail')
  t.equal(await agent.report('SUCCESS'), true)
  t.equal((await house.read('w1')).status?.state, 'SUCCESS')
  t.equal(await allowPxe(house), false, 'netboot is off before the report is acknowledged')
  house.engine.disconnect(agent)
  await house.clock.advance(60_000)
  t.notOk(house.story().includes('agent-lost'), 'nobody waits for the machine')
})

t.test('netboot is switched off after a failure, also when the server was down in between', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1', { bootOptions: { toggleAllowNetboot: true } })
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  await agent.report('FAILED', 'disk on fire')
  t.match((await house.read('w1')).status, { state: 'FAILED' })
  t.equal(await allowPxe(house), false)

  await house.workflow('w2', { bootOptions: { toggleAllowNetboot: true } })
  const { status, ...rest } = await house.state('w2', 'RUNNING')
  t.equal(await allowPxe(house), true)
  await house.restart()
  const { store } = house.sqlite
  const halfway = { ...rest, status: { ...status!, state: 'POST', currentState: { state: 'FAILED' } } }
  await store.update(halfway, rest.metadata.resourceVersion)
  await house.restart()
  await house.state('w2', 'FAILED')
  t.equal(await allowPxe(house), false)
})

t.test('netboot stays on for the next Workflow of the same machine', async (t) => {
  const house = await furnished(t, template(['one']))
  for (const name of ['w1', 'w2']) {
    await house.workflow(name, { bootOptions: { toggleAllowNetboot: true } })
    await house.state(name, 'PENDING')
  }
  const agent = await connectAgent(house)
  await agent.report('SUCCESS')
  await house.state('w1', 'SUCCESS')
  t.equal(await allowPxe(house), true)
  await house.state('w2', 'RUNNING')
  await until('an action', () => agent.told.length > 1)
  await agent.report('SUCCESS')
  await house.state('w2', 'SUCCESS')
  t.equal(await allowPxe(house), false)
})

t.test('one Workflow at a time for each agent, the oldest first', async (t) => {
  const house = await furnished(t, template(['one']))
  await house.workflow('older')
  await house.clock.advance(2000)
  await house.workflow('a-younger')
  await house.state('older', 'PENDING')
  await house.state('a-younger', 'PENDING')
  const agent = await connectAgent(house)
  t.equal((await house.read('older')).status?.state, 'RUNNING')
  t.equal((await house.read('a-younger')).status?.state, 'PENDING')
  await agent.report('FAILED')
  await house.state('a-younger', 'RUNNING')
  t.equal((await house.read('older')).status?.state, 'FAILED')
})

t.test('many Workflows of one agent never run at the same time', async (t) => {
  const house = await furnished(t, template(['one']))
  const names = Array.from({ length: 8 }, (_, index) => `w${index}`)
  const agent = await connectAgent(house)
  await Promise.all(names.map((name) => house.workflow(name)))
  for (let done = 1; done <= names.length; done++) {
    await until('an action', () => agent.told.length >= done)
    const states = await Promise.all(names.map(async (name) => (await house.read(name)).status?.state))
    t.equal(states.filter((state) => state === 'RUNNING').length, 1)
    await agent.report('SUCCESS')
  }
  t.equal(new Set(agent.told.map((command) => command.actionId)).size, names.length)
})

t.test('tasks of several agents run one after the other', async (t) => {
  const first = template(['one'])
  const second = `  - name: second\n    worker: "${otherMac}"\n    actions:\n      - { name: "two", image: "x", timeout: 60 }\n`
  const house = await furnished(t, first + second)
  await house.hardware('other', otherMac)
  const other = await connectAgent(house, { agentId: otherMac })
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  t.same(other.told, [])
  const agent = await connectAgent(house)
  await agent.report('SUCCESS')
  await until('the second task', () => other.told.length)
  t.same(other.actions(), ['two'])
  t.equal((await house.read('w1')).status?.agentID, otherMac)
  await other.report('SUCCESS')
  await house.state('w1', 'SUCCESS')
})

t.test('a task may call a machine by any of its MACs', async (t) => {
  const house = await openHouse()
  t.teardown(() => house.close())
  await house.hardware('machine', mac, otherMac)
  await house.template('install', template(['one']))
  await house.workflow('w1', { hardwareMap: { device_1: otherMac.toUpperCase() } })
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  t.same(agent.actions(), ['one'])
  t.equal(await agent.report('SUCCESS'), true)
})

t.test('a Workflow that cannot be planned says why, and is planned when that has changed', async (t) => {
  const house = await openHouse()
  t.teardown(() => house.close())
  await house.hardware('machine', mac)
  const failed = (name: string, message: RegExp) =>
    until(`${name} failed`, async () => {
      const { status } = await house.read(name)
      const condition = status?.conditions?.find(({ type }) => type === 'TemplateRenderedSuccess')
      return status?.templateRendering === 'failed' && message.test(condition?.message ?? '')
    })
  await house.workflow('w1')
  await failed('w1', /Template eksa-system\/install not found/)
  await house.template('install', 'tasks: {{ .nonsense')
  await failed('w1', /1/)
  t.notOk((await house.read('w1')).status?.state)
  const key = { kind: 'Template', namespace, name: 'install' } as const
  await patchObject(house.sqlite.store, key, { spec: { data: template(['one']) } })
  await house.state('w1', 'PENDING')
  await house.workflow('w2', { hardwareRef: 'later' })
  await failed('w2', /Hardware eksa-system\/later not found/)
  await house.hardware('later', otherMac)
  t.match(await house.state('w2', 'PENDING'), { status: { templateRendering: 'successful' } })
})

t.test('a Workflow whose own fault is mended is planned', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1', { templateRef: 'instal' })
  await until('a failure', async () => (await house.read('w1')).status?.templateRendering === 'failed')
  const key = { kind: 'Workflow', namespace, name: 'w1' } as const
  await patchObject(house.sqlite.store, key, { spec: { templateRef: 'install' } })
  await house.state('w1', 'PENDING')
})

t.test('a disabled Workflow waits until it is enabled', async (t) => {
  const house = await furnished(t)
  const agent = await connectAgent(house)
  await house.workflow('w1', { disabled: true })
  await house.clock.advance(1000)
  t.notOk((await house.read('w1')).status?.state)
  const key = { kind: 'Workflow', namespace, name: 'w1' } as const
  await patchObject(house.sqlite.store, key, { spec: { disabled: null } })
  await until('an action', () => agent.told.length)
})

t.test('a boot mode that needs a BMC is refused in words', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1', { bootOptions: { bootMode: 'netboot' } })
  const { status } = await house.state('w1', 'FAILED')
  t.match(status?.conditions, [{ type: 'BootJobSetupFailed', message: /bootMode "netboot" needs a BMC/ }])
})

t.test('a Workflow that is deleted stops its action and makes room for the next', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  await house.clock.advance(2000)
  await house.workflow('w2')
  await house.state('w2', 'PENDING')
  const agent = await connectAgent(house)
  const { actionId } = agent.current()
  const { uid } = (await house.read('w1')).metadata
  house.engine.log(agent, actionId, ['one line'])
  t.equal((await house.engine.workflowLogs(uid, actionId)).lines.length, 1)
  await deleteWorkflow(house, 'w1')
  await house.state('w2', 'RUNNING')
  t.match(agent.told[1], { type: 'cancel-action', actionId })
  await until(
    'the log is gone',
    async () => (await house.engine.workflowLogs(uid, actionId)).lines.length === 0,
  )
})

t.test('an agent that comes back with an action that is not wanted any more is told to stop', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  const { actionId } = agent.current()
  house.engine.disconnect(agent)
  await deleteWorkflow(house, 'w1')
  await house.clock.advance(100)
  const back = await connectAgent(house, { actionId })
  t.match(back.told, [{ type: 'cancel-action', actionId }])
})

t.test('an agent that falls silent is lost once, and its session is ended', async (t) => {
  const house = await furnished(t, template(['one'], { timeout: 6000 }))
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  await house.clock.advance(25_000)
  house.engine.heartbeat(agent)
  await house.clock.advance(25_000)
  t.equal(agent.closed, undefined)
  await house.clock.advance(10_000)
  t.match(agent.closed, /no heartbeat/)
  await house.clock.advance(120_000)
  t.equal(house.story().filter((line) => line === 'agent-lost').length, 1)
  const back = await connectAgent(house)
  t.same(back.actions(), ['one'], 'when it is back, it goes on')
})

t.test('a machine that disconnects in the middle of an action and stays away is lost', async (t) => {
  const house = await furnished(t, template(['one'], { timeout: 6000 }))
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  house.engine.disconnect(agent)
  await house.clock.advance(20_000)
  t.notOk(house.story().includes('agent-lost'))
  await house.clock.advance(20_000)
  t.ok(house.story().includes('agent-lost'))
})

t.test('listeners hear of status, progress and log lines; one that throws harms nobody', async (t) => {
  const house = await furnished(t)
  const heard: EngineEvent[] = []
  house.engine.subscribe(() => {
    throw new Error('broken listener')
  })
  const end = house.engine.subscribe((event) => heard.push(event))
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  const { actionId } = agent.current()
  house.engine.progress(agent, { actionId, doneBytes: 1, totalBytes: 2 })
  house.engine.log(agent, actionId, ['hello'])
  await house.clock.advance(1000)
  await until('a status', () => heard.some((event) => event.type === 'status'))
  t.match(
    heard.find((event) => event.type === 'progress'),
    { namespace, name: 'w1', progress: { actionId, doneBytes: 1, totalBytes: 2, at: t0 } },
  )
  t.match(
    heard.find((event) => event.type === 'log'),
    { namespace, name: 'w1', actionId, lines: [{ line: 0, text: 'hello' }] },
  )
  end()
  const count = heard.length
  house.engine.progress(agent, { actionId, doneBytes: 2, totalBytes: 2 })
  t.equal(heard.length, count)
})

t.test('progress is written at most every two seconds', async (t) => {
  const house = await furnished(t)
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  const { actionId } = agent.current()
  const { uid } = (await house.read('w1')).metadata
  const written = async () => {
    await house.clock.advance(1)
    return (await house.sqlite.side.get('progress', `${uid}/${actionId}`)) as
      | { doneBytes: number }
      | undefined
  }
  const say = (doneBytes: number) => house.engine.progress(agent, { actionId, doneBytes, totalBytes: 9 })
  say(1)
  await until('a first write', written)
  say(2)
  await house.clock.advance(1000)
  t.match(await written(), { doneBytes: 1 })
  t.match(await house.engine.workflowProgress(uid), [{ doneBytes: 2 }], 'readers see the newest')
  await house.clock.advance(1500)
  say(3)
  await until('a second write', async () => (await written())?.doneBytes === 3)
})

t.test('changes by others in between are kept, and no report is lost', async (t) => {
  const house = await furnished(t, template(['one', 'two', 'three', 'four']))
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const agent = await connectAgent(house)
  const key = { kind: 'Workflow', namespace, name: 'w1' } as const
  let notes = 0
  for (const name of ['one', 'two', 'three', 'four']) {
    t.equal(agent.current().name, name)
    const patches = Array.from({ length: 5 }, () =>
      patchObject(house.sqlite.store, key, { metadata: { annotations: { [`note-${++notes}`]: 'x' } } }),
    )
    const [accepted] = await Promise.all([agent.report('SUCCESS'), ...patches])
    t.equal(accepted, true)
  }
  const { metadata } = await house.state('w1', 'SUCCESS')
  t.equal(Object.keys(metadata.annotations ?? {}).length, notes)
})
