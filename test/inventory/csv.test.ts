import t from 'tap'
import { hardwareOf } from '../../src/inventory/resources.ts'
import { parseCsv } from './parse.ts'

const header =
  'hostname,bmc_ip,bmc_username,bmc_password,mac,ip_address,netmask,gateway,nameservers,labels,disk,vlan_id'
const sound =
  'n1,,,,52:54:00:77:01:01,192.168.77.11,255.255.255.0,192.168.77.1,8.8.8.8|1.1.1.1,type=cp,/dev/sda,'

/** The sound row with some of its cells changed. */
function row(change: Record<string, string>, base = sound): string {
  const cells = base.split(',')
  const names = header.split(',')
  return names.map((name, at) => change[name] ?? cells[at]).join(',')
}

const file = (...rows: string[]) => [header, ...rows, ''].join('\n')

t.test('a sound file has no faults', async (t) => {
  const { rows, faults, warnings } = parseCsv(file(sound))
  t.same(faults, [])
  t.same(warnings, [])
  t.match(rows, [{ line: 2, hostname: 'n1', labels: { type: 'cp' }, vlanId: '' }])
})

const cases = [
  { name: 'empty hostname', change: { hostname: '' }, column: 'hostname', expected: /hostname/ },
  { name: 'invalid hostname', change: { hostname: 'N_1' }, column: 'hostname', expected: /DNS-1123/ },
  { name: 'bad MAC', change: { mac: '52:54:00:77:01' }, column: 'mac', expected: /MAC address/ },
  { name: 'empty MAC', change: { mac: '' }, column: 'mac', expected: /MAC address/ },
  {
    name: 'bad IP',
    change: { ip_address: '192.168.77.256' },
    column: 'ip_address',
    expected: /IPv4 address/,
  },
  { name: 'empty netmask', change: { netmask: '' }, column: 'netmask', expected: /netmask/ },
  { name: 'netmask with holes', change: { netmask: '255.0.255.0' }, column: 'netmask', expected: /netmask/ },
  { name: 'bad gateway', change: { gateway: 'router' }, column: 'gateway', expected: /IPv4 address/ },
  { name: 'no nameserver', change: { nameservers: '' }, column: 'nameservers', expected: /none empty/ },
  {
    name: 'empty nameserver entry',
    change: { nameservers: '8.8.8.8||1.1.1.1' },
    column: 'nameservers',
    expected: /none empty/,
  },
  {
    name: 'malformed label',
    change: { labels: 'type' },
    column: 'labels',
    expected: /badly formatted key-value pair: type/,
  },
  {
    name: 'label with two equal signs',
    change: { labels: 'a=b=c' },
    column: 'labels',
    expected: /badly formatted/,
  },
  {
    name: 'label key that is no qualified name',
    change: { labels: 'a b=c' },
    column: 'labels',
    expected: /label keys/,
  },
  {
    name: 'label value too long',
    change: { labels: `a=${'x'.repeat(64)}` },
    column: 'labels',
    expected: /label values/,
  },
  { name: 'bad disk path', change: { disk: 'sda' }, column: 'disk', expected: /device/ },
  { name: 'disk path by id', change: { disk: '/dev/disk/by-id/x' }, column: 'disk', expected: /device/ },
  {
    name: 'BMC fields without password',
    change: { bmc_ip: '10.0.0.9', bmc_username: 'a' },
    column: 'bmc_password',
    expected: /a password/,
  },
  {
    name: 'BMC user without address',
    change: { bmc_username: 'a', bmc_password: 'b' },
    column: 'bmc_ip',
    expected: /IPv4/,
  },
  {
    name: 'BMC host name',
    change: { bmc_ip: 'bmc1', bmc_username: 'a', bmc_password: 'b' },
    column: 'bmc_ip',
    expected: /not a hostname/,
  },
  { name: 'VLAN 0', change: { vlan_id: '0' }, column: 'vlan_id', expected: /1 to 4094/ },
  { name: 'VLAN 4095', change: { vlan_id: '4095' }, column: 'vlan_id', expected: /1 to 4094/ },
]
for (const { name, change, column, expected } of cases) {
  t.test(`${name} is a fault with line, column, value and what was expected`, async (t) => {
    const { rows, faults } = parseCsv(
      file(sound.replace('n1', 'n0').replace('01:01', '01:00').replace('77.11', '77.10'), row(change)),
    )
    t.same(rows, [])
    t.equal(faults.length, 1)
    t.match(faults[0], { line: 3, column, expected })
    if (column !== 'bmc_password') t.equal(faults[0]?.value, (change as Record<string, string>)[column] ?? '')
  })
}

t.test('all faults of all rows are reported at once', async (t) => {
  const rows = cases.map(({ change }, at) =>
    row({
      hostname: `m${at}`,
      mac: `52:54:00:77:02:${String(at + 10)}`,
      ip_address: `10.9.0.${at + 1}`,
      ...change,
    }),
  )
  const { faults } = parseCsv(file(...rows))
  t.same(
    faults.map(({ line, column }) => [line, column]),
    cases.map(({ column }, at) => [at + 2, column]),
  )
})

t.test('duplicates name both lines, whatever the spelling of the MAC', async (t) => {
  const second = row({ mac: '52-54-00-77-01-01' })
  const { faults } = parseCsv(file(sound, second))
  t.same(
    faults.map(({ line, column }) => [line, column]),
    [
      [3, 'hostname'],
      [3, 'mac'],
      [3, 'ip_address'],
    ],
  )
  t.ok(faults.every(({ expected }) => expected.includes('line 2')))
  const bmc = { bmc_ip: '10.0.0.9', bmc_username: 'a', bmc_password: 'b' }
  const other = { ...bmc, hostname: 'n2', mac: '52:54:00:77:01:02', ip_address: '192.168.77.12' }
  t.match(parseCsv(file(row(bmc), row(other))).faults, [{ line: 3, column: 'bmc_ip' }])
})

t.test('the password never shows in a fault', async (t) => {
  const bad = row({ bmc_ip: 'x', bmc_username: '', bmc_password: 'hunter2' })
  t.notMatch(JSON.stringify(parseCsv(file(bad, bad))), 'hunter2')
})

t.test('missing required columns are one fault that names them all', async (t) => {
  const { faults } = parseCsv('hostname,mac,ip_address,netmask,gateway\nn1,a,b,c,d\n')
  t.match(faults, [{ line: 1, expected: 'missing required columns in csv: nameservers, disk, labels' }])
})

t.test('unknown columns are named in one warning', async (t) => {
  const text = `vendor,${header},rack\ndell,${sound},r1\n`
  const { rows, warnings } = parseCsv(text)
  t.equal(rows.length, 1)
  t.same(warnings, ['unknown columns are left out: vendor, rack'])
})

t.test('columns come in any order, with BOM, CRLF, quotes and blank lines', async (t) => {
  const equinix =
    '\uFEFFhostname,vendor,mac,ip_address,gateway,netmask,nameservers,disk,labels\r\n' +
    '\r\n"n1",Equinix,00:1B:21:AA:BB:CC,10.0.0.2,10.0.0.1,255.255.255.0,"8.8.8.8",/dev/sda,"type=cp|rack=""1"""\r\n'
  const { faults } = parseCsv(equinix)
  t.match(faults, [{ line: 3, column: 'labels' }], 'the line counts blank lines')
  const { rows } = parseCsv(equinix.replace('|rack=""1""', '|rack=1'))
  t.match(rows, [{ line: 3, mac: '00:1b:21:aa:bb:cc', labels: { type: 'cp', rack: '1' } }])
  const readme =
    'ip_address,gateway,nameservers,netmask,mac,hostname,vendor,bmc_ip,bmc_username,bmc_password,labels,disk'
  const cells = '10.0.0.2,10.0.0.1,8.8.8.8,255.255.255.0,00:1b:21:aa:bb:cc,n1,hp,10.0.1.2,admin,pw,,/dev/sda'
  t.match(parseCsv(`${readme}\n${cells}`).rows, [{ labels: {}, bmc: { ip: '10.0.1.2', username: 'admin' } }])
})

t.test('line ends may be mixed, and a quoted field may hold some', async (t) => {
  const mixed = `${header}\r\n${sound}\n${row({ hostname: '"n\n2"' })}\r${row({ disk: 'sda' })}`
  t.match(parseCsv(mixed).faults, [
    { line: 3, column: 'hostname', expected: /DNS-1123/ },
    { line: 3, column: 'mac' },
    { line: 3, column: 'ip_address' },
    { line: 5, column: 'disk' },
    { line: 5, column: 'hostname' },
    { line: 5, column: 'mac' },
    { line: 5, column: 'ip_address' },
  ])
})

t.test('files that are no inventory', async (t) => {
  t.match(parseCsv('').faults, [{ expected: /header/ }])
  t.match(parseCsv('\n\n').faults, [{ expected: /header/ }])
  t.match(parseCsv(header).faults, [{ expected: /at least one row/ }])
  t.match(parseCsv(file('n1,a')).faults, [{ line: 2, value: '2 fields', expected: /12 fields/ }])
  t.match(parseCsv(`${header},mac\n${sound},x`).faults, [{ column: 'mac', expected: /once/ }])
  t.match(parseCsv(file('"n1')).faults[0], { line: 2, expected: /CSV|fields/ })
})

t.test('a row becomes the Hardware that EKS Anywhere makes of it', async (t) => {
  const [first] = parseCsv(file(row({ vlan_id: '42' }))).rows
  const hardware = hardwareOf(first!)
  t.match(hardware, {
    metadata: { name: 'n1', namespace: 'eksa-system', labels: { type: 'cp' } },
    spec: {
      disks: [{ device: '/dev/sda' }],
      interfaces: [
        {
          netboot: { allowPXE: true, allowWorkflow: true },
          dhcp: { lease_time: 4294967294, uefi: true, arch: 'x86_64', vlan_id: '42', ip: { family: 4 } },
        },
      ],
      metadata: {
        facility: { facility_code: 'onprem' },
        instance: { id: '52:54:00:77:01:01', hostname: 'n1' },
      },
    },
  })
  t.notOk(hardware.spec?.bmcRef)
})
