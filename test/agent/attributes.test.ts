import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { attributesText, readAttributes } from '../../src/agent/facts/attributes.ts'
import {
  attributesOf,
  mostAttributeBytes,
  sizeText,
  tidyAttributes,
} from '../../src/model/agent-attributes.ts'

/** A server with two sockets of two cores and four threads. */
const cpuinfo = Array.from(
  { length: 8 },
  (_, at) => `processor\t: ${at}\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon\nflags\t\t: fpu vmx\n`,
).join('\n')
const topology = Object.fromEntries(
  Array.from({ length: 8 }, (_, at) => `/sys/devices/system/cpu/cpu${at}/topology`).flatMap((folder, at) => [
    [`${folder}/physical_package_id`, `${at % 2}\n`],
    [`${folder}/core_id`, `${Math.floor(at / 2) % 2}\n`],
  ]),
)
const dmi = '/sys/class/dmi/id'
const gpu = '/sys/devices/pci0000:00/0000:00:02.0'
const files: Record<string, string> = {
  '/proc/cpuinfo': cpuinfo,
  ...topology,
  '/proc/meminfo': 'MemTotal:       65829304 kB\n',
  [`${dmi}/chassis_serial`]: 'CH1\n',
  [`${dmi}/chassis_vendor`]: 'Dell Inc.\n',
  [`${dmi}/bios_vendor`]: 'Dell Inc.\n',
  [`${dmi}/bios_version`]: '2.19.1\n',
  [`${dmi}/bios_date`]: '06/04/2023\n',
  [`${dmi}/board_name`]: '0X3D66\n',
  [`${dmi}/board_serial`]: 'BS1\n',
  [`${dmi}/product_name`]: 'PowerEdge R640\n',
  [`${dmi}/sys_vendor`]: 'Dell Inc.\n',
  [`${dmi}/product_serial`]: 'ABC\u001b[2J123   \n',
  '/sys/block/sda/size': '3907029168\n',
  '/sys/block/sda/device/vendor': 'ATA     \n',
  '/sys/block/sda/device/model': 'ST2000\n',
  '/sys/block/sda/queue/rotational': '1\n',
  '/sys/block/sda/queue/physical_block_size': '4096\n',
  '/sys/block/nvme0n1/size': '2097152\n',
  '/sys/block/nvme0n1/device/serial': 'NV7\n',
  '/sys/block/nvme0n1/wwid': 'eui.01\n',
  '/sys/block/nvme0n1/queue/rotational': '0\n',
  '/sys/class/net/eth0/address': '52:54:00:00:00:01\n',
  '/sys/class/net/eth0/carrier': '1\n',
  '/sys/class/net/eth0/speed': '25000\n',
  '/sys/class/net/eth1/address': '52:54:00:00:00:02\n',
  '/sys/class/net/eth1/speed': '-1\n',
  [`${gpu}/vendor`]: '0x10de\n',
  [`${gpu}/device`]: '0x20B0\n',
  [`${gpu}/class`]: '0x030200\n',
  '/sys/class/tpm/tpm0/tpm_version_major': '2\n',
}

function machine(t: Test, more: Record<string, string> = {}): string {
  const root = t.testdir({})
  for (const [path, text] of Object.entries({ ...files, ...more })) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  for (const name of ['eth0', 'eth1']) {
    mkdirSync(join(root, `/sys/class/net/${name}/device`))
    symlinkSync('../../../bus/pci/drivers/ice', join(root, `/sys/class/net/${name}/device/driver`))
  }
  mkdirSync(join(root, '/sys/bus/pci/devices'), { recursive: true })
  symlinkSync(`../../../devices/pci0000:00/0000:00:02.0`, join(root, '/sys/bus/pci/devices/0000:00:02.0'))
  return root
}

t.test('what rules can ask about a server', async (t) => {
  const processor = {
    cores: 2,
    threads: 4,
    vendor: 'GenuineIntel',
    model: 'Xeon',
    capabilities: ['fpu', 'vmx'],
  }
  const card = { vendor: '10de', product: '20b0', class: 'Display controller' }
  t.same(await readAttributes(machine(t)), {
    cpu: {
      totalCores: 4,
      totalThreads: 8,
      processors: [
        { id: 0, ...processor },
        { id: 1, ...processor },
      ],
    },
    memory: { total: '63GB', usable: '63GB' },
    blockDevices: [
      {
        name: 'nvme0n1',
        controllerType: 'NVMe',
        driveType: 'SSD',
        size: '1GB',
        wwn: 'eui.01',
        serialNumber: 'NV7',
      },
      {
        name: 'sda',
        controllerType: 'SCSI',
        driveType: 'HDD',
        size: '2TB',
        physicalBlockSize: '4KB',
        vendor: 'ATA',
        model: 'ST2000',
      },
    ],
    networkInterfaces: [
      { name: 'eth0', mac: '52:54:00:00:00:01', speed: '25000Mb/s', driver: 'ice', link: true },
      { name: 'eth1', mac: '52:54:00:00:00:02', driver: 'ice', link: false },
    ],
    pciDevices: [card],
    gpuDevices: [card],
    chassis: { serial: 'CH1', vendor: 'Dell Inc.' },
    bios: { vendor: 'Dell Inc.', version: '2.19.1', releaseDate: '06/04/2023' },
    baseboard: { product: '0X3D66', serialNumber: 'BS1' },
    product: { name: 'PowerEdge R640', vendor: 'Dell Inc.', serialNumber: 'ABC[2J123' },
    tpm: { present: true, version: '2' },
  })
})

t.test('ARM says less of its processors', async (t) => {
  const block = (at: number) =>
    `processor\t: ${at}\nFeatures\t: fp asimd aes\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n`
  const root = t.testdir({ proc: { cpuinfo: `${block(0)}\n${block(1)}\n` } })
  const processor = { vendor: 'ARM', model: '0xd0c', capabilities: ['fp', 'asimd', 'aes'] }
  t.match(await readAttributes(root), {
    cpu: { totalCores: 2, totalThreads: 2, processors: [{ id: 0, cores: 2, threads: 2, ...processor }] },
  })
})

t.test('a machine that tells nothing', async (t) => {
  t.same(await readAttributes(t.testdir({})), {
    cpu: { totalCores: 0, totalThreads: 0 },
    tpm: { present: false },
  })
})

t.test('a machine that tells too much', async (t) => {
  const lots = Array.from({ length: 600 }, (_, at) => `a-long-name-of-a-capability-${at}`).join(' ')
  const many = Array.from(
    { length: 64 },
    (_, at) => `processor\t: ${at}\nphysical id\t: ${at}\ncore id\t: 0\nflags\t\t: ${lots}\n`,
  ).join('\n')
  const text = await attributesText(t.testdir({ proc: { cpuinfo: many } }))
  t.ok(text.length > 1000 && text.length <= mostAttributeBytes, `${text.length} bytes`)
  t.match(JSON.parse(text), { cpu: { totalCores: 64 } })
})

t.test('what others say is kept within bounds and in order', async (t) => {
  t.same(tidyAttributes(null), {})
  t.same(tidyAttributes([1, 2]), {})
  t.same(
    tidyAttributes({ cpu: 'x', memory: { total: 3 }, other: 1, bios: {}, blockDevices: [null, 3, {}] }),
    {},
  )
  const told = { bios: { version: ' 1\u0000\n', vendor: '' }, cpu: { totalThreads: 1.5, totalCores: 4 } }
  t.equal(JSON.stringify(tidyAttributes(told)), '{"cpu":{"totalCores":4},"bios":{"version":"1"}}')
  t.equal(tidyAttributes({ product: { name: 'x'.repeat(1000) } }).product?.name?.length, 128)
  t.equal(tidyAttributes({ blockDevices: Array(1000).fill({ name: 'sda' }) }).blockDevices?.length, 128)
})

t.test('the annotation is read with caution', async (t) => {
  const of = (text: string) => attributesOf({ 'tinkerbell.org/agent-attributes': text })
  t.same(of('{"cpu":{"totalCores":2}}'), { cpu: { totalCores: 2 } })
  for (const text of ['', 'null', '[]', '{', '{"x":1}']) t.equal(of(text), undefined, text)
  t.equal(attributesOf(undefined), undefined)
})

t.test('sizes for people', async (t) => {
  const sizes = [0, 512, 1024, 1025, 34_359_738_368, 2_000_398_934_016, 2 ** 62]
  t.same(sizes.map(sizeText), ['0B', '512B', '1KB', '2KB', '32GB', '2TB', '4096PB'])
})
