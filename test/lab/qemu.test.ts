import t from 'tap'
import { qemuArguments, qemuProgram } from '../../src/lab/qemu.ts'
import type { QemuMachine } from '../../src/lab/qemu.ts'

const machine: QemuMachine = {
  name: 'm1',
  firmware: 'bios',
  accelerator: { kind: 'tcg', args: ['-accel', 'tcg'], why: 'test' },
  memoryMib: 1024,
  cpus: 2,
  cards: [{ model: 'virtio-net-pci', mac: '52:54:00:77:01:01', tap: 'tap0' }],
  serial: { port: 'ttyS0', otherPath: '/run/m1.ttyS1.log' },
  diskPath: '/run/m1.raw',
  varsPath: '/run/m1.vars',
  monitorPath: '/run/m1.monitor',
}

const after = (argv: string[], flag: string) => argv.filter((_, index) => argv[index - 1] === flag)

t.test('the network comes before the disk', async (t) => {
  const devices = after(qemuArguments(machine), '-device')
  t.match(
    devices.find((device) => device.startsWith('virtio-net')),
    /mac=52:54:00:77:01:01,bootindex=1$/,
  )
  t.match(
    devices.find((device) => device.startsWith('virtio-blk')),
    /bootindex=2/,
  )
})

t.test('a BIOS machine has a text console and boots by the iPXE in its card', async (t) => {
  const argv = qemuArguments(machine)
  t.same(after(argv, '-machine'), ['pc,graphics=off'])
  t.notMatch(argv.join(' '), /romfile|pflash/)
})

t.test('a UEFI machine boots by the PXE client of its firmware', async (t) => {
  const argv = qemuArguments({ ...machine, firmware: 'uefi' })
  t.same(after(argv, '-machine'), ['q35'])
  t.match(argv.join(' '), /,romfile= .*|,romfile=$/)
  t.match(argv.join(' '), 'if=pflash,format=raw,file=/run/m1.vars')
})

t.test('a Secure Boot machine keeps its variables from all but its firmware', async (t) => {
  const argv = qemuArguments({ ...machine, firmware: 'secure-boot' })
  t.same(after(argv, '-machine'), ['q35,smm=on'])
  t.ok(after(argv, '-global').includes('driver=cfi.pflash01,property=secure,value=on'))
  t.match(argv.join(' '), 'OVMF_CODE_4M.secboot.fd')
  t.equal(qemuProgram('secure-boot'), 'qemu-system-x86_64')
})

t.test('a 64-bit ARM machine is emulated whatever this host can do', async (t) => {
  const kvm = { kind: 'kvm', args: ['-accel', 'kvm', '-cpu', 'host'], why: 'test' } as const
  const argv = qemuArguments({ ...machine, firmware: 'arm64', accelerator: kvm })
  t.same(after(argv, '-accel'), ['tcg'])
  t.same(after(argv, '-machine'), ['virt'])
  t.same(after(argv, '-serial'), ['chardev:console'], 'its board has one serial port')
  t.equal(qemuProgram('arm64'), 'qemu-system-aarch64')
})

t.test('it may restart by itself, and has two serial ports', async (t) => {
  const argv = qemuArguments(machine)
  t.notOk(argv.includes('-no-reboot'))
  t.same(after(argv, '-serial'), ['chardev:console', 'file:/run/m1.ttyS1.log'])
})

t.test('several cards come one after the other, and then the disk', async (t) => {
  const cards = [1, 2].map((last) => ({ model: 'e1000', mac: `52:54:00:77:01:0${last}`, tap: `tap${last}` }))
  const argv = qemuArguments({ ...machine, cards, isHalted: true })
  t.match(
    after(argv, '-device').filter((device) => device.startsWith('e1000')),
    [/netdev=net0,mac=52:54:00:77:01:01,bootindex=1$/, /netdev=net1,mac=52:54:00:77:01:02,bootindex=2$/],
  )
  t.match(after(argv, '-netdev'), [/id=net0,ifname=tap1,/, /id=net1,ifname=tap2,/])
  t.match(after(argv, '-device').at(-1), /virtio-blk.*bootindex=3/)
  t.ok(argv.includes('-S'), 'its cables can be seen to before it starts')
})

t.test('a machine whose console is its second serial port has no first one', async (t) => {
  const argv = qemuArguments({ ...machine, serial: { port: 'ttyS1', addressPath: '/run/m1.address' } })
  t.same(after(argv, '-serial'), ['none', 'chardev:console'])
  t.same(after(argv, '-machine'), ['pc'])
  t.same(after(argv, '-fw_cfg'), ['name=etc/sercon-port,file=/run/m1.address'])
})
