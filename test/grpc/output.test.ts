import t from 'tap'
import { openHouse, template } from '../workflow/house.ts'
import { linesKept } from '../../src/workflow/logs.ts'
import { hello, mac, openSite } from './site.ts'
import { until } from './yard.ts'

t.test('output of an action: seen while it runs, bounded, kept when all has ended', async (t) => {
  const house = await openHouse()
  await house.hardware('machine', mac)
  await house.template('install', template(['stream']))
  await house.workflow('w1')
  const { metadata } = await house.state('w1', 'PENDING')
  const site = await openSite({ engine: house.engine })
  t.teardown(async () => {
    await site.stop()
    await house.close()
  })
  const agent = site.client()
  agent.say(hello())
  await agent.hear()
  const { workflowId, taskId, actionId } = (await agent.hear())['runAction'] as Record<string, string>
  const report = { workflowId, taskId, actionId, attempt: 1 }
  agent.say({ report: { ...report, state: 'ACTION_STATE_RUNNING' } })
  await agent.hear()

  const heard: string[] = []
  house.engine.subscribe((event) => {
    if (event.type === 'log') heard.push(...event.lines.map(({ text }) => text))
  })
  agent.say({ logs: { actionId, lines: ['it begins'] } })
  await until('the line is heard', async () => {
    await house.clock.advance(300)
    return heard.includes('it begins')
  })
  t.equal((await house.read('w1')).status?.state, 'RUNNING')

  const count = linesKept + 500
  for (let from = 0; from < count; from += 100) {
    const lines = Array.from({ length: 100 }, (_, index) => `line ${from + index}`)
    agent.say({ logs: { actionId, lines } })
  }
  agent.say({ report: { ...report, state: 'ACTION_STATE_SUCCESS' } })
  await house.state('w1', 'SUCCESS')
  const check = async (when: string) => {
    const { lines, next, dropped } = await house.engine.workflowLogs(metadata.uid, actionId!)
    t.same([lines.length, next, dropped], [linesKept + 1, count + 1, 501], when)
    t.match(lines[0], { text: '(501 earlier lines are not kept)' }, when)
    t.match(lines.at(-1), { text: `line ${count - 1}` }, when)
  }
  await check('the Workflow has ended')
  agent.cut()
  await house.restart(3_600_000)
  await check('the server has been restarted')
})
