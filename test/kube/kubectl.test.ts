import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { follow, kubectlOf, noKubectl, usualKubectl } from './kubectl.ts'
import type { Run } from './kubectl.ts'
import { hardware, startServer } from './server.ts'
import type { TestServer } from './server.ts'
import { updateStatus } from '../../src/store/resource.ts'

const kubectl = usualKubectl()
const skip = kubectl ? false : noKubectl

let server: TestServer
let file: string

const run = (...args: string[]): Promise<Run> => kubectlOf(kubectl!, server)(args)

t.test('kubectl works with admin.kubeconfig as it is', { skip }, async (t) => {
  server = await startServer()
  t.after(() => server.close())
  file = join(server.dataDir, 'm1.yaml')
  const m1 = hardware('m1', { type: 'cp' })
  await writeFile(file, stringify(m1))
  const key = { kind: 'Hardware', namespace: 'ns1', name: 'm1' } as const

  await t.test('version', async (t) => t.match(await run('version'), { code: 0, out: /v1\.33\.0\+ironwake/ }))
  await t.test('api-resources names the kinds', async (t) => {
    const { out } = await run('api-resources')
    t.match(out, /hardware +hw +tinkerbell.org\/v1alpha1 +true +Hardware/)
  })
  await t.test('apply creates', async (t) => {
    t.match(await run('apply', '-f', file), { code: 0, out: 'hardware.tinkerbell.org/m1 created\n' })
  })
  await t.test('apply of the same file changes nothing', async (t) => {
    t.match(await run('apply', '-f', file), { code: 0, out: 'hardware.tinkerbell.org/m1 unchanged\n' })
  })
  await t.test('apply of a changed file patches', async (t) => {
    await writeFile(file, stringify({ ...m1, spec: { ...m1.spec, userData: 'changed' } }))
    t.match(await run('diff', '-f', file), { code: 1, out: /\+ +userData: changed/ })
    t.match(await run('apply', '-f', file), { code: 0, out: 'hardware.tinkerbell.org/m1 configured\n' })
  })
  await t.test('create of an existing object fails', async (t) => {
    t.match(await run('create', '-f', file), { code: 1, err: /AlreadyExists.*"m1" already exists/ })
  })
  await t.test('get prints the columns of the kind', async (t) => {
    await updateStatus(server.db.store, key, { state: 'ready' })
    t.match(await run('get', 'hw', '-n', 'ns1'), { code: 0, out: /NAME +STATE +AGE\nm1 +ready +\d+s/ })
    t.match(await run('get', 'hardware', '-A'), { code: 0, out: /NAMESPACE +NAME.*\nns1 +m1/ })
    t.match(await run('get', 'tpl', '-A'), { code: 0, err: /No resources found/ })
    const path = await run('get', 'hw', 'm1', '-n', 'ns1', '-o', 'jsonpath={.spec.userData}')
    t.equal(path.out, 'changed')
  })
  await t.test('get by labels', async (t) => {
    const by = (selector: string) => run('get', 'hw', '-A', '-l', selector, '-o', 'name')
    t.equal((await by('type in (cp),!v1alpha1.tinkerbell.org/ownerName')).out, 'hardware.tinkerbell.org/m1\n')
    t.equal((await by('type!=cp')).out, '')
  })
  await t.test('get of nothing says what is missing', async (t) => {
    const { code, err } = await run('get', 'hw', 'nobody', '-n', 'ns1')
    t.match({ code, err }, { code: 1, err: /hardware\.tinkerbell\.org "nobody" not found/ })
  })
  await t.test('label, annotate and patch', async (t) => {
    t.match(await run('label', 'hw', 'm1', '-n', 'ns1', 'rack=r1'), { code: 0 })
    t.match(await run('annotate', 'hw', 'm1', '-n', 'ns1', 'note=hello'), { code: 0 })
    const spec = JSON.stringify({ spec: { vendorData: 'v' } })
    t.match(await run('patch', 'hw', 'm1', '-n', 'ns1', '--type=merge', '-p', spec), { code: 0 })
    const status = JSON.stringify({ status: { state: 'patched' } })
    const args = ['-n', 'ns1', '--type=merge', '--subresource=status', '-p', status]
    t.match(await run('patch', 'hw', 'm1', ...args), { code: 0 })
    t.match(await server.client.get('Hardware', 'ns1', 'm1'), {
      metadata: { labels: { rack: 'r1' }, annotations: { note: 'hello' } },
      spec: { vendorData: 'v' },
      status: { state: 'patched' },
    })
  })
  await t.test('replace and a server-side dry run', async (t) => {
    t.match(await run('create', '--dry-run=server', '-f', file), { code: 1, err: /AlreadyExists/ })
    const { out } = await run('get', 'hw', 'm1', '-n', 'ns1', '-o', 'yaml')
    const changed = join(server.dataDir, 'changed.yaml')
    await writeFile(changed, out.replace('userData: changed', 'userData: replaced'))
    t.match(await run('replace', '-f', changed), { code: 0 })
    t.match(await run('replace', '-f', changed), { code: 1, err: /Conflict/ })
  })
  await t.test('a wrong type is refused with its path', async (t) => {
    const patch = JSON.stringify({ spec: { disks: 'sda' } })
    const { code, err } = await run('patch', 'hw', 'm1', '-n', 'ns1', '--type=merge', '-p', patch)
    t.match({ code, err }, { code: 1, err: /spec\.disks/ })
  })
  await t.test('get -w and wait see a change', async (t) => {
    const watch = follow(kubectl!, server, ['get', 'hw', '-n', 'ns1', '-w'])
    t.teardown(() => watch.stop())
    await watch.seen('patched')
    const waiting = run(
      'wait',
      'hw/m1',
      '-n',
      'ns1',
      '--for=jsonpath={.status.state}=watched',
      '--timeout=10s',
    )
    await updateStatus(server.db.store, key, { state: 'watched' })
    await watch.seen('watched')
    t.match(await waiting, { code: 0, out: /condition met/ })
    const out = await watch.stop()
    t.equal(out.split('\n').filter((line) => line.startsWith('NAME')).length, 1)
  })
  await t.test('explain knows the fields', async (t) => {
    t.match(await run('explain', 'hardware.spec'), { code: 0, out: /userData/ })
  })
  await t.test('delete removes it', async (t) => {
    t.match(await run('delete', 'hw', 'm1', '-n', 'ns1'), { code: 0, out: /"m1" deleted/ })
    t.match(await run('delete', 'hw', '--all', '-n', 'ns1'), { code: 0 })
    t.same(await server.client.list('Hardware'), [])
  })
})
