import t from 'tap'
import { startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { createWorkflow, runner, setStatus, start, until } from './run.ts'

let server: TestServer
const printed = new Map<string, string[]>()
const at = Date.UTC(2026, 4, 4, 14, 3, 59)
t.before(async () => {
  server = await startServer({
    workflowLogs: async (_uid, actionId, since = 0) => {
      const lines = (printed.get(actionId) ?? []).map((text, line) => ({ line, at, text }))
      return { lines: lines.slice(since), next: Math.max(since, lines.length), dropped: 0 }
    },
    followWorkflow: (_place, wake) => {
      const timer = setInterval(wake, 20)
      return () => clearInterval(timer)
    },
    workflowProgress: async () => [{ actionId: 'w1-1', doneBytes: 5, totalBytes: 10, at: 0 }],
  })
  await createWorkflow(server, 'w1')
})
t.after(() => server.close())
const run = runner(() => server)

const sketch = (first: string, second: string) => [
  { name: 'stream image', state: first },
  { name: 'reboot', state: second },
]
const time = '\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d{3}'

t.test('logs of a workflow that has not begun say so', async (t) => {
  t.match(await run(['workflow', 'logs', 'ns1/w1']), {
    code: 0,
    out: '',
    err: /no action of ns1\/w1 has begun/,
  })
  t.match(await run(['workflow', 'logs', 'ns1/nobody']), { code: 1, err: /"nobody" not found/ })
})

t.test('logs show the lines of each action, or of one', async (t) => {
  await setStatus(server, 'w1', 'RUNNING', sketch('SUCCESS', 'RUNNING'))
  printed.set('w1-1', ['one', 'tw\u001b[31mo\tthree'])
  printed.set('w1-2', ['bye'])
  const { out } = await run(['workflow', 'logs', 'w1', '-n', 'ns1'])
  t.match(
    out,
    new RegExp(
      `^${time}  \\[stream image\\] one\n${time}  \\[stream image\\] tw\\?\\[31mo  three\n${time}  \\[reboot\\] bye\n$`,
    ),
  )
  t.match((await run(['wf', 'logs', 'ns1/w1', '--action', 'reboot'])).out, new RegExp(`^${time}  bye\n$`))
  t.match((await run(['wf', 'logs', 'ns1/w1', '-a', 'w1-1', '--since', '1'])).out, /^[^\n]*tw[^\n]*three\n$/)
  const json = (await run(['wf', 'logs', 'ns1/w1', '-o', 'json'])).out.trim().split('\n')
  t.same(JSON.parse(json[0]!), { actionId: 'w1-1', action: 'stream image', line: 0, at, text: 'one' })
  t.equal(json.length, 3)
})

t.test('logs refuse an action that is not there and a line that is none', async (t) => {
  t.match(await run(['wf', 'logs', 'ns1/w1', '-a', 'bake']), {
    code: 1,
    err: 'error: workflow ns1/w1 has no action "bake"; it has "stream image", "reboot"\n',
  })
  t.match(await run(['wf', 'logs', 'ns1/w1', '--since', '-1']), { code: 2, err: /number of a line/ })
})

t.test('logs --follow goes on to the end of the workflow, each line once', async (t) => {
  await createWorkflow(server, 'w2')
  const following = start(['wf', 'logs', 'ns1/w2', '-f'], server.pki.kubeconfigPath, {
    sleep: (ms) => new Promise((resolve) => void setTimeout(resolve, ms / 50)),
  })
  printed.set('w2-1', ['one'])
  await setStatus(server, 'w2', 'RUNNING', sketch('RUNNING', 'PENDING'))
  await until('the first line', () => following.out.includes('one'))
  printed.set('w2-1', ['one', 'two'])
  await until('the second line', () => following.out.includes('two'))
  printed.set('w2-1', ['one', 'two', 'last'])
  printed.set('w2-2', ['bye'])
  await setStatus(server, 'w2', 'SUCCESS', sketch('SUCCESS', 'SUCCESS'))
  const { code, out, err } = await following.ended
  t.same({ code, err }, { code: 0, err: '' })
  t.same(
    out
      .trim()
      .split('\n')
      .map((line) => line.slice(25)),
    ['[stream image] one', '[stream image] two', '[stream image] last', '[reboot] bye'],
  )
})

t.test('logs --follow ends with the action that is followed', async (t) => {
  await createWorkflow(server, 'w3')
  printed.set('w3-1', ['one'])
  await setStatus(server, 'w3', 'RUNNING', sketch('RUNNING', 'PENDING'))
  const following = start(['wf', 'logs', 'ns1/w3', '-f', '-a', 'stream image'], server.pki.kubeconfigPath)
  await until('the first line', () => following.out.includes('one'))
  printed.set('w3-1', ['one', 'two'])
  await setStatus(server, 'w3', 'RUNNING', sketch('SUCCESS', 'RUNNING'))
  t.match(await following.ended, { code: 0, err: '', out: /one\n.*two\n$/ })
})

t.test('logs --follow says when the workflow is deleted', async (t) => {
  await createWorkflow(server, 'w4')
  printed.set('w4-1', ['one'])
  await setStatus(server, 'w4', 'RUNNING', sketch('RUNNING', 'PENDING'))
  const following = start(['wf', 'logs', 'ns1/w4', '-f'], server.pki.kubeconfigPath)
  await until('the first line', () => following.out.includes('one'))
  await server.client.delete('Workflow', 'ns1', 'w4')
  t.match(await following.ended, { code: 1, err: /"w4" not found/ })
})

t.test('logs --follow ends when interrupted', async (t) => {
  const stop = new AbortController()
  const following = start(['wf', 'logs', 'ns1/w1', '-f'], server.pki.kubeconfigPath, { signal: stop.signal })
  await until('the lines', () => following.out.includes('bye'))
  stop.abort()
  t.match(await following.ended, { code: 0, err: '' })
})

t.test('logs and progress are served per action', async (t) => {
  const get = async (path: string) =>
    (await server.client.request('GET', `/ironwake/v1/workflows/ns1/${path}`)).json as object
  t.match(await get('w1/logs?action=reboot&since=0'), {
    actions: [{ id: 'w1-2', name: 'reboot', lines: [{ line: 0 }] }],
  })
  t.match(await get('w1/logs'), { actions: [{ id: 'w1-1' }, { id: 'w1-2' }] })
  t.match(await get('w1/logs?action=none'), { kind: 'Status', reason: 'NotFound' })
  t.match(await get('w1/logs?since=x'), { kind: 'Status', reason: 'BadRequest' })
  t.match(await get('w1/progress'), { actions: [{ name: 'stream image', doneBytes: 5, totalBytes: 10 }] })
  t.match(await get('nobody/progress'), { kind: 'Status', reason: 'NotFound' })
})

t.end()
