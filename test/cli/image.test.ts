import t from 'tap'
import { parse } from 'yaml'
import { startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { createWorkflow, runner, setStatus } from './run.ts'

const golden = {
  name: 'golden.raw.zst',
  from: 'folder',
  size: 3 * 1024 ** 2,
  modified: '2030-01-01T00:00:00.000Z',
  kind: 'zstd',
  sha256: 'ab'.repeat(32),
}
const pulled = {
  name: 'cache/debian/12.qcow2',
  from: 'cache',
  size: 1000,
  have: 120,
  modified: golden.modified,
  kind: 'qcow2',
}
let images: { name: string }[] = []
let server: TestServer
t.before(async () => {
  server = await startServer({ images: async () => images })
})
t.teardown(() => server.close())
const run = runner(() => server)

t.test('images are listed, with who names them', async (t) => {
  t.match(await run(['image', 'list']), { code: 0, out: '', err: 'nothing found\n' })
  images = [golden, pulled]
  const data =
    'IMG_URL: http://192.168.77.1:7171/images/golden.raw.zst?x=1\nOTHER: /images/golden.raw.zst.old'
  await server.client.create({
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Template',
    metadata: { namespace: 'ns1', name: 'install' },
    spec: { data },
  } as never)
  await createWorkflow(server, 'w1')
  await setStatus(server, 'w1', 'RUNNING', [{ name: 'stream', state: 'RUNNING' }])
  const { out } = await run(['image', 'list'])
  const lines = out.split('\n')
  t.match(lines[0], /^NAME +KIND +SIZE +CHANGED +SHA256 +USED BY$/)
  t.match(
    lines[1],
    /^golden\.raw\.zst +zstd +3\.0 MiB +20[0-9-]+ [0-9:]{5} +abababababab +Template\/ns1\/install$/,
  )
  t.match(lines[2], /^cache\/debian\/12\.qcow2 +qcow2 +12% of 1000 B +20[0-9-]+ [0-9:]{5}$/)
  const all = [
    { ...golden, usedBy: ['Template/ns1/install'] },
    { ...pulled, usedBy: [] },
  ]
  t.same(JSON.parse((await run(['image', 'list', '-o', 'json'])).out), all)
  t.same(parse((await run(['image', 'list', '-o', 'yaml'])).out), all)
})

t.test('a Workflow that has not ended uses what its actions are given', async (t) => {
  const workflow = (name: string, state: string) => ({
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Workflow',
    metadata: { namespace: 'ns1', name },
    spec: { hardwareMap: { image: 'http://a/images/cache/debian/12.qcow2' } },
    status: { state },
  })
  for (const [name, state] of [
    ['w2', 'PENDING'],
    ['w3', 'SUCCESS'],
  ] as const) {
    await server.client.create(workflow(name, state) as never)
    await setStatus(server, name, state)
  }
  const { json } = await server.client.request('GET', '/ironwake/v1/images')
  t.match((json as { images: object[] }).images[1], { usedBy: ['Workflow/ns1/w2'] })
})

t.test('help says how it is used', async (t) => {
  const { out } = await run(['image', 'list', '--help'])
  t.match(out, /Examples:\n +\$ ironwake image list\n/)
})
