import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parseMac } from '../../src/model/mac.ts'
import { runProgram } from '../../src/cli/program.ts'
import type { CliDeps } from '../../src/cli/program.ts'
import { updateStatus } from '../../src/store/resource.ts'
import { hardware, startServer, workflow } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'

let server: TestServer
const imported: { text: string; options: object }[] = []
t.before(async () => {
  server = await startServer({
    importCsv: async (text, options) => {
      imported.push({ text, options })
      if (!text.includes('bad'))
        return { created: 2, updated: 0, unchanged: 1, warnings: ['line 3: no disk'] }
      return {
        faults: [{ line: 2, column: 'mac', value: 'bad\u001b[2J', expected: 'a MAC address' }],
        warnings: [],
      }
    },
    workflowLogs: async (uid, actionId, since) => ({
      lines: [{ line: since, text: `${uid === '' ? '' : 'of'} ${actionId}` }],
    }),
    workflowProgress: async () => [{ actionId: 'a1', doneBytes: 5, totalBytes: 10, at: 0 }],
  })
})
t.after(() => server.close())

type Run = { code: number; out: string; err: string }
async function run(argv: string[], more: Partial<CliDeps> = {}): Promise<Run> {
  let [out, err] = ['', '']
  const code = await runProgram(argv, {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text) },
    readStdin: async () => '',
    env: { KUBECONFIG: server.pki.kubeconfigPath },
    now: () => Date.now(),
    version: '1.2.3',
    signal: new AbortController().signal,
    ...more,
  })
  return { code, out, err }
}

t.test('hardware import says what it did and what it noticed', async (t) => {
  const file = join(server.dataDir, 'hardware.csv')
  await writeFile(file, 'hostname,mac\n')
  const done = await run(['hardware', 'import', file, '--dry-run', '-n', 'lab'])
  t.same(done, {
    code: 0,
    out: '2 created, 0 updated, 1 unchanged (dry run, nothing stored)\n',
    err: 'warning: line 3: no disk\n',
  })
  t.same(imported.at(-1), { text: 'hostname,mac\n', options: { namespace: 'lab', dryRun: true } })
  const json = await run(['hardware', 'import', '-', '-o', 'json'], { readStdin: async () => 'stdin' })
  t.match(JSON.parse(json.out), { created: 2, unchanged: 1 })
  t.same(imported.at(-1), { text: 'stdin', options: { namespace: 'eksa-system', dryRun: false } })
})

t.test('hardware import shows faults as a table and fails', async (t) => {
  const readStdin = async () => 'bad'
  const failed = await run(['hardware', 'import', '-'], { readStdin })
  t.same(failed, {
    code: 1,
    out: 'LINE  COLUMN  VALUE    EXPECTED\n2     mac     bad?[2J  a MAC address\n',
    err: 'error: 1 fault; nothing was imported\n',
  })
  const json = await run(['hardware', 'import', '-', '-o', 'json'], { readStdin })
  t.equal(json.code, 1)
  t.match(JSON.parse(json.out), { faults: [{ line: 2, column: 'mac' }] })
  t.match(await run(['hardware', 'import', '/nowhere.csv']), { code: 1, err: /cannot read \/nowhere\.csv/ })
})

t.test('hardware list shows machines of all namespaces', async (t) => {
  t.match(await run(['hardware', 'list']), { code: 0, out: '', err: 'no hardware found\n' })
  await server.client.create(hardware('m1', { type: 'cp', 'v1alpha1.tinkerbell.org/ownerName': 'node-1' }))
  await server.client.create({
    ...hardware('m2', {}, '52:54:00:00:00:02'),
    metadata: { name: 'm2', namespace: 'lab' },
  })
  const { code, out } = await run(['hardware', 'list'])
  t.equal(code, 0)
  t.same(
    out.split('\n').map((line) => line.split(/ {2,}/)),
    [
      ['NAMESPACE', 'NAME', 'MAC', 'IP', 'DISK', 'LABELS', 'OWNER', 'STATE'],
      ['lab', 'm2', '52:54:00:00:00:02', '10.0.0.9', '/dev/vda', '-', '-', '-'],
      ['ns1', 'm1', '52:54:00:00:00:01', '10.0.0.9', '/dev/vda', 'type=cp', 'node-1', '-'],
      [''],
    ],
  )
  const json = await run(['hardware', 'list', '-l', 'type=cp', '-o', 'json'])
  t.match(JSON.parse(json.out), { kind: 'HardwareList', items: [{ metadata: { name: 'm1' } }] })
  t.match(await run(['hardware', 'list', '-o', 'yaml', '-n', 'lab']), {
    out: /kind: HardwareList[^]*name: m2/,
  })
})

const documents = `# two documents
apiVersion: tinkerbell.org/v1alpha1
kind: Template
metadata: { name: t1, namespace: ns1 }
spec:
  data: |
    version: "0.1"
---
apiVersion: tinkerbell.org/v1alpha1
kind: Workflow
metadata: { name: w1 }
spec: { templateRef: t1, hardwareRef: m1 }
---
`

t.test('apply creates, leaves alone and changes', async (t) => {
  const readStdin = async () => documents
  const titles = ['template.tinkerbell.org/t1', 'workflow.tinkerbell.org/w1']
  const lines = (word: string) => titles.map((title) => `${title} ${word}\n`).join('')
  const apply = ['apply', '-f', '-', '-n', 'ns1']
  t.same(await run([...apply, '--dry-run'], { readStdin }), {
    code: 0,
    out: lines('created (dry run)'),
    err: '',
  })
  t.same(await run(apply, { readStdin }), { code: 0, out: lines('created'), err: '' })
  t.same(await run(apply, { readStdin }), { code: 0, out: lines('unchanged'), err: '' })
  const changed = await run([...apply, '-o', 'json'], {
    readStdin: async () => documents.replace('"0.1"', '"0.2"'),
  })
  t.match(JSON.parse(changed.out), { kind: 'List', items: [{ spec: { data: 'version: "0.2"\n' } }, {}] })
})

const broken = [
  { name: 'text that is not YAML', text: 'a: [', err: /standard input|-: / },
  { name: 'nothing', text: '# nothing\n', err: /holds no object/ },
  { name: 'no kind', text: 'metadata: { name: x }\n', err: /object 1: it has no "kind"/ },
  { name: 'no name', text: 'kind: Workflow\n', err: /Workflow has no "metadata.name"/ },
  {
    name: 'a kind that the server has not',
    text: 'kind: Pod\nmetadata: { name: x }\n',
    err: /no kind "Pod"; it has hardware/,
  },
  {
    name: 'a wrong type',
    text: 'kind: Hardware\nmetadata: { name: x }\nspec: { disks: 1 }\n',
    err: /spec\.disks/,
  },
]
for (const { name, text, err } of broken)
  t.test(`apply refuses ${name}`, async (t) => {
    t.match(await run(['apply', '-f', '-'], { readStdin: async () => text }), { code: 1, err })
  })

t.test('get shows tables, documents and names', async (t) => {
  t.match(await run(['get', 'wf', '-n', 'ns1']), {
    code: 0,
    out: /^NAME +TEMPLATE +STATE.*AGE\nw1 +t1 .*\d+s\n$/,
  })
  t.match(await run(['get', 'Workflow', '-A', '-o', 'wide']), {
    out: /^NAMESPACE +NAME .*TEMPLATE-RENDERING/,
  })
  t.equal(
    (await run(['get', 'hw', '-A', '-o', 'name'])).out,
    'hardware.tinkerbell.org/m2\nhardware.tinkerbell.org/m1\n',
  )
  t.match(JSON.parse((await run(['get', 'hw', 'ns1/m1', '-o', 'json'])).out), { metadata: { name: 'm1' } })
  t.match(await run(['get', 'tpl', 't1', '-n', 'ns1', '-o', 'yaml']), { out: /data: \|\n +version: "0\.2"/ })
  t.match(await run(['get', 'hw', '-n', 'empty']), { code: 0, err: 'nothing found\n' })
  t.match(await run(['get', 'hw', 'nobody']), {
    code: 1,
    err: 'error: hardware.tinkerbell.org "nobody" not found\n',
  })
})

const actions = (first: string, second: string) => [
  { id: 'a1', name: 'stream image', image: 'i', state: first, executionDuration: '5s' },
  {
    id: 'a2',
    name: 'reboot',
    image: 'i',
    state: second,
    ...(second === 'FAILED' ? { message: 'no such device' } : {}),
  },
]
const place = { kind: 'Workflow', namespace: 'ns1', name: 'w1' } as const
const setStatus = (state: string, first: string, second: string) =>
  updateStatus(server.db.store, place, {
    state,
    agentID: '52:54:00:00:00:01',
    currentState: { actionName: 'stream image' },
    tasks: [{ id: 't', name: 'install', agentID: 'x', actions: actions(first, second) }],
  })

t.test('workflow list and show say how far it is', async (t) => {
  await setStatus('RUNNING', 'SUCCESS', 'RUNNING')
  const { out } = await run(['workflow', 'list'])
  t.match(out, /ns1 +w1 +RUNNING +t1 +m1 +stream image +1\/2\n/)
  const shown = await run(['workflow', 'show', 'ns1/w1'])
  t.match(shown.out, /State: +RUNNING\n/)
  t.match(shown.out, /install +stream image +SUCCESS +5s\n/)
  t.match(JSON.parse((await run(['workflow', 'show', 'w1', '-n', 'ns1', '-o', 'json'])).out), {
    kind: 'Workflow',
  })
  t.match(await run(['workflow', 'show', 'nobody']), { code: 1, err: /"nobody" not found/ })
})

t.test('workflow watch prints each change and fails with the workflow', async (t) => {
  let out = ''
  const watching = run(['workflow', 'watch', 'ns1/w1'], {
    stdout: { write: (text: string) => (out += text) },
  })
  while (!out.includes('RUNNING')) await new Promise((resolve) => setTimeout(resolve, 5))
  await setStatus('FAILED', 'SUCCESS', 'FAILED')
  t.match(await watching, { code: 1, err: 'error: workflow ended with FAILED\n' })
  t.match(out, /\d\d:\d\d:\d\d {2}\[2\/2\] reboot: FAILED: no such device\n/)
})

t.test('workflow watch succeeds with the workflow', async (t) => {
  await server.client.create({ ...workflow('w2'), metadata: { name: 'w2', namespace: 'ns1' } })
  const second = { ...place, name: 'w2' }
  let out = ''
  const watching = run(['wf', 'watch', 'ns1/w2', '-o', 'json'], {
    stdout: { write: (text: string) => (out += text) },
  })
  while (out === '') await new Promise((resolve) => setTimeout(resolve, 5))
  await updateStatus(server.db.store, second, { state: 'RUNNING' })
  await updateStatus(server.db.store, second, { state: 'SUCCESS' })
  t.match(await watching, { code: 0, err: '' })
  const states = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).status?.state)
  t.same(states, [undefined, 'RUNNING', 'SUCCESS'])
})

t.test('logs and progress are served per action', async (t) => {
  const get = async (path: string) =>
    (await server.client.request('GET', `/ironwake/v1/workflows/ns1/${path}`)).json as object
  t.match(await get('w1/logs?action=reboot&since=7'), {
    actions: [{ id: 'a2', name: 'reboot', lines: [{ line: 7 }] }],
  })
  t.match(await get('w1/logs'), { actions: [{ id: 'a1' }, { id: 'a2' }] })
  t.match(await get('w1/logs?action=none'), { kind: 'Status', reason: 'NotFound' })
  t.match(await get('w1/logs?since=x'), { kind: 'Status', reason: 'BadRequest' })
  t.match(await get('w1/progress'), { actions: [{ name: 'stream image', doneBytes: 5, totalBytes: 10 }] })
  t.match(await get('nobody/progress'), { kind: 'Status', reason: 'NotFound' })
})

t.test('delete removes by name and by file', async (t) => {
  t.match(await run(['delete', 'wf', 'w2', '-n', 'ns1']), {
    code: 0,
    out: 'workflow.tinkerbell.org/w2 deleted\n',
  })
  const readStdin = async () => documents
  t.match(await run(['delete', '-f', '-', '-n', 'ns1', '-o', 'json'], { readStdin }), {
    code: 0,
    out: /"deleted"/,
  })
  t.match(await run(['delete', 'wf', 'w1', '-n', 'ns1']), { code: 1, err: /not found/ })
  t.match(await run(['delete', 'wf']), { code: 2, err: /name a kind and one or more objects/ })
})

const mac = parseMac('52:54:00:00:00:01')!

t.test('timeline tells what a machine did, by MAC and by name', async (t) => {
  t.match(await run(['timeline', '52-54-00-00-00-01']), { code: 0, out: '', err: /nothing was seen/ })
  server.timeline.record(mac, 'dhcp-discover', { arch: 7 })
  server.timeline.record(mac, 'boot-disk', { why: 'evil\u001b[31m' })
  for (const machine of ['52:54:00:00:00:01', 'm1', 'ns1/m1']) {
    const { code, out } = await run(['timeline', machine])
    t.equal(code, 0)
    t.match(
      out,
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}asked for an address .*\n.*own disk.*\n$/,
      machine,
    )
    t.notMatch(out, '\u001b')
  }
  const json = await run(['timeline', 'm1', '-o', 'json'])
  t.match(JSON.parse(json.out), { mac, hardware: 'ns1/m1', entries: [{ stage: 'dhcp-discover' }, {}] })
  t.match(await run(['timeline', 'nobody']), { code: 1, err: /no hardware "nobody"/ })
})

t.test('timeline --follow goes on until interrupted', async (t) => {
  const stop = new AbortController()
  let out = ''
  const write = (text: string) => (out += text)
  const following = run(['timeline', 'm1', '-f'], { stdout: { write }, signal: stop.signal })
  while (!out.includes('own disk')) await new Promise((resolve) => setTimeout(resolve, 5))
  server.timeline.record(parseMac('52:54:00:00:00:99')!, 'dhcp-discover')
  server.timeline.record(mac, 'phone-home', { hostname: 'm1' })
  while (!out.includes('phoned home')) await new Promise((resolve) => setTimeout(resolve, 5))
  stop.abort()
  t.match(await following, { code: 0 })
  t.equal(out.trim().split('\n').length, 3)
})

const calls = [
  { name: 'no command', argv: [], code: 2, err: /Usage: ironwake/ },
  { name: 'an unknown command', argv: ['bake'], code: 2, err: /unknown command 'bake'/ },
  {
    name: 'an unknown option',
    argv: ['hardware', 'list', '--bogus'],
    code: 2,
    err: /unknown option '--bogus'/,
  },
  {
    name: 'an unknown output format',
    argv: ['hardware', 'list', '-o', 'xml'],
    code: 2,
    err: /Allowed choices/,
  },
  { name: 'a missing argument', argv: ['timeline'], code: 2, err: /missing required argument/ },
  { name: 'help', argv: ['--help'], code: 0, out: /Usage: ironwake/ },
  {
    name: 'help of a command',
    argv: ['hardware', 'import', '--help'],
    code: 0,
    out: /Examples:\n {2}\$ ironwake hardware import/,
  },
  { name: 'version', argv: ['version'], code: 0, out: '1.2.3\n' },
  { name: 'version as JSON', argv: ['version', '-o', 'json'], code: 0, out: /"version": "1\.2\.3"/ },
]
for (const { name, argv, ...want } of calls)
  t.test(`${name} ends with ${want.code}`, async (t) => t.match(await run(argv), want))

t.test('every command has examples and says what it does', async (t) => {
  const { buildProgram } = await import('../../src/cli/program.ts')
  const seen: string[] = []
  const program = buildProgram({
    stdout: { write: (text) => seen.push(text) },
    stderr: { write: () => {} },
    readStdin: async () => '',
    env: {},
    now: () => 0,
    version: '',
    signal: new AbortController().signal,
    extend: (root) => void root.command('extra').description('of the server'),
  })
  const walk = (commands: typeof program.commands): typeof program.commands =>
    commands.flatMap((command) => [command, ...walk([...command.commands])])
  for (const command of walk([...program.commands])) {
    t.ok(command.description(), command.name())
    if (command.name() === 'extra') continue
    seen.length = 0
    command.outputHelp()
    t.match(seen.join(''), /Examples:/, command.name())
  }
})

t.test('a server that is not there is named', async (t) => {
  const gone = await startServer()
  await gone.close()
  const dataDir = gone.dataDir
  const missing = await run(['hardware', 'list'], { env: { IRONWAKE_DATA_DIR: dataDir } })
  t.match(missing, { code: 1, err: /cannot read .*admin\.kubeconfig: there is no such file/ })
  const again = await startServer({ dataDir })
  await again.close()
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const unreachable = await run(['hardware', 'list'], { env: {}, signal: AbortSignal.timeout(5000) }).catch(
    () => undefined,
  )
  t.match(unreachable, { code: 1, err: /data\/admin\.kubeconfig/ })
  const refused = await run(['hardware', 'list', '--data-dir', dataDir])
  t.match(refused, {
    code: 1,
    err: /server not reachable at https:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\): is "ironwake serve" running\?/,
  })
})

t.test('a server with another CA is not trusted', async (t) => {
  const other = await startServer()
  t.teardown(() => other.close())
  const path = join(server.dataDir, 'mixed.kubeconfig')
  const { readFile } = await import('node:fs/promises')
  const text = await readFile(server.pki.kubeconfigPath, 'utf8')
  await writeFile(path, text.replace(server.url, other.url))
  t.match(await run(['hardware', 'list', '--kubeconfig', path]), {
    code: 1,
    err: /the certificate of .* is not the one/,
  })
})

t.test('a wrong token is refused', async (t) => {
  const path = join(server.dataDir, 'wrong.kubeconfig')
  const { readFile } = await import('node:fs/promises')
  const text = await readFile(server.pki.kubeconfigPath, 'utf8')
  await writeFile(path, text.replace(server.pki.adminToken, 'wrong'))
  t.match(await run(['hardware', 'list', '--kubeconfig', path]), { code: 1, err: 'error: Unauthorized\n' })
  await writeFile(path, 'kind: Config\n')
  t.match(await run(['hardware', 'list', '--kubeconfig', path]), { code: 1, err: /not a usable kubeconfig/ })
})

t.end()
