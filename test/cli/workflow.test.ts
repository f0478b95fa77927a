import t from 'tap'
import { startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { createWorkflow, runner, setStatus } from './run.ts'

let server: TestServer
t.before(async () => {
  server = await startServer()
})
t.after(() => server.close())
const run = runner(() => server)

t.test('workflow list and show say how far it is', async (t) => {
  t.match(await run(['workflow', 'list']), { code: 0, out: '', err: 'no workflows found\n' })
  await createWorkflow(server, 'w1')
  await setStatus(server, 'w1', 'RUNNING', [
    { name: 'stream image', state: 'SUCCESS' },
    { name: 'reboot', state: 'RUNNING' },
  ])
  const { out } = await run(['workflow', 'list'])
  t.match(out, /ns1 +w1 +RUNNING +t +m1 +- +1\/2\n/)
  const shown = await run(['workflow', 'show', 'ns1/w1'])
  t.match(shown.out, /State: +RUNNING\n/)
  t.match(shown.out, /install +stream image +SUCCESS +5s\n/)
  t.notMatch(shown.out, /Reason/)
  t.match(JSON.parse((await run(['workflow', 'show', 'w1', '-n', 'ns1', '-o', 'json'])).out), {
    kind: 'Workflow',
  })
  t.match(await run(['workflow', 'show', 'nobody']), { code: 1, err: /"nobody" not found/ })
})

t.test('workflow show says why it failed', async (t) => {
  await createWorkflow(server, 'w2')
  await setStatus(server, 'w2', 'FAILED', [{ name: 'reboot', state: 'FAILED' }], 'no such\u001b[31m device')
  const { out } = await run(['workflow', 'show', 'ns1/w2'])
  t.match(out, /Reason: +no such\?\[31m device\n/)
})

t.end()
