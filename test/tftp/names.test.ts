import t from 'tap'
import { parseMac } from '../../src/model/mac.ts'
import type { Machine } from '../../src/model/machine.ts'
import { assetPath, ownFile } from '../../src/tftp/names.ts'
import { machine } from '../dhcp/packets.ts'

const pi: Machine = {
  ...machine,
  pxelinuxConfig: 'DEFAULT linux\n',
  rpi: { serialNum: '5f2d91a8', firmwarePath: 'rpi4/stable', configTxt: 'arm_64bit=1\n' },
  osie: { ...machine.osie, kernelParams: ['console=ttyAMA0', 'quiet'] },
}
const other: Machine = {
  ...machine,
  mac: parseMac('02:00:00:00:00:77')!,
  pxelinuxConfig: 'OTHER',
  allowPxe: false,
}
const asker = { machine: pi, machineByMac: (mac: string) => [pi, other].find((one) => one.mac === mac) }
const dashed = machine.mac.replaceAll(':', '-')

const cases = [
  { name: `pxelinux.cfg/01-${dashed}`, want: { kind: 'text', text: 'DEFAULT linux\n' } },
  {
    name: `/tftpboot/pxelinux.cfg/01-${dashed.toUpperCase()}`,
    want: { kind: 'text', text: 'DEFAULT linux\n' },
  },
  { name: `pxelinux.cfg/${dashed}`, want: undefined },
  { name: 'pxelinux.cfg/01-02-00-00-00-00-77', want: undefined },
  { name: 'pxelinux.cfg/01-02-00-00-00-00-78', want: undefined },
  { name: 'pxelinux.cfg/default', want: undefined },
  { name: '5f2d91a8/config.txt', want: { kind: 'text', text: 'arm_64bit=1\n' } },
  { name: '5F2D91A8/cmdline.txt', want: { kind: 'text', text: 'console=ttyAMA0 quiet' } },
  { name: '5f2d91a8/start4.elf', want: { kind: 'asset', path: 'rpi4/stable/start4.elf' } },
  { name: '5f2d91a8/overlays/a.dtbo', want: { kind: 'asset', path: 'rpi4/stable/overlays/a.dtbo' } },
  { name: '5f2d91a8/../../../etc/passwd', want: { kind: 'asset', path: 'rpi4/stable/../../../etc/passwd' } },
  { name: '11111111/config.txt', want: undefined },
  { name: '5f2d91a8', want: undefined },
] as const
for (const { name, want } of cases)
  t.test(`${name} of a machine`, async (t) => t.same(ownFile(name, asker), want))

t.test('a Raspberry Pi without texts of its own gets those of the folder of its firmware', async (t) => {
  const plain = { ...pi, rpi: { serialNum: '5f2d91a8' }, osie: machine.osie }
  const ask = (name: string) => ownFile(name, { ...asker, machine: plain })
  t.same(ask('5f2d91a8/config.txt'), { kind: 'asset', path: 'config.txt' })
  t.same(ask('5f2d91a8/cmdline.txt'), { kind: 'asset', path: 'cmdline.txt' })
  t.equal(ownFile('5f2d91a8/config.txt', { ...asker, machine: undefined }), undefined)
})

const macs = ['02:00:00:00:00:01', '02-00-00-00-00-01', '0200.0000.0001', '02.00.00.00.00.01', '020000000001']
t.test('a MAC before the name of an asset is passed over, however it is written', async (t) => {
  for (const mac of macs) t.equal(assetPath(`/${mac}/grub/grub.cfg`), 'grub/grub.cfg', mac)
  t.equal(assetPath('grub/grub.cfg'), 'grub/grub.cfg')
  t.equal(assetPath('020000000001'), '020000000001')
})
