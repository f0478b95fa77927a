import t from 'tap'
import { diskAsHinted, isHint, parseHint } from '../../../src/agent/image/hint.ts'

const disk = (device: string, gigabytes: number, more: object = {}) => ({
  device,
  bytes: gigabytes * 1e9,
  model: '',
  serial: '',
  wwn: '',
  rotational: false,
  ...more,
})
const disks = [
  disk('/dev/sda', 4000, { rotational: true, model: 'WDC HC510', serial: 'W1' }),
  disk('/dev/sdb', 4000, { rotational: true, model: 'WDC HC510', serial: 'W2' }),
  disk('/dev/nvme0n1', 960, { model: 'Samsung PM9A3', wwn: 'eui.0025' }),
  disk('/dev/nvme1n1', 480.1, { model: 'Micron 7450' }),
  disk('/dev/sr0', 0),
]
const cases = [
  { hint: 'size>=400GB', want: '/dev/nvme1n1' },
  { hint: 'size>=500GB,rotational=false', want: '/dev/nvme0n1' },
  { hint: 'size>=1TB', want: '/dev/sda' },
  { hint: 'serial=w2', want: '/dev/sdb' },
  { hint: 'model=samsung, partition=2', want: '/dev/nvme0n1p2' },
  { hint: 'wwn=0025', want: '/dev/nvme0n1' },
  { hint: 'rotational=true,partition=1', want: '/dev/sda1' },
  { hint: 'size<=1GB', want: undefined },
  { hint: 'size>=0.48T', want: '/dev/nvme1n1' },
]
for (const { hint, want } of cases)
  t.test(`"${hint}" is ${want ?? 'no disk'}`, async (t) =>
    t.equal(diskAsHinted(parseHint(hint), disks), want),
  )

for (const text of ['size>=much', 'size=4G', 'colour=red', 'partition=1', 'model='])
  t.test(`"${text}" is refused`, async (t) => {
    t.ok(isHint(text))
    t.throws(() => parseHint(text), /is no hint of a disk|says nothing about the disk/)
  })

t.test('paths are no hints', async (t) => t.notOk(isHint('/dev/disk/by-id/ata-A=B')))
