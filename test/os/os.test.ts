import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const file = (name: string) => fileURLToPath(new URL(`../../os/${name}`, import.meta.url))
const listed = (name: string) =>
  readFileSync(file(name), 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter(Boolean)

for (const name of ['build.sh', 'ipxe.sh', 'apt.sh']) {
  t.test(`${name} is bash without a syntax error`, async (t) => {
    t.equal(spawnSync('bash', ['-n', file(name)]).stderr.toString(), '')
  })
}

const hasBusybox = spawnSync('busybox', ['true']).status === 0
for (const name of ['init', 'hotplug', 'udhcpc.script']) {
  t.test(
    `${name} is a script that busybox can read`,
    { skip: !hasBusybox && 'busybox is missing' },
    async (t) => {
      t.equal(spawnSync('busybox', ['sh', '-n', file(name)]).stderr.toString(), '')
    },
  )
}

const needed: Record<string, string[]> = {
  'network cards': 'virtio_net e1000 e1000e igb igc ixgbe i40e ice mlx5_core bnxt_en tg3 r8169 vmxnet3'.split(
    ' ',
  ),
  'disk controllers':
    'virtio_blk virtio_scsi nvme ahci ata_piix sd_mod megaraid_sas mpt3sas usb-storage'.split(' '),
  'file systems':
    'ext4 xfs vfat nls_cp437 nls_ascii nls_utf8 nls_iso8859-1 efivarfs squashfs overlay loop'.split(' '),
  'the rest': 'virtio_pci virtio_rng 8021q af_packet xhci_pci usbhid hid_generic crc32c_generic'.split(' '),
}
for (const [what, names] of Object.entries(needed)) {
  t.test(`the drivers for ${what} are in the netboot OS`, async (t) => {
    const there = listed('modules.txt')
    t.same(
      names.filter((name) => !there.includes(name)),
      [],
    )
  })
}

const lists = [
  'modules.txt',
  'modules-x86_64.txt',
  'modules-aarch64.txt',
  'debian.txt',
  'programs.txt',
  'packages.txt',
]
for (const name of lists) {
  t.test(`${name} has one name a line, each once`, async (t) => {
    const names = listed(name)
    t.ok(names.length > 0)
    t.same(
      names.filter((line) => !/^[\w.+-]+$/.test(line)),
      [],
    )
    t.equal(new Set(names).size, names.length)
  })
}

t.test('programs that the agent calls are in the netboot OS', async (t) => {
  const there = listed('programs.txt')
  for (const name of ['zstd', 'xz', 'sfdisk', 'efibootmgr', 'unshare', 'blkid', 'kexec'])
    t.ok(there.includes(name), name)
})
