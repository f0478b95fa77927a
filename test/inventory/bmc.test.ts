import t from 'tap'
import { patchObject } from '../../src/store/resource.ts'
import { openInventory } from './inventory.ts'

const header =
  'hostname,bmc_ip,bmc_username,bmc_password,mac,ip_address,netmask,gateway,nameservers,labels,disk'
const line = (n: number, bmc = `10.0.9.${n},root,hunter${n}`) =>
  `n${n},${bmc},52:54:00:77:01:0${n},192.168.77.1${n},255.255.255.0,192.168.77.1,8.8.8.8,type=cp,/dev/sda`
const file = (...lines: string[]) => [header, ...lines, ''].join('\n')
const base64 = (text: string) => Buffer.from(text).toString('base64')

t.test('a row with BMC fields makes Hardware, Machine and Secret as EKS Anywhere does', async (t) => {
  const house = await openInventory()
  t.match(await house.load(file(line(1), line(2, ',,'))), { created: 2 })
  t.same(await house.names('Machine'), ['bmc-n1'])
  t.match(await house.hardware('n1'), { spec: { bmcRef: { kind: 'Machine', name: 'bmc-n1' } } })
  t.notOk((await house.hardware('n2')).spec?.bmcRef)
  const { metadata: _, ...machine } = await house.get('Machine', 'bmc-n1')
  t.same(machine, {
    apiVersion: 'bmc.tinkerbell.org/v1alpha1',
    kind: 'Machine',
    spec: {
      connection: {
        host: '10.0.9.1',
        authSecretRef: { name: 'bmc-n1-auth', namespace: 'eksa-system' },
        insecureTLS: true,
        providerOptions: { preferredOrder: ['gofish'] },
      },
    },
  })
  t.match(await house.get('Secret', 'bmc-n1-auth'), {
    apiVersion: 'v1',
    type: 'kubernetes.io/basic-auth',
    metadata: { namespace: 'eksa-system', labels: { 'clusterctl.cluster.x-k8s.io/move': 'true' } },
    data: { username: base64('root'), password: base64('hunter1') },
  })
  const version = await house.store.version()
  t.match(await house.load(file(line(1), line(2, ',,'))), { created: 0, updated: 0, unchanged: 2 })
  t.equal(await house.store.version(), version, 'a second time writes nothing')
  await house.close()
})

t.test('a changed password changes the Secret and nothing else, and is never shown', async (t) => {
  const house = await openInventory()
  await house.load(file(line(1)))
  const [hardware, machine] = [await house.hardware('n1'), await house.get('Machine', 'bmc-n1')]
  const changed = file(line(1, '10.0.9.1,root,"new ""pass"", ü "'))
  const foreseen = await house.load(changed, { dryRun: true })
  t.match(foreseen, {
    updated: 1,
    changes: [
      { name: 'eksa-system/n1', action: 'changed', fields: [{ path: 'data.password', secret: true }] },
    ],
  })
  t.notMatch(JSON.stringify(foreseen), /hunter|new|aHVud/)
  t.match(await house.load(changed), { updated: 1 })
  t.match(await house.get('Secret', 'bmc-n1-auth'), { data: { password: base64('new "pass", ü ') } })
  t.same([await house.hardware('n1'), await house.get('Machine', 'bmc-n1')], [hardware, machine])
  await house.close()
})

t.test('no fault repeats a password, whatever is wrong with the row', async (t) => {
  const house = await openInventory()
  const bad = ['10.0.9.1,,hunter2', ',root,hunter2', 'bmc.local,root,hunter2', '10.0.9.1,root,']
  const reports = await Promise.all(bad.map((bmc) => house.load(file(line(1, bmc), line(1, bmc)))))
  t.ok(reports.every((report) => 'faults' in report))
  t.notMatch(JSON.stringify(reports), 'hunter2')
  await house.close()
})

t.test('a machine whose BMC fields are gone is named and keeps its BMC', async (t) => {
  const house = await openInventory()
  await house.load(file(line(1), line(2)))
  const without = file(line(1, ',,'), line(2))
  t.match(await house.load(without), { unchanged: 2, bmcKept: { count: 1, names: ['eksa-system/n1'] } })
  t.same(await house.names('Secret'), ['bmc-n1-auth', 'bmc-n2-auth'])
  t.ok((await house.hardware('n1')).spec?.bmcRef)
  const silent = [header, line(1), line(2)]
    .map((text) => text.split(',').toSpliced(1, 3).join(','))
    .join('\n')
  t.match(await house.load(silent), { bmcKept: { count: 0 } }, 'a file without such columns says nothing')
  await house.close()
})

t.test('port, certificate check and protocols come from columns of ours', async (t) => {
  const house = await openInventory()
  const wide = (...cells: string[]) =>
    `${header},bmc_port,bmc_insecure_tls,bmc_providers\n${cells.map((more, at) => `${line(at + 1)},${more}\n`).join('')}`
  await house.load(wide('8443,false,gofish|ipmitool', '623,,ipmitool', ',,'))
  t.match(await house.get('Machine', 'bmc-n1'), {
    spec: {
      connection: {
        port: 8443,
        insecureTLS: false,
        providerOptions: { preferredOrder: ['gofish', 'ipmitool'], redfish: { port: 8443 } },
      },
    },
  })
  t.match(await house.get('Machine', 'bmc-n2'), {
    spec: { connection: { providerOptions: { ipmitool: { port: 623 } } } },
  })
  t.match(await house.load(file(line(1), line(2), line(3))), { unchanged: 3 }, 'what no column says is kept')
  t.match(await house.load(wide('70000,maybe,telnet')), {
    faults: [{ column: 'bmc_port' }, { column: 'bmc_insecure_tls' }, { column: 'bmc_providers' }],
  })
  await house.close()
})

t.test('a Secret that several machines share is left alone', async (t) => {
  const house = await openInventory()
  await house.load(file(line(1), line(2)))
  const shared = {
    metadata: { name: 'all-bmcs', namespace: 'eksa-system' },
    apiVersion: 'v1',
    kind: 'Secret',
  }
  const data = { username: base64('root'), password: base64('hunter1') }
  const { createObject } = await import('../../src/store/resource.ts')
  await createObject(house.store, { ...shared, data } as typeof shared, house.deps)
  const key = { kind: 'Machine', namespace: 'eksa-system', name: 'bmc-n1' } as const
  await patchObject(house.store, key, { spec: { connection: { authSecretRef: { name: 'all-bmcs' } } } })
  t.match(await house.load(file(line(1), line(2))), { unchanged: 2 }, 'the same credentials: it stays in use')
  t.match(await house.load(file(line(1, '10.0.9.1,root,other'), line(2))), { updated: 1, unchanged: 1 })
  t.match(await house.get('Secret', 'all-bmcs'), { data })
  t.match(await house.get('Machine', 'bmc-n1'), {
    spec: { connection: { authSecretRef: { name: 'bmc-n1-auth' } } },
  })
  t.match(await house.get('Secret', 'bmc-n1-auth'), { data: { password: base64('other') } })
  await house.close()
})
