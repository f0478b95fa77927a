import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { imageOf, namespace } from '../../src/lab/install.ts'
import type { Target } from '../../src/lab/install.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import type { HardwareSpec } from '../../src/model/hardware.ts'

/** What Equinix Metal's own metadata says of a machine, and how its operator says where the console is. */
export const equinixMetadata = ({ name }: Target, address: string): HardwareSpec => ({
  metadata: {
    bonding_mode: 4,
    facility: {
      facility_code: 'da11 console=ttyS1,115200',
      plan_slug: 'm3.small.x86',
      plan_version_slug: 'm3.small.x86-01',
    },
    instance: {
      id: '0eb1a6cc-1f9d-4c3a-8f7a-5d4b0a2f3c11',
      hostname: name,
      operating_system: { slug: 'debian_12', distro: 'debian', version: '12', os_slug: 'debian_12' },
      ips: [
        { address, netmask: '255.255.255.0', gateway: address, family: 4, public: false, management: true },
      ],
    },
  },
})

/** cloud-init's user data: shows what `/metadata` says, and phones home. */
export const userData = (address: string): string =>
  `#cloud-config
runcmd:
  - [python3, -c, "import urllib.request as u; open('/dev/ttyS1', 'wb').write(b'metadata: ' + u.urlopen('http://${address}:7172/metadata').read() + bytes([13, 10]))"]
phone_home:
  url: http://${address}:7172/phone-home
  post: [instance_id, hostname]
  tries: 5
`

/** A script for an iPXE that was put into the machine: its network is a tagged VLAN, on the second card. */
export function vlanScript(lab: Lab, vlan: number): string {
  const path = join(lab.dir, 'vlan.ipxe')
  const lines = [`vcreate --tag ${vlan} net1`, `dhcp net1-${vlan} && chain --autofree \${filename} || exit 1`]
  writeFileSync(path, ['#!ipxe', ...lines, ''].join('\n'))
  return path
}

const file = (path: string, lines: readonly string[]) => ({
  name: `write ${path}`,
  image: '127.0.0.1/embedded/writefile',
  timeout: 90,
  environment: {
    DEST_DISK: '/dev/vda3',
    FS_TYPE: 'ext4',
    DEST_PATH: path,
    UID: 0,
    GID: 0,
    MODE: '0644',
    DIRMODE: '0755',
    CONTENTS: `${lines.join('\n')}\n`,
  },
})

/** Actions that install the lab's image with its network in a VLAN, its console on ttyS1 and Equinix's way to its metadata. */
function actionsFor(lab: Lab, { mac, last }: Target, vlan: number) {
  const { address, host } = lab.network
  const { url, sha256 } = imageOf(lab)
  const networks = '/etc/systemd/network'
  const source = `datasource: { Ec2: { metadata_urls: ['http://${address}:7172'], strict_id: false } }`
  return [
    {
      name: 'stream image',
      image: '127.0.0.1/embedded/image2disk',
      timeout: 1800,
      environment: { DEST_DISK: '/dev/vda', IMG_URL: url, SHA256: sha256, COMPRESSED: true },
    },
    file(`${networks}/10-vlan.netdev`, ['[NetDev]', `Name=vlan${vlan}`, 'Kind=vlan', '[VLAN]', `Id=${vlan}`]),
    file(`${networks}/20-card.network`, [
      '[Match]',
      `PermanentMACAddress=${mac}`,
      'Type=ether',
      '[Network]',
      `VLAN=vlan${vlan}`,
      'LinkLocalAddressing=no',
    ]),
    file(`${networks}/15-vlan.network`, [
      '[Match]',
      `Name=vlan${vlan}`,
      '[Network]',
      `Address=${host(last)}/24`,
      `Gateway=${address}`,
      'LinkLocalAddressing=no',
    ]),
    file('/etc/cloud/cloud.cfg.d/10_tinkerbell.cfg', ['datasource_list: [ Ec2 ]', source]),
    file('/etc/cloud/ds-identify.cfg', ['datasource: Ec2']),
    {
      name: 'console on ttyS1',
      image: '127.0.0.1/embedded/cexec',
      timeout: 90,
      environment: {
        BLOCK_DEVICE: '/dev/vda3',
        FS_TYPE: 'ext4',
        CMD_LINE: 'sed -i s/ttyS0/ttyS1/ /mountAction/boot/grub.cfg',
      },
    },
    { name: 'reboot', image: '127.0.0.1/embedded/reboot', timeout: 90 },
  ]
}

/** Creates a Template of these actions, and the machine's Workflow. */
export async function createEquinixWorkflow(lab: Lab, target: Target, vlan: number): Promise<void> {
  const apiVersion = 'tinkerbell.org/v1alpha1'
  const { name, mac } = target
  const data = {
    version: '0.1',
    name: 'equinix',
    global_timeout: 3600,
    tasks: [{ name: 'install', worker: '{{ .device_1 }}', actions: actionsFor(lab, target, vlan) }],
  }
  await lab.api.create({
    apiVersion,
    kind: 'Template',
    metadata: { name: 'equinix', namespace },
    // JSON is YAML
    spec: { data: JSON.stringify(data) },
  })
  await lab.api.create({
    apiVersion,
    kind: 'Workflow',
    metadata: { name, namespace },
    spec: { templateRef: 'equinix', hardwareRef: name, hardwareMap: { device_1: mac } },
  })
}
