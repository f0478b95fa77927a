import t from 'tap'
import { AppError } from '../../src/model/error.ts'
import { ownerNameLabel } from '../../src/model/hardware.ts'
import { patchObject } from '../../src/store/resource.ts'
import { importCsv } from '../../src/inventory/import.ts'
import { bytesOf, openInventory } from './inventory.ts'

const header = 'hostname,mac,ip_address,netmask,gateway,nameservers,labels,disk'
const line = (n: number) =>
  `n${n},52:54:00:77:01:0${n},192.168.77.1${n},255.255.255.0,192.168.77.1,8.8.8.8,type=cp,/dev/sda`
const file = [header, line(1), line(2), line(3)].join('\n')
t.test('the same file twice changes nothing', async (t) => {
  const house = await openInventory()
  t.match(await house.load(file, { dryRun: true }), { created: 3 })
  t.same(await house.names(), [])
  t.match(await house.load(file), { created: 3, updated: 0, unchanged: 0 })
  const version = await house.store.version()
  t.match(await house.load(file, { dryRun: true }), { created: 0, updated: 0, unchanged: 3 })
  t.match(await house.load(file), { created: 0, updated: 0, unchanged: 3 })
  t.equal(await house.store.version(), version)
  await house.close()
})

t.test('one bad row and nothing is imported', async (t) => {
  const house = await openInventory()
  const report = await house.load(`${file}\n${line(4).replace('/dev/sda', 'sda')}`)
  t.match(report, { faults: [{ line: 5, column: 'disk' }] })
  t.same(await house.names(), [])
  await house.close()
})

t.test('a MAC or address of another Hardware is a fault that names it', async (t) => {
  const house = await openInventory()
  await house.load(file)
  const stranger = line(1).replace('n1', 'n9')
  t.match(await house.load([header, stranger].join('\n')), {
    faults: [
      { line: 2, column: 'mac', expected: /eksa-system\/n1/ },
      { line: 2, column: 'ip_address', expected: /eksa-system\/n1/ },
    ],
  })
  t.same(await house.names(), ['n1', 'n2', 'n3'])
  await house.close()
})

t.test('rows may exchange their MACs, but not take one from a second interface', async (t) => {
  const house = await openInventory()
  await house.load(file)
  const exchanged = [header, line(1).replace(':01,', ':02,'), line(2).replace(':02,', ':01,')].join('\n')
  t.match(await house.load(exchanged), { created: 0, updated: 2, unchanged: 0 })
  const key = { kind: 'Hardware', namespace: 'eksa-system', name: 'n3' } as const
  const [nic] = (await house.hardware(key.name)).spec?.interfaces ?? []
  await patchObject(house.store, key, { spec: { interfaces: [nic, { dhcp: { mac: '52:54:00:77:01:09' } }] } })
  t.match(await house.load([header, line(3), line(1).replace(':01,', ':09,')].join('\n')), {
    faults: [{ line: 3, column: 'mac', expected: /eksa-system\/n3/ }],
  })
  await house.close()
})

t.test('a file that does not speak of BMC and VLAN leaves them alone', async (t) => {
  const house = await openInventory()
  await house.load(`${header},vlan_id\n${line(1)},42\n`)
  const key = { kind: 'Hardware', namespace: 'eksa-system', name: 'n1' } as const
  await patchObject(house.store, key, { spec: { bmcRef: { kind: 'Machine', name: 'm' } } })
  t.match(await house.load(`${header}\n${line(1)}\n`), { unchanged: 1 })
  t.match(await house.load(`${header},vlan_id\n${line(1)},\n`), { updated: 1 })
  const { spec } = await house.hardware(key.name)
  t.match(spec, { bmcRef: { name: 'm' } })
  t.notOk(spec?.interfaces?.[0]?.dhcp?.vlan_id)
  await house.close()
})

t.test('a changed row changes its own fields and keeps what others have set', async (t) => {
  const house = await openInventory()
  await house.load(file)
  const key = { kind: 'Hardware', namespace: 'eksa-system', name: 'n1' } as const
  const claim = {
    metadata: { labels: { [ownerNameLabel]: 'm1' }, finalizers: ['a/b'] },
    spec: {
      userData: 'secret',
      interfaces: [{ netboot: { allowPXE: false }, dhcp: { mac: '52:54:00:77:01:01' } }],
    },
  }
  await patchObject(house.store, key, claim)
  const changed = file.replace('192.168.77.11', '192.168.77.99').replace('type=cp', 'type=worker')
  t.match(await house.load(changed), { created: 0, updated: 1, unchanged: 2 })
  t.match(await house.store.get(key), {
    metadata: { labels: { [ownerNameLabel]: 'm1', type: 'worker' }, finalizers: ['a/b'] },
    spec: {
      userData: 'secret',
      interfaces: [{ netboot: { allowPXE: false }, dhcp: { ip: { address: '192.168.77.99' } } }],
    },
  })
  await house.close()
})

t.test('an import cut off by a crash is finished at the next start', async (t) => {
  const house = await openInventory()
  const { deps } = house
  const store = {
    ...deps.store,
    createAll: async ([first]: Parameters<typeof deps.store.createAll>[0]) => {
      await deps.store.createAll([first!])
      throw new AppError('Unavailable', 'killed')
    },
  }
  const options = { namespace: 'eksa-system', dryRun: false }
  await t.rejects(importCsv({ ...deps, store }, bytesOf(file), options), /killed/)
  t.equal((await house.side.list('import', '')).length, 2, 'its head and its rows')
  await house.side.put('import', 'zz', { parts: 1, isSealed: false })
  await house.side.put('import', 'zz/00000001', [])
  await house.resume()
  t.same(await house.names(), ['n1', 'n2', 'n3'])
  t.same(await house.side.list('import', ''), [], 'also what was never read to its end')
  await house.close()
})
