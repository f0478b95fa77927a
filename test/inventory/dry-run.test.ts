import t from 'tap'
import { ownerNameLabel, ownerNamespaceLabel } from '../../src/model/hardware.ts'
import { createObject, patchObject } from '../../src/store/resource.ts'
import { openInventory } from './inventory.ts'

const header = 'hostname,mac,ip_address,netmask,gateway,nameservers,labels,disk'
const line = (n: number) =>
  `n${n},52:54:00:77:01:0${n},192.168.77.1${n},255.255.255.0,192.168.77.1,8.8.8.8,type=cp,/dev/sda`
const file = (...lines: string[]) => [header, ...lines, ''].join('\n')
const place = (name: string) => ({ kind: 'Hardware', namespace: 'eksa-system', name }) as const

t.test('a dry run says what would be added, changed and gone, and stores nothing', async (t) => {
  const house = await openInventory()
  await house.load(file(line(1), line(2), line(3)))
  const elsewhere = { apiVersion: 'tinkerbell.org/v1alpha1', kind: 'Hardware' }
  const handmade = { ...elsewhere, metadata: { name: 'by-hand', namespace: 'eksa-system' }, spec: {} }
  await createObject(house.store, handmade, house.deps)
  const version = await house.store.version()
  const next = file(
    line(1),
    line(2).replace('/dev/sda', '/dev/nvme0n1').replace('8.8.8.8', '1.1.1.1|9.9.9.9').replace('.12,', '.99,'),
    line(4),
  )
  const want = {
    created: 1,
    updated: 1,
    unchanged: 1,
    gone: { count: 1, names: ['eksa-system/n3'] },
    moreChanges: 0,
    changes: [
      {
        line: 3,
        name: 'eksa-system/n2',
        action: 'changed',
        fields: [
          { path: 'spec.disks[0].device', from: '/dev/sda', to: '/dev/nvme0n1' },
          { path: 'spec.interfaces[0].dhcp.name_servers', from: ['8.8.8.8'], to: ['1.1.1.1', '9.9.9.9'] },
          { path: 'spec.interfaces[0].dhcp.ip.address', from: '192.168.77.12', to: '192.168.77.99' },
          { path: 'spec.metadata.instance.ips[0].address', from: '192.168.77.12', to: '192.168.77.99' },
        ],
      },
      { line: 4, name: 'eksa-system/n4', action: 'added', fields: [] },
    ],
  }
  t.match(await house.load(next, { dryRun: true }), want)
  t.equal(await house.store.version(), version)
  const { changes: _c, moreChanges: _m, ...counts } = want
  t.match(await house.load(next), counts)
  t.match(await house.load(next, { dryRun: true }), { unchanged: 3, changes: [] })
  t.same(await house.names(), ['by-hand', 'n1', 'n2', 'n3', 'n4'], 'nothing is deleted')
  await house.close()
})

t.test('user-data is never shown, only that it changes', async (t) => {
  const house = await openInventory()
  const wide = (text: string) => `${header},user_data\n${line(1)},"${text}"\n`
  await house.load(wide('#cloud-config\ntoken: abcdef'))
  t.match(await house.hardware('n1'), { spec: { userData: '#cloud-config\ntoken: abcdef' } })
  const foreseen = await house.load(wide('token: 12345'), { dryRun: true })
  t.match(foreseen, { changes: [{ fields: [{ path: 'spec.userData', secret: true }] }] })
  t.notMatch(JSON.stringify(foreseen), /abcdef|12345/)
  t.match(await house.load(wide('')), { unchanged: 1 }, 'an empty cell keeps it')
  await house.close()
})

t.test('MAC, address and disk of an owned machine stay, and the fault names the owner', async (t) => {
  const house = await openInventory()
  await house.load(file(line(1), line(2)))
  const labels = { [ownerNameLabel]: 'cp-1', [ownerNamespaceLabel]: 'capi' }
  await patchObject(house.store, place('n1'), { metadata: { labels }, spec: { userData: 'join' } })
  const owner = /the machine is owned by capi\/cp-1/
  const moved = line(1).replace(':01,', ':09,').replace('.11,', '.19,').replace('sda', 'sdb')
  t.match(await house.load(file(line(2), moved)), {
    faults: [
      { line: 3, column: 'mac', value: '52:54:00:77:01:09', expected: /^52:54:00:77:01:01, as it is/ },
      { line: 3, column: 'ip_address', value: '192.168.77.19', expected: owner },
      { line: 3, column: 'disk', value: '/dev/sdb', expected: owner },
    ],
  })
  const relabelled = file(line(1).replace('type=cp', 'type=worker|rack=7'), line(2))
  t.match(await house.load(relabelled), { updated: 1, unchanged: 1 }, 'the rest of it may change')
  t.match(await house.hardware('n1'), { metadata: { labels: { ...labels, type: 'worker', rack: '7' } } })
  const withData = `${header},user_data\n${line(1)},mine\n`
  t.match(await house.load(withData), { faults: [{ column: 'user_data', value: '***', expected: owner }] })
  t.match(await house.load(file(line(1).replace('type=cp', `${ownerNameLabel}=x`))), {
    faults: [{ column: 'labels', expected: /set by Cluster API/ }],
  })
  await house.close()
})

t.test('a machine that is claimed after the check is left as it is, and named', async (t) => {
  const house = await openInventory()
  await house.load(file(line(1), line(2)))
  const { applyStage } = await import('../../src/inventory/apply.ts')
  const { openStage } = await import('../../src/inventory/stage.ts')
  const { parseCsv } = await import('./parse.ts')
  const stage = await openStage(house.side, 'x')
  await stage.add(parseCsv(file(line(1).replace('sda', 'sdb'), line(2).replace('sda', 'sdb'))).rows)
  await stage.seal()
  await patchObject(house.store, place('n1'), { metadata: { labels: { [ownerNameLabel]: 'cp-1' } } })
  t.match(await applyStage(house.deps, 'x'), {
    updated: 1,
    unchanged: 1,
    warnings: [/^line 2: eksa-system\/n1 was left as it is: .*owned by cp-1/],
  })
  t.match(await house.hardware('n1'), { spec: { disks: [{ device: '/dev/sda' }] } })
  await house.close()
})

t.test('rows go into namespaces of their own, where names are their own too', async (t) => {
  const house = await openInventory()
  const wide = `${header},namespace\n${line(1)},lab\n${line(2).replace('n2', 'n1')},\n`
  t.match(await house.load(wide, { namespace: 'other' }), { created: 2 })
  t.ok(await house.hardware('n1', 'lab'))
  t.ok(await house.hardware('n1', 'other'))
  t.match(await house.load(`${header},namespace\n${line(3)},lab\n`), { gone: { names: ['lab/n1'] } })
  t.match(await house.load(`${header},namespace\n${line(3)},Lab\n`), { faults: [{ column: 'namespace' }] })
  await house.close()
})
