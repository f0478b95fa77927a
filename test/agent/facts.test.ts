import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { memoryBytes, readFacts, uptimeMs } from '../../src/agent/facts.ts'

const files: Record<string, string | Buffer> = {
  '/proc/sys/kernel/osrelease': '6.1.0-56-amd64\n',
  '/proc/meminfo': 'MemTotal:         512000 kB\nMemAvailable:     256000 kB\n',
  '/proc/cpuinfo': 'processor\t: 0\nmodel name: x\n\nprocessor\t: 1\n',
  '/proc/uptime': '12.34 20.00\n',
  '/sys/class/dmi/id/sys_vendor': 'Dell Inc.\n',
  '/sys/class/dmi/id/product_name': 'PowerEdge R640   \n',
  '/sys/class/dmi/id/product_serial': 'AB\u0000C\u001b[2J12\n',
  '/sys/firmware/efi/runtime': '0x1\n',
  '/sys/block/sda/size': '2048\n',
  '/sys/block/sda/device/model': 'SAMSUNG  MZ7  \n',
  '/sys/block/sda/device/vpd_pg80': Buffer.from([0, 0x80, 0, 8, ...Buffer.from('  S4N7  ')]),
  '/sys/block/sda/device/wwid': 'naa.5002538e\n',
  '/sys/block/sda/queue/rotational': '1\n',
  '/sys/block/nvme0n1/size': '4096\n',
  '/sys/block/nvme0n1/device/serial': 'NV7\n',
  '/sys/block/nvme0n1/wwid': 'eui.01\n',
  '/sys/block/nvme0n1/queue/rotational': '0\n',
  '/sys/block/loop0/size': '4096\n',
  '/sys/block/sdb/size': '0\n',
  '/sys/class/net/lo/address': '00:00:00:00:00:00\n',
  '/sys/class/net/eth0/address': '52:54:00:00:00:01\n',
  '/sys/class/net/eth0/carrier': '1\n',
}

function machine(t: Test): string {
  const root = t.testdir({})
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  mkdirSync(join(root, '/sys/class/net/eth0/device'))
  symlinkSync('../../../bus/pci/drivers/ixgbe', join(root, '/sys/class/net/eth0/device/driver'))
  return root
}

t.test('a machine is described by what /proc and /sys say', async (t) => {
  const root = machine(t)
  t.same(await readFacts(root, 'x64'), {
    arch: 'x86_64',
    kernel: '6.1.0-56-amd64',
    firmware: 'uefi',
    memoryBytes: 512000 * 1024,
    cpus: 2,
    vendor: 'Dell Inc.',
    product: 'PowerEdge R640',
    serial: 'ABC[2J12',
    disks: [
      {
        device: '/dev/nvme0n1',
        bytes: 4096 * 512,
        model: '',
        serial: 'NV7',
        wwn: 'eui.01',
        rotational: false,
      },
      {
        device: '/dev/sda',
        bytes: 2048 * 512,
        model: 'SAMSUNG MZ7',
        serial: 'S4N7',
        wwn: 'naa.5002538e',
        rotational: true,
      },
    ],
    nics: [{ name: 'eth0', mac: '52:54:00:00:00:01', driver: 'ixgbe', carrier: true }],
  })
  t.equal(await memoryBytes(root, 'MemAvailable'), 256000 * 1024)
  t.equal(await uptimeMs(root), 12340)
})

t.test('a machine that tells nothing has empty facts', async (t) => {
  t.match(await readFacts(t.testdir({}), 'arm64'), {
    arch: 'aarch64',
    firmware: 'bios',
    memoryBytes: 0,
    cpus: 0,
    disks: [],
    nics: [],
  })
})
