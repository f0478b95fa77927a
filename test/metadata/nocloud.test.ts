import t from 'tap'
import { parse } from 'yaml'
import type { HardwareSpec } from '../../src/model/hardware.ts'
import { machinesOf } from '../../src/model/machine.ts'
import { noCloudTree } from '../../src/metadata/nocloud.ts'
import { metadataText, metadataTree } from '../../src/metadata/render.ts'
import { hardwareOf, mac } from '../boot/things.ts'

const requestOf = (spec: HardwareSpec, userData?: string) => {
  const hardware = hardwareOf({ spec })
  return { hardware, machine: machinesOf(hardware)[0]!, userData }
}
const read = (spec: HardwareSpec, name: string, userData?: string) =>
  metadataText(noCloudTree(requestOf(spec, userData)), `/nocloud/${name}`)

t.test('the folder has the four files that cloud-init asks for', async (t) => {
  t.equal(read({}, ''), 'meta-data\nnetwork-config\nuser-data\nvendor-data')
})

t.test('texts that are not there are empty, not missing', async (t) => {
  t.equal(read({}, 'user-data'), '')
  t.equal(read({}, 'vendor-data'), '')
})

t.test('user-data and vendor-data are passed on as they are', async (t) => {
  t.equal(read({ vendorData: '#!/bin/sh\n' }, 'vendor-data'), '#!/bin/sh\n')
  t.equal(read({ userData: 'not this' }, 'user-data', '#cloud-config\n'), '#cloud-config\n')
})

const instance = {
  id: 'i-1',
  hostname: 'web-1',
  tags: ['a', 'b'],
  ssh_keys: ['ssh-ed25519 AAAA one\n', ' ', 'ssh-rsa BBBB two'],
  operating_system: { distro: 'debian', version: '12' },
  ips: [{ address: '198.51.100.7', family: 4, public: true }],
}

t.test('meta-data has what the EC2 tree has, without what is empty', async (t) => {
  const spec = { metadata: { instance, facility: { facility_code: 'onprem' } } }
  t.strictSame(parse(read(spec, 'meta-data')!), {
    'instance-id': 'i-1',
    hostname: 'web-1',
    'local-hostname': 'web-1',
    facility: 'onprem',
    tags: 'a\nb',
    'public-ipv4': '198.51.100.7',
    'local-ipv4': '127.0.0.1',
    'operating-system': { distro: 'debian', version: '12' },
    'public-keys': ['ssh-ed25519 AAAA one', 'ssh-rsa BBBB two'],
  })
})

t.test('both dialects tell the same instance', async (t) => {
  for (const spec of [{}, { metadata: { instance } }]) {
    const request = requestOf(spec)
    const ec2 = metadataText(metadataTree(request), '2009-04-04/meta-data/instance-id')
    const { 'instance-id': noCloud } = parse(metadataText(noCloudTree(request), 'nocloud/meta-data')!)
    t.equal(noCloud, ec2)
  }
})

t.test('no text is taken for something else by a reader of YAML 1.1', async (t) => {
  const trap = '12:34:56:10:20:30'
  const spec = {
    interfaces: [{ dhcp: { mac: trap, hostname: 'no', iface_name: 'on' } }],
    metadata: { instance: { id: trap, hostname: 'no' } },
  }
  const settings = { version: '1.1' } as const
  t.match(parse(read(spec, 'meta-data')!, settings), { 'instance-id': trap, hostname: 'no' })
  t.match(parse(read(spec, 'network-config')!, settings), {
    ethernets: { on: { match: { macaddress: trap } } },
  })
})

t.test('network-config is a document of its own, without a `network:` around it', async (t) => {
  t.strictSame(parse(read({}, 'network-config')!), {
    version: 2,
    ethernets: { nic0: { match: { macaddress: mac }, dhcp4: true } },
  })
})
