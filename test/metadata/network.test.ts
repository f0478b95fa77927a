import t from 'tap'
import type { HardwareInterface } from '../../src/model/hardware.ts'
import { networkConfig } from '../../src/metadata/network.ts'
import { hardwareOf } from '../boot/things.ts'

type Dhcp = NonNullable<HardwareInterface['dhcp']>

const first = '52:54:00:00:00:01'
const second = '52:54:00:00:00:02'
const address = { address: '192.168.77.21', netmask: '255.255.255.0', gateway: '192.168.77.1' }
const storage = { address: '10.9.0.21', netmask: '255.255.0.0', gateway: '10.9.0.1' }
const configOf = (...nics: Dhcp[]) =>
  networkConfig(hardwareOf({ spec: { interfaces: nics.map((dhcp) => ({ dhcp })) } }))

const matchFirst = { match: { macaddress: first } }
const matchSecond = { match: { macaddress: second } }
const toGateway = { to: '0.0.0.0/0', via: '192.168.77.1' }
const plain = { ...matchFirst, addresses: ['192.168.77.21/24'], routes: [toGateway] }

const cases: { name: string; nics: Dhcp[]; want: object }[] = [
  {
    name: 'a static address, its gateway, name servers and search domain',
    nics: [{ mac: first, ip: address, name_servers: ['192.168.77.2', 'x'], domain_name: 'lab.example' }],
    want: {
      nic0: { ...plain, nameservers: { addresses: ['192.168.77.2'], search: ['lab.example'] } },
    },
  },
  {
    name: 'an interface without an address asks DHCP',
    nics: [{ mac: first }],
    want: { nic0: { ...matchFirst, dhcp4: true } },
  },
  {
    name: 'an address without a netmask, or with one full of holes, is left to DHCP',
    nics: [
      { mac: first, ip: { address: '192.168.77.21' } },
      { mac: second, ip: { ...storage, netmask: '255.0.255.0' } },
    ],
    want: { nic0: { ...matchFirst, dhcp4: true }, nic1: { ...matchSecond, dhcp4: true } },
  },
  {
    name: 'a second card that only might get an address does not hold up the boot',
    nics: [{ mac: first, ip: address }, { mac: second }],
    want: { nic0: plain, nic1: { ...matchSecond, dhcp4: true, optional: true } },
  },
  {
    name: 'the second default route steps back behind the first',
    nics: [
      { mac: first, ip: address },
      { mac: second, ip: storage },
    ],
    want: {
      nic0: plain,
      nic1: {
        ...matchSecond,
        addresses: ['10.9.0.21/16'],
        routes: [{ to: '0.0.0.0/0', via: '10.9.0.1', metric: 200 }],
      },
    },
  },
  {
    name: 'a card without a gateway leaves the first default route to the other',
    nics: [
      { mac: first, ip: { ...storage, gateway: '' } },
      { mac: second, ip: address },
    ],
    want: {
      nic0: { ...matchFirst, addresses: ['10.9.0.21/16'] },
      nic1: { ...matchSecond, addresses: ['192.168.77.21/24'], routes: [toGateway] },
    },
  },
  {
    name: 'classless routes beside the gateway; host bits are cleared, what is no network is left out',
    nics: [
      {
        mac: first,
        ip: address,
        classless_static_routes: [
          { destination_descriptor: '10.1.2.3/8', router: '192.168.77.9' },
          { destination_descriptor: '172.16.0.0/12', router: '0.0.0.0' },
          { destination_descriptor: '10.0.0.0/33', router: '192.168.77.9' },
          { destination_descriptor: 'fe80::/64', router: '192.168.77.9' },
        ],
      },
    ],
    want: {
      nic0: {
        ...plain,
        routes: [
          toGateway,
          { to: '10.0.0.0/8', via: '192.168.77.9' },
          { to: '172.16.0.0/12', scope: 'link' },
        ],
      },
    },
  },
  {
    name: 'a classless default route takes the place of the gateway',
    nics: [
      {
        mac: first,
        ip: address,
        classless_static_routes: [{ destination_descriptor: '0.0.0.0/0', router: '192.168.77.254' }],
      },
    ],
    want: { nic0: { ...plain, routes: [{ to: '0.0.0.0/0', via: '192.168.77.254' }] } },
  },
  {
    name: 'a gateway outside the subnet is reached on the link; one in a /31 needs no help',
    nics: [
      { mac: first, ip: { address: '203.0.113.7', netmask: '255.255.255.255', gateway: '198.51.100.1' } },
      { mac: second, ip: { address: '10.1.0.3', netmask: '255.255.255.254', gateway: '10.1.0.2' } },
    ],
    want: {
      nic0: {
        ...matchFirst,
        addresses: ['203.0.113.7/32'],
        routes: [{ to: '0.0.0.0/0', via: '198.51.100.1', 'on-link': true }],
      },
      nic1: {
        ...matchSecond,
        addresses: ['10.1.0.3/31'],
        routes: [{ to: '0.0.0.0/0', via: '10.1.0.2', metric: 200 }],
      },
    },
  },
  {
    name: 'an interface name is the name of the entry, and never one that Linux would refuse or that is taken',
    nics: [
      { mac: first, iface_name: 'eno1', ip: address },
      { mac: second, iface_name: 'eno1' },
      { mac: '52:54:00:00:00:03', iface_name: '../x' },
      { mac: '52:54:00:00:00:04', iface_name: '__proto__' },
    ],
    want: {
      eno1: plain,
      nic1: { ...matchSecond, dhcp4: true, optional: true },
      nic2: { match: { macaddress: '52:54:00:00:00:03' }, dhcp4: true, optional: true },
      nic3: { match: { macaddress: '52:54:00:00:00:04' }, dhcp4: true, optional: true },
    },
  },
  {
    name: 'an interface without a MAC cannot be told, and one that is listed twice counts once',
    nics: [{ ip: storage }, { mac: first, ip: address }, { mac: first, ip: storage }],
    want: { nic0: plain },
  },
  {
    name: 'VLAN ids that 802.1Q reserves are no VLAN',
    nics: [{ mac: first, ip: address, vlan_id: '0' }],
    want: { nic0: plain },
  },
  { name: 'no interfaces', nics: [], want: {} },
]
for (const { name, nics, want } of cases)
  t.test(name, async (t) => t.strictSame(configOf(...nics), { version: 2, ethernets: want }))

t.test('on a VLAN the address is the VLAN’s, and the card only carries it', async (t) => {
  const config = configOf(
    { mac: first, ip: address, vlan_id: '100', iface_name: 'eno1' },
    { mac: second, vlan_id: '100' },
    { mac: '52:54:00:00:00:03', vlan_id: '4095' },
  )
  t.strictSame(config, {
    version: 2,
    ethernets: {
      eno1: matchFirst,
      nic1: matchSecond,
      nic2: { match: { macaddress: '52:54:00:00:00:03' }, dhcp4: true, optional: true },
    },
    vlans: {
      vlan100: { id: 100, link: 'eno1', addresses: ['192.168.77.21/24'], routes: [toGateway] },
      'vlan100.1': { id: 100, link: 'nic1', dhcp4: true, optional: true },
    },
  })
})
