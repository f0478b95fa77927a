import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { namespace } from '../../src/lab/install.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import type { Registry } from '../agent/oci/registry.ts'
import { sha256Of } from '../fire/install.ts'
import { run } from '../fire/machine.ts'
import type { ProcessMachine } from '../fire/machine.ts'
import { system } from './disks.ts'
import type { Part } from './disks.ts'
import { registryHost } from './registry.ts'

export const name = 'node-07'
export const address = '192.168.77.1'
export const metadata = `http://${address}:7172`
const root = (number: number): Part => ({ number, mib: 24, format: 'ext4', label: 'root', tree: system })

/** What a template was run with, and what there has to be afterwards. */
export type Case = {
  template: string
  /** the partitions of its image, and which of them is looked at afterwards */
  parts?: Part[]
  on?: number
  pack?: 'gzip' | 'zstd' | 'bzip2'
  values?: Readonly<Record<string, string>>
  userData?: string
  leaves: 'reboot' | 'kexec' | 'nothing'
  check(t: Test, files: Files, site: Site): Promise<void>
}
export type Files = { text(path: string): Promise<string>; mode(path: string): Promise<string> }
export type Site = {
  lab: Lab
  machine: ProcessMachine
  push: Registry['push']
  /** SHA-256 of the disk before, where no partition of it is looked at */
  before: string
  /** whether the machine is in the netboot OS already */
  isOn: boolean
}

const ec2 = (urls: string) =>
  `datasource:\n  Ec2:\n    metadata_urls: ${urls}\n    strict_id: false\nmanage_etc_hosts: localhost\nwarnings:\n  dsid_missing_source: off\n`

/** cloud-init reads the server's metadata, and nothing else. */
async function seesEc2(t: Test, { text, mode }: Files, urls = `[ "${metadata}" ]`): Promise<void> {
  t.equal(await text('etc/cloud/cloud.cfg.d/10_tinkerbell.cfg'), ec2(urls))
  t.equal(await mode('etc/cloud/cloud.cfg.d/10_tinkerbell.cfg'), '600')
  t.equal(await text('etc/cloud/ds-identify.cfg'), 'datasource: Ec2\n')
}

export const cases: Case[] = [
  {
    template: 'ubuntu',
    on: 2,
    parts: [{ number: 1, mib: 4, format: 'vfat', label: 'ESP', tree: {} }, root(2)],
    pack: 'gzip',
    leaves: 'reboot',
    async check(t, files, { machine }) {
      const { network } = parse(await files.text('etc/netplan/config.yaml')) as { network: object }
      t.match(network, {
        renderer: 'networkd',
        ethernets: {
          nic0: {
            match: { macaddress: machine.mac },
            addresses: ['192.168.77.31/24'],
            nameservers: { addresses: [address] },
            routes: [{ to: '0.0.0.0/0', via: address }],
          },
        },
      })
      const off = await files.text('etc/cloud/cloud.cfg.d/99-disable-network-config.cfg')
      t.equal(off, 'network: {config: disabled}\n')
      await seesEc2(t, files)
    },
  },
  {
    template: 'eksa-rhel',
    on: 1,
    parts: [root(1)],
    pack: 'gzip',
    leaves: 'reboot',
    async check(t, files, { machine }) {
      const path = 'etc/NetworkManager/system-connections/static-connection.nmconnection'
      const text = await files.text(path)
      t.equal(await files.mode(path), '600')
      t.match(text, `[ethernet]\nmac-address=${machine.mac}\n`)
      const ipv4 = `method=manual\naddress1=192.168.77.31/24\ngateway=${address}\ndns=${address};\n`
      t.match(text, `[ipv4]\n${ipv4}`)
      t.match(await files.text('etc/cloud/cloud.cfg.d/99-disable-network-config.cfg'), 'config: disabled')
      await seesEc2(t, files, `['${metadata}']`)
    },
  },
  {
    template: 'eksa-bottlerocket',
    on: 12,
    parts: [{ number: 12, mib: 8, format: 'ext4', label: 'BOTTLEROCKET-PRIVATE', tree: {} }],
    pack: 'gzip',
    values: { interface: 'enp1s0' },
    userData: '[settings.host-containers.admin]\nenabled = true\n',
    leaves: 'reboot',
    async check(t, { text }) {
      t.match(await text('bootconfig.data'), /^kernel \{\}\0+.*#BOOTCONFIG\n$/s)
      t.equal(await text('user-data.toml'), '[settings.host-containers.admin]\nenabled = true\n')
      const net = await text('net.toml')
      t.match(net, '[enp1s0]\nprimary = true\n\n[enp1s0.static4]\naddresses = ["192.168.77.31/24"]\n')
    },
  },
  {
    template: 'capt-default',
    on: 1,
    parts: [root(1)],
    pack: 'gzip',
    values: { image: `${registryHost}/capt/ubuntu-22.04:v1.30.2.gz`, metadata_ip: address },
    leaves: 'kexec',
    async check(t, { text, mode }, { machine }) {
      const config = parse(await text('etc/cloud/cloud.cfg.d/10_tinkerbell.cfg')) as object
      t.match(config, {
        datasource: { Ec2: { metadata_urls: [`http://${address}:50061`], strict_id: false } },
        system_info: { default_user: { name: 'tink' } },
      })
      t.equal(await mode('etc/cloud/ds-identify.cfg'), '600')
      t.match(await readFile(join(machine.dir, 'loaded'), 'utf8'), /root=LABEL=root ro quiet/)
    },
  },
  {
    template: 'debian-cloud',
    on: 3,
    parts: [root(3)],
    pack: 'zstd',
    leaves: 'kexec',
    async check(t, { text }, { machine }) {
      t.match(await text('etc/cloud/cloud.cfg.d/10_tinkerbell.cfg'), `seedfrom: ${metadata}/nocloud/`)
      t.equal(await text('etc/cloud/ds-identify.cfg'), 'datasource: NoCloud\n')
      t.match(await readFile(join(machine.dir, 'loaded'), 'utf8'), /boot\/vmlinuz-6\.1/)
    },
  },
  {
    template: 'flatcar',
    on: 6,
    parts: [{ number: 6, mib: 32, format: 'btrfs', label: 'OEM', tree: { oem: null } }, root(9)],
    pack: 'bzip2',
    userData: '{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/etc/hostname"}]}}',
    leaves: 'reboot',
    async check(t, { text, mode }) {
      const ignition = JSON.parse(await text('config.ign')) as object
      t.match(ignition, { ignition: { version: '3.3.0' }, storage: { files: [{ path: '/etc/hostname' }] } })
      t.equal(await mode('config.ign'), '600')
      t.equal(await text('grub.cfg'), 'set linux_console="console=tty0 console=ttyS0,115200n8"\n')
    },
  },
  {
    template: 'equinix-ubuntu',
    on: 3,
    values: { metadata_ip: address, console: 'ttyS0,115200n8' },
    leaves: 'reboot',
    async check(t, files, { machine }) {
      const labels = await run(
        'blkid',
        '-s',
        'LABEL',
        '-o',
        'value',
        '-p',
        `${machine.disk}p2`,
        `${machine.disk}p3`,
      )
      t.same(labels.split('\n'), ['SWAP', 'ROOT'])
      t.match(await files.text('etc/fstab'), /^LABEL=ROOT \/ ext4 .*\nLABEL=SWAP none swap /)
      t.equal(await files.text('etc/hostname'), `${name}\n`)
      await seesEc2(t, files, `["http://${address}:50061"]`)
      t.equal(await files.mode('bin/busybox'), '755')
      const grub = await files.text('var/log/grub')
      const calls = `grub-install ${machine.disk}\n[^]*console=ttyS0,115200n8"\ngrub-mkconfig -o /boot/grub/grub.cfg\n`
      t.match(grub, new RegExp(calls))
    },
  },
  {
    template: 'inventory',
    leaves: 'nothing',
    async check(t, _, { lab, machine, before }) {
      const said = await lab.cli('workflow', 'logs', 'inventory', '-n', namespace)
      // What SMBIOS tells is empty on a host that has none; a machine with one is in test/e2e/containers.test.ts.
      for (const fact of ['system', 'firmware']) t.match(said, `${fact}: `)
      for (const fact of ['processors', 'memory', 'disk']) t.match(said, new RegExp(`${fact}: \\S`))
      t.match(said, new RegExp(`memory: \\d+ MiB`))
      t.equal(await sha256Of(machine.disk), before, 'the disk is as it was')
    },
  },
  {
    template: 'wipe-disks',
    values: { confirm: name, extent: 'full' },
    leaves: 'nothing',
    async check(t, _, { machine }) {
      t.equal(await run('sh', '-c', `wipefs --noheadings "${machine.disk}"`), '', 'nothing is found on it')
      await t.rejects(run('blkid', '-p', machine.disk))
    },
  },
]
