import { status } from '@grpc/grpc-js'
import t from 'tap'
import { openHouse, template } from '../workflow/house.ts'
import { hello, mac, openSite } from './site.ts'

t.test('an agent on the wire carries out a Workflow, over a restart of the server', async (t) => {
  const house = await openHouse()
  await house.hardware('machine', mac)
  await house.template('install', template(['stream', 'configure', 'restart actions/reboot']))
  await house.workflow('w1')
  await house.state('w1', 'PENDING')
  const first = await openSite({ engine: house.engine })
  const before = first.client()
  before.say(hello())
  t.match(await before.hear(), { message: 'welcome' })
  const stream = await before.hear()
  t.match(stream, {
    runAction: { name: 'stream', workflowId: 'eksa-system/w1', attempt: 1, timeoutMs: 60_000 },
  })
  const { workflowId, taskId, actionId } = stream['runAction'] as Record<string, string>
  before.say({ logs: { actionId, lines: ['wrote 1 GiB'] } })
  before.say({
    report: { workflowId, taskId, actionId, state: 'ACTION_STATE_SUCCESS', message: 'done', attempt: 1 },
  })
  const [one, two] = [await before.hear(), await before.hear()]
  t.match([one, two].map(({ message }) => message).sort(), ['reportAck', 'runAction'])
  before.cut()
  await first.stop()
  await house.restart()

  const second = await openSite({ engine: house.engine })
  t.teardown(async () => {
    await second.stop()
    await house.close()
  })
  const agent = second.client()
  agent.say(hello({ token: '', sessionKey: 'key' }))
  t.match(await agent.hear(), { message: 'welcome' })
  const configure = await agent.hear()
  t.match(
    configure,
    { runAction: { name: 'configure', attempt: 1 } },
    'what has succeeded does not run again',
  )
  const report = (command: typeof stream, state: string) => {
    const { workflowId, taskId, actionId } = command['runAction'] as Record<string, string>
    agent.say({ report: { workflowId, taskId, actionId, state, attempt: 1 } })
  }
  report(configure, 'ACTION_STATE_SUCCESS')
  const replies = [await agent.hear(), await agent.hear()]
  const restart = replies.find(({ message }) => message === 'runAction')!
  t.match(restart, { runAction: { name: 'restart' } })
  report(restart, 'ACTION_STATE_SUCCESS')
  t.match(await agent.hear(), { reportAck: { state: 'ACTION_STATE_SUCCESS', accepted: true } })
  const { metadata } = await house.state('w1', 'SUCCESS')
  t.match(await house.engine.workflowLogs(metadata.uid, actionId!), { lines: [{ text: 'wrote 1 GiB' }] })
  agent.hangUp()
  t.match(await agent.ended, { code: status.OK })
})
