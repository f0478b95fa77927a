import t from 'tap'
import { entryLabel, parseBootEntries, setBootNext, systemPartition } from '../../src/agent/bootnext.ts'
import type { Commands } from '../../src/agent/commands.ts'
import type { Mounts } from '../../src/agent/mounts.ts'

const before = `BootCurrent: 0003
Timeout: 0 seconds
BootOrder: 0003,0007,0001
Boot0001* UEFI QEMU HARDDISK\tPciRoot(0x0)
Boot0003* UEFI PXEv4 (MAC:525400000002)\tPciRoot(0x0)
Boot0007* ${entryLabel}\tHD(1,GPT,aaaa)/File(old.efi)
`
const after = before.replace('Boot0007* ', 'Boot0007* ').replace('0003,0007,0001', '0007,0003,0001')

t.test('the firmware entries are read from efibootmgr', async (t) => {
  const { order, entries } = parseBootEntries(before)
  t.same(order, ['0003', '0007', '0001'])
  t.same(
    entries.map((entry) => entry.label),
    ['UEFI QEMU HARDDISK', 'UEFI PXEv4 (MAC:525400000002)', entryLabel],
  )
})

const tables = [
  {
    name: 'GPT',
    json: '{"partitiontable":{"partitions":[{"node":"/dev/sda1","type":"0FC63DAF"},{"node":"/dev/sda15","type":"C12A7328-F81F-11D2-BA4B-00A0C93EC93B"}]}}',
    want: { number: 15, node: '/dev/sda15' },
  },
  {
    name: 'MBR',
    json: '{"partitiontable":{"partitions":[{"node":"/dev/nvme0n1p1","type":"ef"}]}}',
    want: { number: 1, node: '/dev/nvme0n1p1' },
  },
  {
    name: 'a table without one',
    json: '{"partitiontable":{"partitions":[{"node":"/dev/sda1","type":"83"}]}}',
    want: undefined,
  },
]
for (const { name, json, want } of tables) {
  t.test(`the EFI system partition is found in ${name}`, async (t) => t.same(systemPartition(json), want))
}

function firmware() {
  const calls: string[] = []
  let created = false
  const commands: Commands = {
    run: async (program, args) => {
      if (program === 'sfdisk') return tables[0]!.json
      if (args.length) calls.push(args.join(' '))
      created ||= args[0] === '-c'
      return created ? after : before
    },
  }
  return { calls, commands }
}
const mountsOf = (folder: string): Mounts => ({ during: (_device, _type, _readOnly, use) => use(folder) })

t.test('BootNext starts the disk and leaves the order as it was; the older entry goes', async (t) => {
  const { calls, commands } = firmware()
  const disk = t.testdir({ efi: { debian: { 'grubx64.efi': '', 'shimx64.efi': '' } } })
  await setBootNext(commands, mountsOf(disk), '/dev/sda')
  t.same(calls, [
    '-q -B -b 0007',
    `-c -L ${entryLabel} -d /dev/sda -p 15 -l \\efi\\debian\\shimx64.efi`,
    '-q -o 0003,0001,0007',
    '-q -n 0007',
  ])
})

t.test('the fallback loader is preferred', { skip: process.arch !== 'x64' && 'x64 only' }, async (t) => {
  const { commands } = firmware()
  const disk = t.testdir({ EFI: { BOOT: { 'bootx64.efi': '' }, debian: { 'shimx64.efi': '' } } })
  t.match(
    await setBootNext(commands, mountsOf(disk), '/dev/sda'),
    /\\EFI\\BOOT\\bootx64\.efi on \/dev\/sda15/,
  )
})

t.test('a disk without a loader is left alone', async (t) => {
  const { calls, commands } = firmware()
  await t.rejects(setBootNext(commands, mountsOf(t.testdir({})), '/dev/sda'), /no loader/)
  t.same(calls, [])
})
