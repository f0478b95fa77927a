import t from 'tap'
import { archs, binaryFor, bootBinaries, isRaspberryPi, parseArchBinaries } from '../../src/dhcp/arch.ts'
import { decide } from '../../src/dhcp/decide.ts'
import type { DhcpContext } from '../../src/dhcp/decide.ts'
import { dhcpOption, getOption } from '../../src/dhcp/options/table.ts'
import { readQuery } from '../../src/dhcp/query.ts'
import { parseMac } from '../../src/model/mac.ts'
import type { Machine } from '../../src/model/machine.ts'
import { clients, discover, machine, query, request, serverIp } from './packets.ts'
import type { Values } from './packets.ts'

const context: DhcpContext = {
  serverIp,
  httpPort: 7171,
  netboot: true,
  scriptUrl: () => 'http://192.168.77.1:7171/s',
}

function answer(values: Values, known: Partial<Machine> = {}, changed: Partial<DhcpContext> = {}) {
  const reply = decide(
    query({ ...discover, ...values }),
    { ...machine, ...known },
    { ...context, ...changed },
  )
  if (reply.kind !== 'offer') throw new Error(reply.kind)
  return { ...reply, options: reply.packet.options }
}
const pxe = (arch: number): Values => ({ 60: 'PXEClient', 93: [arch >> 8, arch & 255] })

t.test('every architecture of the registry has its program, or none', async (t) => {
  const want: [string, number[]][] = [
    ['undionly.kpxe', [0, 1, 4, 5, 20]],
    ['ipxe.efi', [7, 9, 16, 17]],
    ['ipxe-arm64.efi', [11, 19, 41]],
    ['ipxe-riscv64.efi', [27, 28]],
    ['ipxe-loong64.efi', [39, 40]],
  ]
  t.equal(archs.length, 42, '0 to 41')
  for (const [binary, numbers] of want)
    t.same(
      archs.flatMap((arch, number) => (arch.binary === binary ? [number] : [])),
      numbers,
    )
  t.same(
    want.map(([binary]) => binary),
    bootBinaries,
  )
  t.ok(
    archs.every(
      ({ name }, number) =>
        name.includes('HTTP') ===
        ((number >= 15 && number <= 20) || [23, 24, 26, 28, 30, 38, 40].includes(number)),
    ),
  )
})

t.test('the first architecture with a program counts, and settings stand before the table', async (t) => {
  t.equal(binaryFor([2, 7, 0]), 'ipxe.efi')
  t.equal(binaryFor([42, 65_535]), undefined)
  const own = parseArchBinaries(['7=snponly.efi', '6=ipxe-i386.efi'])
  t.equal(binaryFor([6], own), 'ipxe-i386.efi')
  t.equal(binaryFor([7], own), 'snponly.efi')
  t.equal(binaryFor([11], own), 'ipxe-arm64.efi')
  t.equal(answer(pxe(6), {}, { archBinaries: own }).packet.file, 'ipxe-i386.efi')
})

t.test('the boot ROM of a Raspberry Pi gets the menu it looks for, and a program it can run', async (t) => {
  for (const text of ['2c:cf:67:00:00:01', 'd8:3a:dd:00:00:01', 'b8:27:eb:00:00:01', 'dc:a6:32:00:00:01']) {
    const { packet, options } = answer(pxe(0), { mac: parseMac(text)! })
    t.equal(packet.file, 'ipxe-arm64.efi', text)
    const menu = [9, 20, 0, 0, 17, ...Buffer.from('Raspberry Pi Boot')]
    t.same([...options.get(43)!], [6, 1, 8, ...menu, 10, 4, 0, ...Buffer.from('PXE'), 255])
  }
  t.notOk(isRaspberryPi(machine.mac))
  t.equal(
    answer(clients.seabiosIpxe, { mac: parseMac('2c:cf:67:00:00:01')! }).packet.file,
    'http://192.168.77.1:7171/s',
  )
})

t.test('the VLAN of a machine is told to its firmware and to iPXE', async (t) => {
  const known = { vlanId: '77' }
  t.same([...answer(pxe(7), known).options.get(43)!], [6, 1, 8, 116, 2, 55, 55, 255])
  t.same([...answer(clients.seabiosIpxe, known).options.get(43)!], [116, 2, 55, 55, 255])
  t.notOk(answer(clients.seabiosIpxe).options.has(43))
  t.notOk(answer(clients.dhclient, known).options.has(43))
})

t.test('the TFTP server is told as an address to who asks for that (RFC 5859)', async (t) => {
  const { options } = answer({ ...pxe(7), 55: [1, 150] })
  t.same(getOption(options, dhcpOption.tftpServers), [serverIp])
  t.notOk(answer(pxe(7)).options.has(150))
})

for (const [name, value] of [
  ['plainly', 'iPXE'],
  ['as a list', [4, ...Buffer.from('iPXE')]],
  ['among others', [3, 97, 98, 99, 4, ...Buffer.from('iPXE')]],
  ["as Tinkerbell's build", 'Tinkerbell'],
  ["as Tinkerbell's build in a list", [10, ...Buffer.from('Tinkerbell')]],
] as const)
  t.test(`iPXE that says so ${name} gets its script`, async (t) => {
    t.match(readQuery(request({ ...discover, ...pxe(7), 77: value })), { client: { stage: 'ipxe' } })
  })
