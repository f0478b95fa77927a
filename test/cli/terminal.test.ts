import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { createWorkflow, setStatus, until } from './run.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const hasScript = spawnSync('script', ['--version']).stdout?.toString().includes('util-linux') === true
const skip = !hasScript && 'script (bsdutils) is missing'

let server: TestServer
let doneBytes = 0
t.before(async () => {
  server = await startServer({
    workflowProgress: async () => [
      { actionId: 'w1-1', doneBytes: (doneBytes += 50e6), totalBytes: 1e9, at: 0 },
      { actionId: 'w2-1', doneBytes: 5e6, totalBytes: 1e9, at: 0 },
    ],
  })
})
t.after(() => server.close())

/** `ironwake` as its own process, on a terminal of `columns` or with its output in a pipe. */
function ironwake(argv: string, columns: number | undefined) {
  const command = `node --import tsx src/main.ts ${argv}`
  const [program, ...args] =
    columns === undefined
      ? ['sh', '-c', `exec ${command}`]
      : ['script', '-qec', `stty cols ${columns} rows 24; exec ${command}`, '/dev/null']
  const child = spawn(program!, args, {
    cwd: project,
    env: { ...process.env, KUBECONFIG: server.pki.kubeconfigPath, TERM: 'xterm', LC_ALL: 'C.UTF-8' },
  })
  const running = { out: '', child, code: once(child, 'close').then(([code]) => code as number | null) }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (running.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (running.out += text))
  t.teardown(() => child.kill('SIGKILL'))
  return running
}

const streaming = [
  { name: 'stream image', state: 'RUNNING' },
  { name: 'reboot', state: 'PENDING' },
]
const done = [
  { name: 'stream image', state: 'SUCCESS' },
  { name: 'reboot', state: 'SUCCESS' },
]
const rate = /\d+%  \d+\.\d MB of 1\.0 GB  \d+\.\d MB\/s  \d+s left/

t.test('watch shows a bar on a terminal and lines elsewhere', { skip }, async (t) => {
  await createWorkflow(server, 'w1')
  await setStatus(server, 'w1', 'RUNNING', streaming)
  const wide = ironwake('workflow watch ns1/w1', 100)
  const narrow = ironwake('workflow watch ns1/w1', 40)
  const piped = ironwake('workflow watch ns1/w1', undefined)
  await until('a rate', () => rate.test(wide.out))
  await until('a bar', () => /█*░+  \d+%/.test(narrow.out))
  await until('the start', () => piped.out.includes('workflow ns1/w1: RUNNING'))
  await setStatus(server, 'w1', 'SUCCESS', done)
  t.same(await Promise.all([wide.code, narrow.code, piped.code]), [0, 0, 0])

  t.match(wide.out, /\[1\/2\] stream image  █*░+  \d+%/)
  for (const { out } of [wide, narrow]) {
    t.match(out, 'workflow ns1/w1: SUCCESS\r\n')
    t.ok(out.endsWith('\u001b[?25h'), 'the cursor is given back')
    t.equal(out.split('\u001b[?25l').length, 2, 'it is hidden once')
  }
  const bars = [...narrow.out.matchAll(/\r([^\r\u001b]*)\u001b\[K/g)].map(([, bar]) => bar!)
  t.ok(
    bars.every((bar) => bar.length < 40),
    'no bar is wider than the terminal',
  )
  t.notMatch(piped.out, /\u001b|█/)
  t.match(piped.out, /^\d\d:\d\d:\d\d {2}\[1\/2\] stream image: RUNNING\n/)
})

t.test('watch that is interrupted on a terminal gives the cursor back', { skip }, async (t) => {
  await createWorkflow(server, 'w2')
  await setStatus(server, 'w2', 'RUNNING', [{ name: 'stream image', state: 'RUNNING' }])
  const watching = ironwake('workflow watch ns1/w2', 80)
  await until('a bar', () => watching.out.includes('░'))
  watching.child.stdin.write('\u0003')
  t.equal(await watching.code, 130)
  t.match(watching.out, /\u001b\[\?25h[^\u001b]*interrupted; the workflow goes on\r\n$/)
})

t.end()
