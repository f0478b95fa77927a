import t from 'tap'
import type { Hardware, HardwareSpec } from '../../src/model/hardware.ts'
import { machinesOf } from '../../src/model/machine.ts'
import type { Machine } from '../../src/model/machine.ts'

function hardware(spec?: HardwareSpec): Hardware {
  const metadata = {
    name: 'm1',
    namespace: 'n',
    uid: 'u',
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: '2026-01-01T00:00:00Z',
  }
  return { apiVersion: 'tinkerbell.org/v1alpha1', kind: 'Hardware', metadata, ...(spec ? { spec } : {}) }
}

const mac = '02:00:00:00:00:01'
const cases: { name: string; spec: HardwareSpec; want: Partial<Machine> }[] = [
  {
    name: 'an interface with nothing but a MAC has defaults',
    spec: { interfaces: [{ dhcp: { mac } }] },
    want: {
      ip: undefined,
      leaseSeconds: 86_400,
      arch: 'x86_64',
      uefi: false,
      allowPxe: false,
      dhcpDisabled: false,
      nameServers: [],
      agentId: mac,
    },
  },
  {
    name: 'a reservation is read whole',
    spec: {
      interfaces: [
        {
          netboot: { allowPXE: true, osie: { baseURL: 'http://x/', kernelParams: ['a=b'] } },
          dhcp: {
            mac,
            hostname: 'h',
            lease_time: 600,
            uefi: true,
            name_servers: ['1.1.1.1', 'not an address', '8.8.8.8'],
            ip: { address: '10.0.0.5', netmask: '255.255.255.0', gateway: '10.0.0.1' },
            classless_static_routes: [
              { destination_descriptor: '10.1.0.0/16', router: '10.0.0.2' },
              { destination_descriptor: '10.2.0.0/16', router: 'nowhere' },
            ],
          },
        },
      ],
      metadata: { facility: { facility_code: 'f' } },
    },
    want: {
      hostname: 'h',
      leaseSeconds: 600,
      uefi: true,
      allowPxe: true,
      facilityCode: 'f',
      routes: [{ destination: '10.1.0.0/16', router: '10.0.0.2' as never }],
      nameServers: ['1.1.1.1', '8.8.8.8'] as never,
    },
  },
  {
    name: 'arm64 is called aarch64',
    spec: { interfaces: [{ dhcp: { mac, arch: 'arm64' } }] },
    want: { arch: 'aarch64' },
  },
  {
    name: 'a lease of no seconds is the default',
    spec: { interfaces: [{ dhcp: { mac, lease_time: 0 } }] },
    want: { leaseSeconds: 86_400 },
  },
  {
    name: 'an address that is none is left out',
    spec: { interfaces: [{ dhcp: { mac, ip: { address: '10.0.0.256' } } }] },
    want: { ip: undefined },
  },
  {
    name: 'a name of its own comes before the MAC',
    spec: { agentID: 'rack-7', interfaces: [{ dhcp: { mac } }] },
    want: { agentId: 'rack-7' },
  },
  {
    name: 'DHCP can be switched off',
    spec: { interfaces: [{ disableDhcp: true, dhcp: { mac } }] },
    want: { dhcpDisabled: true },
  },
]

for (const { name, spec, want } of cases) {
  t.test(name, async (t) => {
    const machines = machinesOf(hardware(spec))
    t.equal(machines.length, 1)
    t.match(machines[0], { namespace: 'n', name: 'm1', mac, ...want })
  })
}

t.test('every interface with a MAC is a machine that knows the others', async (t) => {
  const second = '02:00:00:00:00:02'
  const interfaces = [
    { dhcp: { mac } },
    {},
    { dhcp: {} },
    { dhcp: { mac: 'nonsense' } },
    { dhcp: { mac: second.toUpperCase() } },
  ]
  const machines = machinesOf(hardware({ interfaces }))
  t.same(
    machines.map((machine) => machine.mac),
    [mac, second],
  )
  t.same(
    machines.map(({ macs }) => macs),
    [
      [mac, second],
      [mac, second],
    ],
  )
  t.same(
    machines.map(({ agentId }) => agentId),
    [mac, second],
  )
})

t.test('a Hardware without interfaces is no machine', async (t) => {
  t.same(machinesOf(hardware()), [])
  t.same(machinesOf(hardware({})), [])
  t.same(machinesOf(hardware({ interfaces: [] })), [])
})

t.test('user data is a script only of an instance with custom_ipxe', async (t) => {
  const script = '#!ipxe\nshell\n'
  const scriptOf = (spec: Hardware['spec']) =>
    machinesOf(hardware({ interfaces: [{ dhcp: { mac: '02:00:00:00:00:01' } }], ...spec }))[0]?.instance
      .scriptText
  const custom = (more: object = {}) => ({
    metadata: { instance: { operating_system: { slug: 'custom_ipxe' }, ...more } },
  })
  t.equal(scriptOf({ userData: script, ...custom() }), script)
  t.equal(scriptOf(custom({ userdata: script })), script)
  t.equal(scriptOf({ userData: '#cloud-config\n', ...custom({ userdata: script }) }), undefined)
  t.equal(scriptOf({ userData: script }), undefined)
  t.equal(scriptOf({ userData: '#!ipxefoo\n', ...custom() }), undefined)
})
