import t from 'tap'
import { ownerNameLabel } from '../../src/model/hardware.ts'
import { createObject, patchObject } from '../../src/store/resource.ts'
import { openInventory } from './inventory.ts'

const header =
  'hostname,bmc_ip,bmc_username,bmc_password,mac,ip_address,netmask,gateway,nameservers,labels,disk,vlan_id'
const lines = [
  'n1,10.0.9.1,"ro""ot"," pass, ""word"" ü\n€",52:54:00:77:01:01,192.168.77.11,255.255.255.0,192.168.77.1,8.8.8.8|dns.example,type=cp|example.com/rack=r-1|empty=,/dev/sda,42',
  'n-2.example.com,,,,52-54-00-77-01-02,192.168.77.12,255.255.0.0,192.168.77.1,8.8.8.8,,/dev/nvme0n1,',
  'n3,10.0.9.3,admin,=1+1,52:54:00:77:01:03,192.168.77.13,255.255.255.0,192.168.77.1,::1,type=worker,/dev/sda,4094',
]
const more = ['lab,aarch64,false,"#cloud-config\n""quoted"", ✓",v', ',,,,', ',amd64,true,,']
const file = [
  `${header},namespace,arch,uefi,user_data,vendor_data,serial`,
  ...lines.map((line, at) => `${line},${more[at]},S${at}`),
].join('\r\n')

t.test('what is exported imports to no change, odd values and secrets included', async (t) => {
  const house = await openInventory()
  t.match(await house.load(file), { created: 3, warnings: [/serial/, /dns\.example/, /::1/] })
  const version = await house.store.version()
  for (const withSecrets of [false, true]) {
    const { text, leftOut } = await house.dump(withSecrets)
    t.same(leftOut, [])
    t.match(await house.load(text, { namespace: 'nowhere' }), { created: 0, updated: 0, unchanged: 3 })
    t.equal(await house.store.version(), version)
    t.equal(/ro""ot|cloud-config/.test(text), withSecrets)
  }
  const { text } = await house.dump(true)
  const other = await openInventory()
  t.match(await other.load(text), { created: 3 })
  t.equal((await other.dump(true)).text, text, 'a new server says the same')
  const secret = { namespace: 'lab', name: 'bmc-n1-auth', kind: 'Secret' } as const
  t.same(((await other.store.get(secret)) as any).data, ((await house.store.get(secret)) as any).data)
  await other.close()
  await house.close()
})

t.test('Hardware that nobody imported exports to no change either', async (t) => {
  const house = await openInventory()
  const base = { apiVersion: 'tinkerbell.org/v1alpha1', kind: 'Hardware' }
  const ip = { address: '10.0.0.2', netmask: '255.255.255.0', gateway: '10.0.0.1' }
  const dhcp = {
    mac: '52:54:00:00:00:01',
    hostname: 'other.example',
    name_servers: ['10.0.0.1'],
    ip,
    lease_time: 60,
  }
  const spec = {
    disks: [{ device: '/dev/vda' }, { device: '/dev/vdb' }],
    interfaces: [{ dhcp }, { dhcp: { mac: '52:54:00:00:00:02' } }],
    metadata: { instance: { id: 'serial-7', ips: [{ address: '10.9.9.9' }] } },
    bmcRef: { kind: 'Machine', name: 'elsewhere' },
  }
  await createObject(house.store, { ...base, metadata: { name: 'm', namespace: 'lab' }, spec }, house.deps)
  const bare = {
    ...spec,
    interfaces: [{ dhcp: { ...dhcp, mac: '52:54:00:00:00:03', ip: { address: '10.0.0.3' } } }],
  }
  await createObject(
    house.store,
    { ...base, metadata: { name: 'bare', namespace: 'lab' }, spec: bare },
    house.deps,
  )
  const key = { kind: 'Hardware', namespace: 'lab', name: 'm' } as const
  await patchObject(house.store, key, { metadata: { labels: { [ownerNameLabel]: 'cp-1', a: 'b' } } })
  const { text, leftOut } = await house.dump()
  t.match(
    leftOut,
    [/^lab\/bare \(netmask: expected .*; gateway: expected an IPv4 address/],
    'what no row can hold is named',
  )
  t.match(text.split('\n')[1], /^m,52:54:00:00:00:01,10\.0\.0\.2,.*,a=b,\/dev\/vda,,lab,,$/)
  t.match(await house.load(text), { unchanged: 1 })
  await house.close()
})

t.test('an export is ordered, and can be of a part', async (t) => {
  const house = await openInventory()
  const rows = Array.from({ length: 2500 }, (_, at) => {
    const [high, low] = [at >> 8, at & 255]
    const mac = `52:54:00:00:${[high, low].map((octet) => octet.toString(16).padStart(2, '0')).join(':')}`
    return `n${(at * 7) % 2500},${mac},10.0.${high}.${low},255.255.0.0,10.0.0.1,8.8.8.8,odd=${at % 2},/dev/sda`
  })
  await house.load(['hostname,mac,ip_address,netmask,gateway,nameservers,labels,disk', ...rows].join('\n'))
  const { text } = await house.dump(false, ({ metadata }) => metadata.labels?.['odd'] === '1')
  const names = text
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',')[0]!)
  t.equal(names.length, 1250)
  t.same(names, names.toSorted())
  await house.close()
})
