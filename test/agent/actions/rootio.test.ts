import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { partitionScript, readLayout } from '../../../src/agent/actions/layout.ts'
import { loopDevice, noLoopDevices } from '../loop.ts'
import { perform } from './perform.ts'

const skip = noLoopDevices()

async function metadata(t: Test, storage: object): Promise<Record<string, string>> {
  const server = createServer((request, response) =>
    request.url === '/metadata'
      ? response.end(JSON.stringify({ metadata: { instance: { storage } } }))
      : response.writeHead(404).end(),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { MIRROR_HOST: '127.0.0.1', METADATA_SERVICE_PORT: `${(server.address() as AddressInfo).port}` }
}

const storageOf = (device: string) => ({
  disks: [
    {
      device,
      wipe_table: true,
      partitions: [
        { label: 'BIOS', number: 1, size: 4096 },
        { label: 'SWAP', number: 2, size: 20_480 },
        { label: 'EFI', number: 3, size: 81_920 },
        { label: 'ROOT', number: 4, size: 0 },
      ],
    },
  ],
  filesystems: [
    { mount: { device: `${device}p4`, format: 'ext4', point: '/', create: { options: ['-L', 'ROOT'] } } },
    {
      mount: {
        device: `${device}p3`,
        format: 'vfat',
        point: '/boot/efi',
        create: { options: ['-n', 'EFI'] },
      },
    },
    { mount: { device: `${device}p2`, format: 'swap', point: 'none', create: { options: ['-L', 'SWAP'] } } },
  ],
})

const probed = (device: string) =>
  spawnSync('blkid', ['-p', '-o', 'export', device], { encoding: 'utf8' }).stdout

t.test('a disk is partitioned, formatted, checked and wiped as its metadata says', { skip }, async (t) => {
  const device = loopDevice(t, 256 << 20)
  const environment = await metadata(t, storageOf(device))
  const step = (word: string) =>
    perform(t, 'quay.io/tinkerbell/actions/rootio:latest', environment, { command: [word] })
  const partition = await step('partition')
  t.equal(partition.message, `partitions (GPT): 4 on ${device}`)
  t.match(partition.lines.join('\n'), `destination ${device}: 268.4 MB`)
  const table = spawnSync('sfdisk', ['-d', device], { encoding: 'utf8' }).stdout
  t.match(table, /label: gpt/)
  t.match(table, /p1 : start= +2048, size= +4096, type=21686148-6449-6E6F-744E-656564454649.*name="BIOS"/)
  t.match(table, /p3 : .* type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B/)
  spawnSync('partx', ['-a', device]) // a kernel without partition tables of its own
  const format = await step('format')
  t.equal(format.message, `made ext4 on ${device}p4, vfat on ${device}p3, swap on ${device}p2`)
  t.match(probed(`${device}p4`), /LABEL=ROOT\n.*TYPE=ext4/s)
  t.match(probed(`${device}p3`), /TYPE=vfat/)
  t.match(probed(`${device}p2`), /TYPE=swap/)
  const root = storageOf(device).filesystems.slice(0, 1)
  const mount = await perform(t, 'rootio', await metadata(t, { filesystems: root }), { command: ['mount'] })
  t.match(mount.message, 'file systems that can be mounted: 1')
  t.match((await step('wipe')).message, `no partition table any more: ${device}`)
  t.equal(probed(device), '')
})

t.test('an MBR is made where one is asked for', { skip }, async (t) => {
  const device = loopDevice(t, 64 << 20)
  const partitions = [
    { label: 'FAT32_ACTIVE', number: 1, size: 40_960 },
    { label: 'LINUX', number: 2, size: 0 },
  ]
  const environment = { ...(await metadata(t, { disks: [{ device, partitions }] })), MBR: 'true' }
  const { message } = await perform(t, 'rootio', environment, { command: ['partition'] })
  t.equal(message, `partitions (MBR): 2 on ${device}`)
  t.match(
    spawnSync('sfdisk', ['-d', device], { encoding: 'utf8' }).stdout,
    /p1 : start= +2048, size= +40960, type=c, bootable/,
  )
})

t.test('what does not fit or is not there is refused before anything is written', { skip }, async (t) => {
  const device = loopDevice(t, 8 << 20)
  const small = await perform(t, 'rootio', await metadata(t, storageOf(device)), { command: ['partition'] })
  t.match(small.message, new RegExp(`${device} holds 8388608 bytes, its partitions need`))
  const both = { disks: [{ device, wipe_table: true }, { device: '/dev/nothere' }] }
  spawnSync('mke2fs', ['-q', '-F', device])
  const missing = await perform(t, 'rootio', await metadata(t, both), { command: ['wipe'] })
  t.match(missing.message, /\/dev\/nothere does not exist/)
  t.match(probed(device), /TYPE=ext2/)
  const word = await perform(t, 'rootio', {}, { command: ['erase'] })
  t.match(word.message, /the command is "erase": one of partition, format, mount, wipe expected/)
  t.match((await perform(t, 'rootio', {}, { command: ['wipe'] })).message, /MIRROR_HOST is not set/)
})

const wrongs = [
  { name: 'nothing', storage: {}, says: /neither disks nor file systems/ },
  { name: 'LVM', storage: { volume_groups: [{}] }, says: /volume groups/ },
  { name: 'RAID', storage: { raid: [{}] }, says: /RAID/ },
  { name: 'no device', storage: { disks: [{}] }, says: /a disk without a device/ },
  {
    name: 'numbers with gaps',
    storage: { disks: [{ device: '/dev/a', partitions: [{ number: 2 }] }] },
    says: /partition 2 of \/dev\/a in place 1/,
  },
  {
    name: 'a rest in the middle',
    storage: {
      disks: [
        {
          device: '/dev/a',
          partitions: [
            { number: 1, size: 0 },
            { number: 2, size: 1 },
          ],
        },
      ],
    },
    says: /is not the last one/,
  },
  {
    name: 'a size in words',
    storage: { disks: [{ device: '/dev/a', partitions: [{ number: 1, size: '1G' }] }] },
    says: /the size "1G": sectors/,
  },
  {
    name: 'a strange format',
    storage: { filesystems: [{ mount: { device: '/dev/a1', format: 'zfs' } }] },
    says: /the format "zfs" for \/dev\/a1/,
  },
]
for (const { name, storage, says } of wrongs)
  t.test(`metadata with ${name} is refused`, async (t) => {
    t.throws(() => readLayout({ metadata: { instance: { storage } } }), says)
  })

t.test('a label never becomes a command of sfdisk', async (t) => {
  const partitions = [{ label: 'x", type=83\nsize=1', number: 1, sectors: 0 }]
  t.equal(partitionScript({ device: '/dev/a', wipe: false, partitions }, false).split('\n').length, 6)
})
