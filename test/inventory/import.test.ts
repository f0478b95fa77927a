import t from 'tap'
import { pino } from 'pino'
import { importCsv, resumeImports } from '../../src/inventory/import.ts'
import { ownerNameLabel } from '../../src/model/hardware.ts'
import type { Hardware } from '../../src/model/hardware.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { patchObject } from '../../src/store/resource.ts'
import type { SideStore } from '../../src/store/side.ts'

const header = 'hostname,mac,ip_address,netmask,gateway,nameservers,labels,disk'
const line = (n: number) =>
  `n${n},52:54:00:77:01:0${n},192.168.77.1${n},255.255.255.0,192.168.77.1,8.8.8.8,type=cp,/dev/sda`
const file = [header, line(1), line(2), line(3)].join('\n')
const options = { namespace: 'eksa-system', dryRun: false }

async function inventory() {
  const clock = { now: () => 1_700_000_000_000, sleep: async () => {} }
  const opened = await openSqlite(':memory:', { clock })
  let uid = 0
  const deps = { ...opened, clock, newUid: () => `uid-${++uid}`, log: pino({ level: 'silent' }) }
  return {
    ...deps,
    names: async () => (await opened.store.list('Hardware')).items.map((item) => item.metadata.name),
  }
}

t.test('the same file twice changes nothing', async (t) => {
  const deps = await inventory()
  t.match(await importCsv(deps, file, { ...options, dryRun: true }), { created: 3 })
  t.same(await deps.names(), [])
  t.match(await importCsv(deps, file, options), { created: 3, updated: 0, unchanged: 0 })
  const version = await deps.store.version()
  t.match(await importCsv(deps, file, { ...options, dryRun: true }), { created: 0, updated: 0, unchanged: 3 })
  t.match(await importCsv(deps, file, options), { created: 0, updated: 0, unchanged: 3 })
  t.equal(await deps.store.version(), version)
  await deps.close()
})

t.test('one bad row and nothing is imported', async (t) => {
  const deps = await inventory()
  const report = await importCsv(deps, `${file}\n${line(4).replace('/dev/sda', 'sda')}`, options)
  t.match(report, { faults: [{ line: 5, column: 'disk' }] })
  t.same(await deps.names(), [])
  await deps.close()
})

t.test('a MAC or address of another Hardware is a fault that names it', async (t) => {
  const deps = await inventory()
  await importCsv(deps, file, options)
  const stranger = line(1).replace('n1', 'n9')
  t.match(await importCsv(deps, [header, stranger].join('\n'), options), {
    faults: [
      { line: 2, column: 'mac', expected: /eksa-system\/n1/ },
      { line: 2, column: 'ip_address', expected: /eksa-system\/n1/ },
    ],
  })
  t.same(await deps.names(), ['n1', 'n2', 'n3'])
  await deps.close()
})

t.test('rows may exchange their MACs, but not take one from a second interface', async (t) => {
  const deps = await inventory()
  await importCsv(deps, file, options)
  const exchanged = [header, line(1).replace(':01,', ':02,'), line(2).replace(':02,', ':01,')].join('\n')
  t.match(await importCsv(deps, exchanged, options), { created: 0, updated: 2, unchanged: 0 })
  const key = { kind: 'Hardware', namespace: 'eksa-system', name: 'n3' } as const
  const [nic] = ((await deps.store.get(key)) as Hardware).spec?.interfaces ?? []
  await patchObject(deps.store, key, { spec: { interfaces: [nic, { dhcp: { mac: '52:54:00:77:01:09' } }] } })
  t.match(await importCsv(deps, [header, line(3), line(1).replace(':01,', ':09,')].join('\n'), options), {
    faults: [{ line: 3, column: 'mac', expected: /eksa-system\/n3/ }],
  })
  await deps.close()
})

t.test('a file that does not speak of BMC and VLAN leaves them alone', async (t) => {
  const deps = await inventory()
  await importCsv(deps, `${header},vlan_id\n${line(1)},42\n`, options)
  const key = { kind: 'Hardware', namespace: 'eksa-system', name: 'n1' } as const
  await patchObject(deps.store, key, { spec: { bmcRef: { kind: 'Machine', name: 'm' } } })
  t.match(await importCsv(deps, `${header}\n${line(1)}\n`, options), { unchanged: 1 })
  t.match(await importCsv(deps, `${header},vlan_id\n${line(1)},\n`, options), { updated: 1 })
  const { spec } = (await deps.store.get(key)) as Hardware
  t.match(spec, { bmcRef: { name: 'm' } })
  t.notOk(spec?.interfaces?.[0]?.dhcp?.vlan_id)
  await deps.close()
})

t.test('a changed row changes its own fields and keeps what others have set', async (t) => {
  const deps = await inventory()
  await importCsv(deps, file, options)
  const key = { kind: 'Hardware', namespace: 'eksa-system', name: 'n1' } as const
  const claim = {
    metadata: { labels: { [ownerNameLabel]: 'm1' }, finalizers: ['a/b'] },
    spec: {
      userData: 'secret',
      interfaces: [{ netboot: { allowPXE: false }, dhcp: { mac: '52:54:00:77:01:01' } }],
    },
  }
  await patchObject(deps.store, key, claim)
  const changed = file.replace('192.168.77.11', '192.168.77.99').replace('type=cp', 'type=worker')
  t.match(await importCsv(deps, changed, options), { created: 0, updated: 1, unchanged: 2 })
  t.match(await deps.store.get(key), {
    metadata: { labels: { [ownerNameLabel]: 'm1', type: 'worker' }, finalizers: ['a/b'] },
    spec: {
      userData: 'secret',
      interfaces: [{ netboot: { allowPXE: false }, dhcp: { ip: { address: '192.168.77.99' } } }],
    },
  })
  await deps.close()
})

t.test('an import cut off by a crash is finished at the next start', async (t) => {
  const deps = await inventory()
  let writes = 0
  const store = {
    ...deps.store,
    create: (object: Parameters<typeof deps.store.create>[0]) => {
      if (++writes > 1) throw new Error('killed')
      return deps.store.create(object)
    },
  }
  const side: SideStore = deps.side
  await t.rejects(importCsv({ ...deps, store, side }, file, options), /killed/)
  t.equal((await deps.side.list('import', '')).length, 1)
  await resumeImports(deps)
  t.same(await deps.names(), ['n1', 'n2', 'n3'])
  t.same(await deps.side.list('import', ''), [])
  await deps.close()
})
