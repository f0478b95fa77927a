import type { Test } from 'tap'
import type { KindName } from '../../src/model/kinds.ts'
import { updateStatus } from '../../src/store/resource.ts'
import type { Following, Program, Run } from './kubectl.ts'
import { hardware } from './server.ts'
import type { TestServer } from './server.ts'

/** A server, and one kubectl that is its client. */
export type Place = {
  server: TestServer
  program: Program
  run(...args: string[]): Promise<Run>
  /** with this text on its standard input */
  feed(input: object, ...args: string[]): Promise<Run>
  /** runs with an editor that changes `from` into `to` */
  editing(from: string, to: string, ...args: string[]): Promise<Run>
  follow(...args: string[]): Following
  stored(kind?: KindName, name?: string): Promise<any>
}

const m1 = hardware('m1', { type: 'cp' })
const withSpec = (spec: object) => ({ ...m1, spec: { ...m1.spec, ...spec } })
const inNs1 = (apiVersion: string, kind: string, name: string, rest: object) => ({
  apiVersion,
  kind,
  metadata: { name, namespace: 'ns1' },
  ...rest,
})
const bmc = inNs1('bmc.tinkerbell.org/v1alpha1', 'Machine', 'b1', {
  spec: { connection: { host: '10.0.0.9', insecureTLS: true } },
})
const base64 = (text: string) => Buffer.from(text).toString('base64')
const secret = (word: string) =>
  inNs1('v1', 'Secret', 's1', { immutable: true, data: { word: base64(word) } })
const json = JSON.stringify
const versionOf = (object: any): string => object.metadata.resourceVersion

export type Command = { name: string; check(t: Test, at: Place): Promise<void> }

/** In this order, on one server: each finds what those before it have left. */
export const commands: readonly Command[] = [
  {
    name: 'version',
    async check(t, { run, program }) {
      const { code, out } = await run('version', '-o', 'json')
      t.equal(code, 0)
      t.match(JSON.parse(out), {
        clientVersion: { minor: new RegExp(`^${program.minor}\\b`) },
        serverVersion: { gitVersion: /^v1\.33\.0\+ironwake/ },
      })
    },
  },
  {
    name: 'apply creates',
    async check(t, { feed, stored }) {
      const answer = await feed(withSpec({ userData: 'one', vendorData: 'v' }), 'apply', '-f', '-')
      t.match(answer, { code: 0, out: 'hardware.tinkerbell.org/m1 created\n', err: '' })
      const { metadata, spec } = await stored()
      t.match({ metadata, spec }, { metadata: { ...m1.metadata, generation: 1 }, spec: m1.spec })
      t.match({ spec }, { spec: { userData: 'one', vendorData: 'v' } })
    },
  },
  {
    name: 'apply changes',
    async check(t, { feed, stored }) {
      const answer = await feed(withSpec({ userData: 'two' }), 'apply', '-f', '-')
      t.match(answer, { code: 0, out: 'hardware.tinkerbell.org/m1 configured\n', err: '' })
      const { metadata, spec } = await stored()
      t.same(spec, { ...m1.spec, userData: 'two' }, 'what is no longer applied is gone')
      t.equal(metadata.generation, 2)
    },
  },
  {
    name: 'apply --force',
    async check(t, { feed, stored }) {
      const before = versionOf(await stored())
      const answer = await feed(withSpec({ userData: 'two' }), 'apply', '-f', '-', '--force')
      t.match(answer, { code: 0, out: 'hardware.tinkerbell.org/m1 unchanged\n', err: '' })
      t.equal(versionOf(await stored()), before)
      t.match(await feed(secret('one'), 'apply', '-f', '-'), { code: 0, out: 'secret/s1 created\n' })
      const { uid } = (await stored('Secret', 's1')).metadata
      t.match(await feed(secret('two'), 'apply', '-f', '-'), { code: 1, err: /field is immutable/ })
      const forced = await feed(secret('two'), 'apply', '-f', '-', '--force')
      t.match(forced, { code: 0, out: 'secret/s1 configured\n' })
      const made = await stored('Secret', 's1')
      t.not(made.metadata.uid, uid, 'what cannot be changed is made anew')
      t.equal(made.data.word, base64('two'))
    },
  },
  {
    name: 'create of what exists',
    async check(t, { feed, stored }) {
      const before = versionOf(await stored())
      const answer = await feed(m1, 'create', '-f', '-')
      t.match(answer, { code: 1, out: '', err: /\(AlreadyExists\).*hardware\.tinkerbell\.org "m1" already/ })
      t.equal(versionOf(await stored()), before)
    },
  },
  {
    name: 'get',
    async check(t, { run, server }) {
      const key = { kind: 'Hardware', namespace: 'ns1', name: 'm1' } as const
      await updateStatus(server.db.store, key, { state: 'ready' })
      t.match(await run('get', 'hw', '-n', 'ns1'), { code: 0, out: /^NAME +STATE +AGE\nm1 +ready +\d+s\n$/ })
      t.match(await run('get', 'hardware', '-A'), { code: 0, out: /^NAMESPACE +NAME +STATE.*\nns1 +m1 / })
      const free = 'type in (cp),!v1alpha1.tinkerbell.org/ownerName'
      const listed = await run('get', 'hw', '-A', '-l', free, '-o', 'name')
      t.match(listed, { code: 0, out: 'hardware.tinkerbell.org/m1\n' })
      const missing = await run('get', 'hw', 'm2', '-n', 'ns1')
      t.match(missing, {
        code: 1,
        err: 'Error from server (NotFound): hardware.tinkerbell.org "m2" not found',
      })
    },
  },
  {
    name: 'get -o jsonpath',
    async check(t, { run }) {
      const path = 'jsonpath={.spec.userData} {.spec.interfaces[*].dhcp.mac}'
      const answer = await run('get', 'hw', 'm1', '-n', 'ns1', '-o', path)
      t.same(answer, { code: 0, out: 'two 52:54:00:00:00:01', err: '' })
    },
  },
  {
    name: 'label',
    async check(t, { run, stored }) {
      const label = (word: string) => run('label', 'hw', 'm1', '-n', 'ns1', word)
      t.match(await label('rack=r1'), { code: 0, out: 'hardware.tinkerbell.org/m1 labeled\n' })
      t.match(await label('rack=r2'), { code: 1, err: /already has a value/ })
      t.match(await label('type-'), { code: 0, out: 'hardware.tinkerbell.org/m1 unlabeled\n' })
      t.same((await stored()).metadata.labels, { rack: 'r1' })
    },
  },
  {
    name: 'annotate',
    async check(t, { run, stored }) {
      const answer = await run('annotate', 'hw', 'm1', '-n', 'ns1', 'note=hello there')
      t.match(answer, { code: 0, out: /^hardware\.tinkerbell\.org\/m1 annotated?\n$/ })
      t.equal((await stored()).metadata.annotations.note, 'hello there')
    },
  },
  {
    name: 'patch --type=merge',
    async check(t, { run, stored }) {
      const patch = (body: object) =>
        run('patch', 'hw', 'm1', '-n', 'ns1', '--type=merge', '-p', json({ spec: body }))
      const answer = await patch({ vendorData: 'merged' })
      t.match(answer, { code: 0, out: 'hardware.tinkerbell.org/m1 patched\n' })
      t.equal((await stored()).spec.vendorData, 'merged')
      t.match(await patch({ vendorData: 'merged' }), { code: 0, out: /m1 patched \(no change\)/ })
      t.match(await patch({ disks: 'sda' }), { code: 1, err: /spec\.disks/ })
    },
  },
  {
    name: 'patch --type=json',
    async check(t, { run, stored }) {
      const patch = (...operations: object[]) =>
        run('patch', 'hw', 'm1', '-n', 'ns1', '--type=json', '-p', json(operations))
      const test = (value: string) => ({ op: 'test', path: '/spec/vendorData', value })
      const remove = { op: 'remove', path: '/spec/vendorData' }
      const refused = await patch(remove, test('other'))
      t.match(refused, { code: 1, err: /The Hardware "m1" is invalid: operation .*vendorData/ })
      t.equal((await stored()).spec.vendorData, 'merged', 'all operations or none')
      const answer = await patch(test('merged'), remove)
      t.match(answer, { code: 0, out: 'hardware.tinkerbell.org/m1 patched\n' })
      t.notOk('vendorData' in (await stored()).spec)
    },
  },
  {
    name: 'patch --subresource=status',
    async check(t, { run, stored }) {
      const { metadata } = await stored()
      const body = json({ spec: { userData: 'ignored' }, status: { state: 'patched' } })
      const args = ['hw', 'm1', '-n', 'ns1', '--type=merge', '--subresource=status', '-p', body]
      t.match(await run('patch', ...args), { code: 0, out: 'hardware.tinkerbell.org/m1 patched\n' })
      const wanted = { metadata: { generation: metadata.generation }, spec: { userData: 'two' } }
      t.match(await stored(), { ...wanted, status: { state: 'patched' } })
    },
  },
  {
    name: 'wait --for=condition',
    async check(t, { run, feed, server }) {
      t.match(await feed(bmc, 'apply', '-f', '-'), { code: 0, err: '' })
      const waiting = run('wait', '--for=condition=Contactable', 'machine/b1', '-n', 'ns1', '--timeout=20s')
      const key = { kind: 'Machine', namespace: 'ns1', name: 'b1' } as const
      for (const status of ['False', 'True'])
        await updateStatus(server.db.store, key, { conditions: [{ type: 'Contactable', status }] })
      t.match(await waiting, { code: 0, out: 'machine.bmc.tinkerbell.org/b1 condition met\n' })
    },
  },
  {
    name: 'diff',
    async check(t, { feed, stored }) {
      const before = versionOf(await stored())
      const { metadata } = m1
      const same = { ...withSpec({ userData: 'two' }), metadata: { ...metadata, labels: { rack: 'r1' } } }
      t.match(await feed(same, 'diff', '-f', '-'), { code: 0, out: '' })
      const other = { ...same, spec: { ...same.spec, userData: 'three' } }
      t.match(await feed(other, 'diff', '-f', '-'), {
        code: 1,
        out: /\n- +userData: two\n\+ +userData: three/,
      })
      t.equal(versionOf(await stored()), before)
    },
  },
  {
    name: 'replace',
    async check(t, { run, feed, stored }) {
      const { out } = await run('get', 'hw', 'm1', '-n', 'ns1', '-o', 'json')
      const read = JSON.parse(out) as { spec: object }
      const changed = { ...read, spec: { ...read.spec, userData: 'replaced' } }
      const answer = await feed(changed, 'replace', '-f', '-')
      t.match(answer, { code: 0, out: 'hardware.tinkerbell.org/m1 replaced\n' })
      t.match(await feed(read, 'replace', '-f', '-'), { code: 1, err: /\(Conflict\)/ })
      t.match(await stored(), { spec: { userData: 'replaced' }, status: { state: 'patched' } })
    },
  },
  {
    name: 'edit',
    async check(t, { editing, stored }) {
      const edited = await editing('userData: replaced', 'userData: edited', 'hw', 'm1', '-n', 'ns1')
      t.match(edited, { code: 0, out: 'hardware.tinkerbell.org/m1 edited\n' })
      t.equal((await stored()).spec.userData, 'edited')
      const same = await editing('nothing of it', '', 'hw', 'm1', '-n', 'ns1')
      t.match(same, { code: 0, err: /no changes made/ })
    },
  },
  {
    name: 'apply --server-side',
    async check(t, { run, feed, stored }) {
      const theirs = json({ spec: { vendorData: 'theirs' } })
      const other = ['patch', 'hw', 'm1', '-n', 'ns1', '--type=merge', '--field-manager=other', '-p', theirs]
      t.match(await run(...other), { code: 0 })
      const changed = inNs1(m1.apiVersion, m1.kind, 'm1', { spec: { userData: 'applied' } })
      const refused = await feed(changed, 'apply', '--server-side', '-f', '-')
      t.match(refused, { code: 1, err: /conflict with "kubectl-edit"[^]*\.spec\.userData/ })
      const config = inNs1(m1.apiVersion, m1.kind, 'm1', { spec: { vendorData: 'applied' } })
      const apply = (...more: string[]) => feed(config, 'apply', '--server-side', '-f', '-', ...more)
      t.match(await apply(), { code: 1, err: /conflict with "other"[^]*\.spec\.vendorData/ })
      const forced = await apply('--force-conflicts')
      t.match(forced, { code: 0, out: 'hardware.tinkerbell.org/m1 serverside-applied\n' })
      const object = await stored()
      t.match(object.spec, { userData: 'edited', vendorData: 'applied' })
      const owner = object.metadata.managedFields.find(({ manager }: any) => manager === 'kubectl')
      t.match(owner, { operation: 'Apply', fieldsV1: { 'f:spec': { 'f:vendorData': {} } } })
    },
  },
  {
    name: 'describe',
    async check(t, { run, feed, stored }) {
      const { uid } = (await stored()).metadata
      const event = inNs1('v1', 'Event', 'm1.1', {
        involvedObject: { kind: 'Hardware', name: 'm1', namespace: 'ns1', uid },
        type: 'Normal',
        reason: 'Booted',
        message: 'it boots',
        lastTimestamp: new Date().toISOString().replace(/\.\d+/, ''),
      })
      t.match(await feed(event, 'create', '-f', '-'), { code: 0 })
      const { code, out } = await run('describe', 'hw', 'm1', '-n', 'ns1')
      t.equal(code, 0)
      t.match(out, /^Name: +m1\nNamespace: +ns1\nLabels: +rack=r1\n/)
      t.match(
        out,
        /\nSpec:\n[^]*\n +User Data: +edited[^]*\n +Vendor Data: +applied\nStatus:\n +State: +patched\n/,
      )
      t.match(out, /\nEvents:\n +Type +Reason[^]*\n +Normal +Booted .*it boots\n$/)
    },
  },
  {
    name: 'explain',
    async check(t, { run }) {
      const spec = await run('explain', 'hardware.spec')
      t.match(spec, { code: 0, err: '', out: /KIND: +Hardware\nVERSION: +/ })
      t.match(spec.out, /userData\t<string>/)
      const deep = await run('explain', 'hardware.spec.interfaces.dhcp')
      t.match(deep, { code: 0, out: /mac\t<string>\n +MAC address/ })
      t.match(await run('explain', 'hardware.nonsense'), { code: 1, err: /nonsense.*does not exist/ })
    },
  },
  {
    name: 'get -w',
    async check(t, { follow, run, server }) {
      const watch = follow('get', 'hw', '-n', 'ns1', '-w')
      t.teardown(() => watch.stop())
      await watch.seen('patched')
      await updateStatus(
        server.db.store,
        { kind: 'Hardware', namespace: 'ns1', name: 'm1' },
        { state: 'watched' },
      )
      await watch.seen('watched')
      t.match(await run('get', 'hw', 'm1', '-n', 'ns1', '--no-headers'), { code: 0, out: /^m1 +watched / })
      t.match(await watch.stop(), /^NAME +STATE +AGE\nm1 +patched +\w+\nm1 +watched +\w+\n$/)
    },
  },
  {
    name: 'create --dry-run=server',
    async check(t, { feed, server }) {
      const create = (object: object) => feed(object, 'create', '--dry-run=server', '-f', '-')
      t.match(await create(m1), { code: 1, err: /\(AlreadyExists\)/ })
      const m2 = hardware('m2', {}, '52:54:00:00:00:02')
      const answer = await create(m2)
      t.match(answer, { code: 0, out: 'hardware.tinkerbell.org/m2 created (server dry run)\n' })
      t.equal((await server.client.list('Hardware')).length, 1, 'nothing is stored')
      t.match(await create({ ...m2, spec: { disks: 'sda' } }), { code: 1 }, 'what cannot be is refused')
    },
  },
  {
    name: 'apply --dry-run=server',
    async check(t, { feed, stored }) {
      const before = await stored()
      const answer = await feed(withSpec({ userData: 'dry' }), 'apply', '--dry-run=server', '-f', '-')
      t.match(answer, { code: 0, out: 'hardware.tinkerbell.org/m1 configured (server dry run)\n' })
      t.same(await stored(), before)
    },
  },
  {
    name: 'delete --cascade=foreground',
    async check(t, { run, feed, stored, server }) {
      const { apiVersion, kind, metadata } = await stored()
      const ownerReferences = [{ apiVersion, kind, name: 'm1', uid: metadata.uid }]
      const owned = inNs1(apiVersion, 'Template', 't1', {
        metadata: { name: 't1', namespace: 'ns1', ownerReferences },
      })
      t.match(await feed(owned, 'create', '-f', '-'), { code: 0 })
      const answer = await run('delete', 'hw', 'm1', '-n', 'ns1', '--cascade=foreground')
      t.match(answer, { code: 0, out: /^hardware\.tinkerbell\.org "m1" deleted/ })
      t.same(await server.client.list('Hardware'), [], 'kubectl has waited until it was gone')
      const gone = await run('wait', '--for=delete', 'tpl/t1', '-n', 'ns1', '--timeout=20s')
      t.equal(gone.code, 0)
      t.same(await server.client.list('Template'), [], 'what belonged to it is gone')
    },
  },
  {
    name: 'delete --all',
    async check(t, { run, feed, server }) {
      for (const [namespace, name] of [
        ['ns1', 'm3'],
        ['ns1', 'm4'],
        ['ns2', 'm5'],
      ] as const) {
        const mac = `52:54:00:00:00:0${name.slice(1)}`
        const object = { ...hardware(name, {}, mac), metadata: { name, namespace } }
        t.match(await feed(object, 'create', '-f', '-'), { code: 0 })
      }
      const { code, out } = await run('delete', 'hw', '--all', '-n', 'ns1')
      t.equal(code, 0)
      t.match(out, /^hardware\.tinkerbell\.org "m3" deleted.*\nhardware\.tinkerbell\.org "m4" deleted.*\n$/)
      const left = (await server.client.list('Hardware')) as any[]
      t.same(
        left.map(({ metadata }) => metadata.name),
        ['m5'],
        'another namespace keeps its own',
      )
    },
  },
]
