import t from 'tap'
import { holderOf, kubeconfigFor } from '../kube/client.ts'
import { hardware, startServer, workflow } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { runner } from './run.ts'

let server: TestServer
t.before(async () => {
  server = await startServer()
})
t.after(() => server.close())
const run = runner(() => server)

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
  for (const name of ['m1', 'm2']) await server.client.create(hardware(name))
  t.match(await run(['get', 'wf', '-n', 'ns1']), {
    code: 0,
    out: /^NAME +TEMPLATE +STATE.*AGE\nw1 +t1 .*\d+s\n$/,
  })
  t.match(await run(['get', 'Workflow', '-A', '-o', 'wide']), {
    out: /^NAMESPACE +NAME .*TEMPLATE-RENDERING/,
  })
  t.equal(
    (await run(['get', 'hw', '-A', '-o', 'name'])).out,
    'hardware.tinkerbell.org/m1\nhardware.tinkerbell.org/m2\n',
  )
  t.match(JSON.parse((await run(['get', 'hw', 'ns1/m1', '-o', 'json'])).out), { metadata: { name: 'm1' } })
  t.match(await run(['get', 'tpl', 't1', '-n', 'ns1', '-o', 'yaml']), { out: /data: \|\n +version: "0\.2"/ })
  t.match(await run(['get', 'hw', '-n', 'empty']), { code: 0, err: 'nothing found\n' })
  t.match(await run(['get', 'hw', 'nobody']), {
    code: 1,
    err: 'error: hardware.tinkerbell.org "nobody" not found\n',
  })
})

t.test('delete removes by name and by file', async (t) => {
  await server.client.create(workflow('w2'))
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

const core = `apiVersion: v1
kind: Namespace
metadata: { name: lab, labels: { a: b } }
---
apiVersion: v1
kind: Secret
metadata: { name: bmc-auth, namespace: lab }
type: kubernetes.io/basic-auth
stringData: { username: root, password: hunter2 }
---
apiVersion: v1
kind: Event
metadata: { name: happened, namespace: lab }
involvedObject: { kind: Hardware, name: m1, namespace: lab }
reason: Seen
message: it was seen
type: Normal
`

t.test('kinds of the core group are shown, made and deleted like all others', async (t) => {
  const readStdin = async () => core
  const words = (word: string) => `namespace/lab ${word}\nsecret/bmc-auth ${word}\nevent/happened ${word}\n`
  t.same(await run(['apply', '-f', '-'], { readStdin }), { code: 0, out: words('created'), err: '' })
  t.same(await run(['apply', '-f', '-'], { readStdin }), { code: 0, out: words('unchanged'), err: '' })

  t.match(await run(['get', 'secrets', '-A']), {
    code: 0,
    out: /^NAMESPACE +NAME +TYPE +DATA +AGE\nlab +bmc-auth +kubernetes\.io\/basic-auth +2 +\d+s\n$/,
  })
  t.match(await run(['get', 'secret', 'lab/bmc-auth', '-o', 'wide']), { code: 0, out: /^NAME +TYPE/ })
  t.match(await run(['get', 'events', '-n', 'lab']), { code: 0, out: /Seen +.*it was seen/ })
  t.match(await run(['get', 'ev', '-A']), { code: 0, out: /^NAMESPACE .*\nlab / })
  const namespaces = /^NAME +STATUS +AGE\nlab +Active +\d+s\nns1 +Active/
  t.match(await run(['get', 'namespaces']), { code: 0, out: namespaces })
  t.match(await run(['get', 'ns', '-A']), { code: 0, out: namespaces })
  t.match(await run(['get', 'ns', '-n', 'lab', '-l', 'a=b']), { code: 0, out: /^[^\n]*\nlab [^\n]*\n$/ })

  const one = JSON.parse((await run(['get', 'Namespace', 'lab', '-o', 'json'])).out) as object
  t.match(one, { kind: 'Namespace', status: { phase: 'Active' } })
  t.match(await run(['get', 'secret', 'bmc-auth', '-n', 'lab', '-o', 'yaml']), {
    out: /^apiVersion: v1\nkind: Secret\n/m,
  })
  t.match(JSON.parse((await run(['get', 'events', '-A', '-o', 'json'])).out), { kind: 'EventList' })
  t.match(await run(['get', 'secrets', '-A', '-o', 'name']), { code: 0, out: 'secret/bmc-auth\n' })
  t.match(await run(['get', 'ns', 'none']), { code: 1, err: 'error: namespaces "none" not found\n' })

  t.match(await run(['delete', 'secret', 'bmc-auth', '-n', 'lab']), { out: 'secret/bmc-auth deleted\n' })
  t.match(await run(['delete', 'ns', 'lab']), { code: 0, out: 'namespace/lab deleted\n' })
})

t.test('a role that may not read a kind is told so', async (t) => {
  const { token } = await holderOf(server, 'capt')
  const env = { KUBECONFIG: await kubeconfigFor(server, { token, caPem: server.pki.caPem }) }
  t.match(await run(['get', 'secrets', '-A'], { env }), {
    code: 1,
    err: /^error: secrets is forbidden: User/,
  })
  t.match(await run(['get', 'hw', '-n', 'ns1', '-o', 'name'], { env }), { code: 0, out: /hardware/ })
})

t.end()
