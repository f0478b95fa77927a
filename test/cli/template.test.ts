import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { runner } from './run.ts'

let server: TestServer
let folder: string
t.before(async () => {
  server = await startServer()
  folder = await mkdtemp(join(tmpdir(), 'ironwake-template-'))
  await writeFile(file('hardware.yaml'), hardwareYaml)
})
t.after(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})
const run = runner(() => server)
const file = (name: string) => join(folder, name)
const shipped = 'workflows/debian-cloud.yaml'
const values = [
  'image_url=http://10.0.0.1/a.zst',
  'image_sha256=ab',
  'metadata_url=http://10.0.0.1:7172',
  'root_partition=3',
]
const allSet = values.flatMap((pair) => ['--set', pair])

const hardwareYaml = `
apiVersion: tinkerbell.org/v1alpha1
kind: Hardware
metadata: { name: m1, namespace: ns1 }
spec:
  disks: [{ device: /dev/nvme0n1 }]
  interfaces:
    - dhcp: { mac: '52:54:00:00:00:01', ip: { address: 192.0.2.10, netmask: 255.255.255.0 } }
      netboot: { allowPXE: true }
`

async function written(name: string, text: string): Promise<string> {
  await writeFile(file(name), text)
  return file(name)
}

t.test('a shipped Template and a Hardware file become actions, without a server', async (t) => {
  const none = { env: { KUBECONFIG: '/nowhere' } }
  const args = ['template', 'render', '-f', shipped, '--hardware', file('hardware.yaml'), ...allSet]
  const yaml = await run(args, none)
  t.match(yaml, { code: 0, err: '' })
  t.match(yaml.out, /worker: "52:54:00:00:00:01"\n/)
  t.match(yaml.out, /DEST_DISK: \/dev\/nvme0n1\n/)
  t.match(yaml.out, /DEST_DISK: \/dev\/nvme0n1p3\n/)
  t.match(yaml.out, /COMPRESSED: "true"\n/)
  t.match(yaml.out, /MODE: "0644"\n/)
  const json = JSON.parse((await run([...args, '-o', 'json'], none)).out)
  t.match(json, { name: 'debian-cloud', global_timeout: 3600, tasks: [{ name: 'install' }] })
  t.match(await run([...args, '-o', 'text'], none), { code: 0, out: /^\nversion: "0.1"\n/ })
})

t.test('scalars of environment keep their source text', async (t) => {
  const text = `
name: w
tasks:
  - name: t
    worker: w
    actions:
      - name: a
        image: i
        environment: { A: 0755, B: 1e3, C: yes, D: 1.10, E: 0x1F, F: null, G: "q", H: 2021-01-01, I: ~, J: 1_000 }
`
  const { out } = await run(['template', 'render', '-f', await written('env.tmpl', text), '-o', 'json'])
  t.same(JSON.parse(out).tasks[0].actions[0].environment, {
    A: '0755',
    B: '1e3',
    C: 'yes',
    D: '1.10',
    E: '0x1F',
    F: '',
    G: 'q',
    H: '2021-01-01',
    I: '',
    J: '1_000',
  })
})

t.test('a fault of the template is shown with its place and a caret', async (t) => {
  const text = 'name: x\n\ttask: {{ index .Hardware.Disks 5 | upper }}\n'
  const bad = await written('bad.tmpl', text)
  const { code, out, err } = await run(['template', 'render', '-f', bad, '--hardware', file('hardware.yaml')])
  t.same([code, out], [1, ''])
  t.equal(
    err,
    `error: ${bad}:2:11: error calling index: index out of range: 5\n` +
      '  1 | name: x\n' +
      '  2 | \ttask: {{ index .Hardware.Disks 5 | upper }}\n' +
      '    | \t         ^^^^^^^^^^^^^^^^^^^^^^^\n',
  )
})

t.test('faults of what it renders to are shown in the rendered text', async (t) => {
  const text =
    'name: x\ntasks:\n- name: t\n  worker: w\n  actions:\n  - name: {{ "a" }}\n    image: "A b"\n    command: text\n'
  const { code, err } = await run(['template', 'render', '-f', await written('doc.tmpl', text)])
  t.equal(code, 1)
  t.match(err, /as rendered, 7:12: invalid action image \(A b\)/)
  t.match(err, '  6 |   - name: a\n  7 |     image: "A b"\n    |            ^\n')
  t.match(err, /as rendered, 8:14: command must be a list/)
})

t.test('a missing value says how to give it', async (t) => {
  const { code, err } = await run(['template', 'render', '-f', shipped, '--hardware', file('hardware.yaml')])
  t.equal(code, 1)
  t.match(err, /spec\.data of Template debian-cloud:19:23: map has no entry for key "image_url"\n/)
  t.match(err, /--set image_url=…; so far there is device_1\n/)
})

t.test('what is not hermetic needs a setting, or the flag that stands for it', async (t) => {
  const clock = await written('now.tmpl', '{{ now.UTC.Year }}')
  t.match(await run(['template', 'render', '-f', clock]), {
    code: 1,
    err: /set templates\.allowNonHermetic to true/,
  })
  t.match(await run(['template', 'render', '-f', clock, '--allow-non-hermetic', '-o', 'text']), {
    code: 0,
    out: /^20\d\d\n$/,
  })
})

t.test('template and Hardware may be those of the server', async (t) => {
  t.equal((await run(['apply', '-f', file('hardware.yaml')])).code, 0)
  const { parse } = await import('yaml')
  const { readFile } = await import('node:fs/promises')
  await server.client.create({
    ...parse(await readFile(shipped, 'utf8')),
    metadata: { name: 'deb', namespace: 'ns1' },
  })
  const ours = ['template', 'render', '-t', 'deb', '-n', 'ns1', '--hardware', 'm1']
  t.match((await run([...ours, ...allSet])).out, /DEST_DISK: \/dev\/nvme0n1p3\n/)
  const mixed = ['template', 'render', '-f', shipped, '--hardware', 'ns1/m1', ...allSet]
  t.match((await run(mixed)).out, /DEST_DISK: \/dev\/nvme0n1\n/)
  t.match(await run([...ours.slice(0, -1), 'nobody']), { code: 1, err: /"nobody" not found/ })
  t.match(await run(['template', 'render', '-t', 'none', '-n', 'ns1']), { code: 1, err: /"none" not found/ })
})

t.test('values come from a file, and --set goes before it', async (t) => {
  const values = await written('values.yaml', 'a: 0755\nb: yes\n')
  const text = await written('values.tmpl', '{{.a}} {{.b}}')
  const args = ['template', 'render', '-f', text, '--values', values, '-o', 'text']
  t.equal((await run(args)).out, '0755 yes\n')
  t.equal((await run([...args, '--set', 'b=no=maybe'])).out, '0755 no=maybe\n')
  t.match(
    await run(['template', 'render', '-f', '-', '-o', 'text'], { readStdin: async () => '{{add 1 2}}' }),
    {
      out: '3\n',
    },
  )
})

const mistakes = [
  { name: 'no template', args: [], code: 2, err: /name a file with -f/ },
  { name: 'two templates', args: ['-f', 'a', '-t', 'b'], code: 2, err: /name a file with -f/ },
  {
    name: 'a value without a key',
    args: ['-f', shipped, '--set', '=x'],
    code: 2,
    err: /--set =x: expected key=value/,
  },
  { name: 'a file that is not there', args: ['-f', '/nowhere/t'], code: 1, err: /cannot read \/nowhere\/t/ },
  {
    name: 'a file without Hardware',
    args: ['-f', shipped, '--hardware', shipped],
    code: 1,
    err: /holds no Hardware/,
  },
  {
    name: 'values that are a list',
    args: ['-f', shipped, '--values', 'package.json/'],
    code: 1,
    err: /cannot read/,
  },
]
for (const { name, args, code, err } of mistakes)
  t.test(`${name} is told`, async (t) => t.match(await run(['template', 'render', ...args]), { code, err }))

t.test('help has examples', async (t) => {
  t.match((await run(['template', 'render', '--help'])).out, /Examples:\n {2}\$ ironwake template render -f/)
  t.match((await run(['template', '--help'])).out, /Examples:/)
})

t.end()
