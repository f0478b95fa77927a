import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { startRelay } from './relay.ts'
import { createWorkflow, runner, setStatus, start, until } from './run.ts'

let server: TestServer
let done = 0
t.before(async () => {
  server = await startServer({
    workflowProgress: async () => [{ actionId: 'w7-1', doneBytes: (done += 1e6), totalBytes: 1e9, at: 0 }],
  })
})
t.after(() => server.close())
const run = runner(() => server)
const watch = (...argv: string[]) => start(['workflow', 'watch', ...argv], server.pki.kubeconfigPath)

const both = (first: string, second: string, message?: string) => [
  { name: 'stream image', state: first },
  { name: 'reboot', state: second, ...(message ? { message } : {}) },
]

t.test('watch prints each change and fails with the workflow, the reason last', async (t) => {
  await createWorkflow(server, 'w1')
  const watching = watch('ns1/w1')
  await until('the first line', () => watching.out !== '')
  await setStatus(server, 'w1', 'RUNNING', both('RUNNING', 'PENDING'))
  await until('the start', () => watching.out.includes('RUNNING'))
  await setStatus(
    server,
    'w1',
    'FAILED',
    both('SUCCESS', 'FAILED', 'no such device'),
    'action "reboot": no such device',
  )
  const { code, out, err } = await watching.ended
  t.equal(code, 1)
  t.equal(err, 'error: workflow ns1/w1 ended with FAILED: action "reboot": no such device\n')
  t.same(
    out
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\d\d:\d\d:\d\d {2}/, '')),
    [
      'workflow ns1/w1: not planned yet',
      '[1/2] stream image: RUNNING',
      'workflow ns1/w1: RUNNING',
      '[1/2] stream image: SUCCESS after 5s',
      '[2/2] reboot: FAILED: no such device',
      'workflow ns1/w1: FAILED',
    ],
  )
})

t.test('watch of a workflow that has ended ends at once', async (t) => {
  const { code, out, err } = await run(['workflow', 'watch', 'ns1/w1'])
  t.equal(code, 1)
  t.match(out, /workflow ns1\/w1: FAILED\n$/)
  t.match(err, /no such device\n$/)
  t.match(await run(['workflow', 'watch', 'ns1/nobody']), { code: 1, err: /"nobody" not found/ })
})

t.test('watch -o json prints the workflow with each change', async (t) => {
  await createWorkflow(server, 'w2')
  const watching = watch('ns1/w2', '-o', 'json')
  await until('the first line', () => watching.out !== '')
  await setStatus(server, 'w2', 'RUNNING')
  await setStatus(server, 'w2', 'SUCCESS')
  const { code, out, err } = await watching.ended
  t.same({ code, err }, { code: 0, err: '' })
  const states = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).status?.state)
  t.same(states, [undefined, 'RUNNING', 'SUCCESS'])
})

t.test('watch without a name follows all that are under way, and those that come', async (t) => {
  t.match(await run(['workflow', 'watch']), { code: 1, err: /no workflow is under way; name one/ })
  await createWorkflow(server, 'w3')
  const watching = watch()
  await until('the first line', () => watching.out !== '')
  await createWorkflow(server, 'w4')
  await until('the second one', () => watching.out.includes('w4'))
  await setStatus(server, 'w3', 'SUCCESS', [{ name: 'reboot', state: 'SUCCESS' }])
  await setStatus(server, 'w4', 'TIMEOUT', [], 'not ended within 5 s')
  const { code, out, err } = await watching.ended
  t.equal(code, 1)
  t.match(out, /ns1\/w3 \[1\/1\] reboot: SUCCESS after 5s\n/)
  t.match(out, /workflow ns1\/w4: TIMEOUT\n/)
  t.notMatch(out, 'w2')
  t.equal(err, 'error: workflow ns1/w4 ended with TIMEOUT: not ended within 5 s\n')
})

t.test('watch says why a workflow cannot be planned, and goes on', async (t) => {
  await createWorkflow(server, 'w9')
  const watching = watch('ns1/w9')
  await until('the first line', () => watching.out !== '')
  await setStatus(server, 'w9', '', [], 'Template ns1/t not found')
  await until('the reason', () => watching.out.includes('not planned yet: Template ns1/t not found\n'))
  t.match((await run(['workflow', 'show', 'ns1/w9'])).out, /State: +not planned yet\nReason: +Template ns1/)
  await setStatus(server, 'w9', 'SUCCESS', [])
  t.match(await watching.ended, { code: 0, out: /workflow ns1\/w9: SUCCESS\n$/ })
})

t.test('watch fails when the workflow is deleted', async (t) => {
  await createWorkflow(server, 'w5')
  const watching = watch('ns1/w5')
  await until('the first line', () => watching.out !== '')
  await server.client.delete('Workflow', 'ns1', 'w5')
  t.match(await watching.ended, { code: 1, err: 'error: workflow ns1/w5 was deleted\n' })
})

t.test('watch that is interrupted does not say that the workflow succeeded', async (t) => {
  await createWorkflow(server, 'w6')
  const stop = new AbortController()
  const watching = start(['workflow', 'watch', 'ns1/w6'], server.pki.kubeconfigPath, { signal: stop.signal })
  await until('the first line', () => watching.out !== '')
  stop.abort()
  t.match(await watching.ended, { code: 130, err: /^interrupted/ })
})

t.test('progress is a line every few seconds where the output is no terminal', async (t) => {
  await createWorkflow(server, 'w7')
  await setStatus(server, 'w7', 'RUNNING', [{ name: 'stream image', state: 'RUNNING' }])
  let now = 0
  const watching = start(['workflow', 'watch', 'ns1/w7'], server.pki.kubeconfigPath, {
    now: () => now,
    // A second of theirs is 20 ms here.
    sleep: (ms) =>
      new Promise((resolve) => {
        setTimeout(() => {
          now += ms
          resolve()
        }, ms / 50)
      }),
  })
  done = 0
  await until('progress', () => watching.out.split('MB/s').length > 2)
  await setStatus(server, 'w7', 'SUCCESS', [{ name: 'stream image', state: 'SUCCESS' }])
  const { code, out } = await watching.ended
  t.equal(code, 0)
  t.match(out, / {2}\[1\/1\] stream image: 0%, \d\.0 MB of 1\.0 GB, 1\.0 MB\/s, 16m\d\ds left\n/)
  t.ok(out.split('MB/s').length - 1 <= now / 5000, 'not every second')
  t.notMatch(out, '\u001b')
})

t.test('watch outlives a server that is away for a while, and says so once', async (t) => {
  await createWorkflow(server, 'w8')
  const relay = await startRelay(server.port)
  const path = join(server.dataDir, 'relayed.kubeconfig')
  const kubeconfig = await readFile(server.pki.kubeconfigPath, 'utf8')
  await writeFile(path, kubeconfig.replace(server.url, `https://127.0.0.1:${relay.port}`))
  const watching = start(['workflow', 'watch', 'ns1/w8'], path, {
    sleep: (ms) => new Promise((resolve) => void setTimeout(resolve, ms / 20)),
  })
  await until('the first line', () => watching.out !== '')
  await relay.cut()
  await setStatus(server, 'w8', 'RUNNING', [{ name: 'reboot', state: 'RUNNING' }])
  await until('the word', () => watching.err !== '')
  await new Promise((resolve) => setTimeout(resolve, 300))
  await relay.restore()
  await until('the change', () => watching.out.includes('RUNNING'))
  await setStatus(server, 'w8', 'SUCCESS', [{ name: 'reboot', state: 'SUCCESS' }])
  const { code, err } = await watching.ended
  await relay.close()
  t.equal(code, 0)
  t.match(err, /^the server does not answer; trying for 5m00s\nthe server is back after .*\n$/)
})

t.end()
