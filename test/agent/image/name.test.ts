import t from 'tap'
import { diskNamed } from '../../../src/agent/image/name.ts'
import type { DiskFacts } from '../../../src/model/agent-protocol.ts'

const disk = (device: string, serial: string, wwn = ''): DiskFacts => ({
  device,
  bytes: 1,
  model: 'MODEL X',
  serial,
  wwn,
  rotational: false,
})
const disks = [
  disk('/dev/sda', 'WD-WX11', 'naa.50014ee2b5c3d4e5'),
  disk('/dev/nvme0n1', 'S4EV NX0', 'eui.0025385791b01234'),
  disk('/dev/vda', 'root-disk'),
  disk('/dev/sdb', 'TWIN'),
  disk('/dev/sdc', 'TWIN'),
  disk('/dev/sdd', ''),
]
const cases = [
  { name: 'wwn-0x50014ee2b5c3d4e5', want: '/dev/sda' },
  { name: 'wwn-0x50014ee2b5c3d4e5-part2', want: '/dev/sda2' },
  { name: 'ata-MODEL_X_WD-WX11', want: '/dev/sda' },
  { name: 'nvme-eui.0025385791b01234-part1', want: '/dev/nvme0n1p1' },
  { name: 'nvme-MODEL_X_S4EV_NX0', want: '/dev/nvme0n1' },
  { name: 'virtio-root-disk', want: '/dev/vda' },
  { name: 'ata-MODEL_X_TWIN', want: undefined },
  { name: 'ata-MODEL_X_', want: undefined },
  { name: 'wwn-0x5', want: undefined },
]
for (const { name, want } of cases) {
  t.test(`/dev/disk/by-id/${name} is ${want}`, async (t) =>
    t.equal(diskNamed(`/dev/disk/by-id/${name}`, disks), want),
  )
}

t.test('other paths are left alone', async (t) => {
  t.equal(diskNamed('/dev/sda', disks), undefined)
  t.equal(diskNamed('/dev/disk/by-path/pci-0000:00:1f.2-ata-1', disks), undefined)
})
