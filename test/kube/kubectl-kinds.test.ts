import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { groupVersionOf, kinds, resourceNameOf } from '../../src/model/kinds.ts'
import type { KindInfo } from '../../src/model/kinds.ts'
import { kubectlEnds, kubectlOf, noKubectl } from './kubectl.ts'
import { startServer } from './server.ts'

const all: readonly KindInfo[] = Object.values(kinds)
const metadata = (name: string) => ({ name, namespace: 'ns1' })
const secret = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: metadata('bmc-m1-auth'),
  type: 'kubernetes.io/basic-auth',
  data: { username: 'YWRtaW4=', password: 'c2VjcmV0' },
}
const machine = {
  apiVersion: 'bmc.tinkerbell.org/v1alpha1',
  kind: 'Machine',
  metadata: metadata('bmc-m1'),
  spec: { connection: { host: '10.0.0.9', insecureTLS: true } },
}
const event = {
  apiVersion: 'v1',
  kind: 'Event',
  metadata: metadata('m1.1'),
  involvedObject: { kind: 'Hardware', name: 'm1', namespace: 'ns1' },
  type: 'Normal',
  reason: 'Booted',
  message: 'it boots',
  lastTimestamp: new Date(Date.now() - 200_000).toISOString().replace(/\.\d+/, ''),
}

const found = kubectlEnds()
const skip = found.length > 0 ? false : noKubectl
t.test('kubectl is there', { skip }, async (t) => t.ok(found.length > 0))

for (const kubectl of found)
  t.test(`kubectl 1.${kubectl.minor} knows all kinds`, async (t) => {
    const server = await startServer()
    t.after(() => server.close())
    const run = (...args: string[]) => kubectlOf(kubectl, server)(args)
    const file = join(server.dataDir, 'objects.yaml')
    const apply = async (...objects: object[]) => {
      await writeFile(file, objects.map((object) => stringify(object)).join('---\n'))
      return run('apply', '-f', file)
    }

    await t.test('api-resources lists them', async (t) => {
      const { code, out } = await run('api-resources', '--no-headers')
      const rows = out.trim().split('\n')
      const cells = rows.map((row) => row.trim().split(/ +/))
      const seen = new Set(cells.map((row) => [row[0], ...row.slice(-3)].join(' ')))
      const wanted = all.map((info) =>
        [info.plural, groupVersionOf(info), info.namespaced, info.kind].join(' '),
      )
      t.equal(code, 0)
      t.same(seen, new Set(wanted))
    })
    await t.test('get takes all of them', async (t) => {
      const wanted = all.filter(({ kind }) => kind !== 'Namespace').map(resourceNameOf)
      t.match(await run('get', wanted.join(','), '-A'), { code: 0, err: /No resources found/ })
    })
    await t.test('explain tells their fields', async (t) => {
      for (const info of all) {
        const { code, out, err } = await run('explain', resourceNameOf(info))
        t.match({ code, err, out }, { code: 0, err: '', out: new RegExp(`KIND: +${info.kind}\n`) })
        t.match(out.replace(/\s+/g, ' '), info.description)
      }
      const deep = await run('explain', 'hardware.spec.interfaces.dhcp')
      t.match(deep, { code: 0, out: /mac\t<string>\n +MAC address/ })
      t.match(await run('explain', 'machine.metadata.ownerReferences'), {
        code: 0,
        out: /uid\t<string> -required-/,
      })
    })
    await t.test('apply makes and changes objects of the core kinds too', async (t) => {
      t.match(await apply(secret, machine, event), { code: 0, err: '' })
      const data = { ...secret.data, password: 'bmV3' }
      const again = await apply({ ...secret, data }, machine, event)
      t.match(again, { code: 0, out: /secret\/bmc-m1-auth configured\nmachine.*unchanged\nevent.*unchanged/ })
      t.match(await run('get', 'secrets', '-n', 'ns1'), {
        code: 0,
        out: /NAME +TYPE +DATA +AGE\n.*basic-auth +2 /,
      })
      t.match(await run('get', 'events', '-n', 'ns1'), {
        code: 0,
        out: /LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n3m\d+s +Normal +Booted +hardware\/m1 +it boots/,
      })
      t.match(await run('describe', 'secret', 'bmc-m1-auth', '-n', 'ns1'), {
        code: 0,
        out: /password: +3 bytes/,
      })
    })
    await t.test('the server is asked to refuse fields that nobody knows', async (t) => {
      const answer = await apply({ ...machine, spec: { ...machine.spec, novel: 1 } })
      t.match(answer, { code: 1, err: /unknown field "spec.novel"/ })
    })
  })
