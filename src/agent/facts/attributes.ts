import { join } from 'node:path'
import { mostAttributeBytes, sizeText, tidyAttributes } from '../../model/agent-attributes.ts'
import type { AgentAttributes, NetworkInterface } from '../../model/agent-attributes.ts'
import type { NicFacts } from '../../model/agent-protocol.ts'
import { memoryBytes, readDisks, readNics } from '../facts.ts'
import { readBlockDevice } from './block.ts'
import { readCpu } from './cpu.ts'
import { names, text } from './files.ts'
import { readPci } from './pci.ts'

/**
 * Everything that rules can ask about this machine, of /proc and /sys alone, as JSON of at most 64 KiB: a machine with
 * more than that leaves out PCI devices first, then what its processors are capable of.
 * @param root prefix of `/proc` and `/sys`, '' on a machine
 */
export async function attributesText(root: string): Promise<string> {
  const all = await readAttributes(root)
  const { pciDevices: _, ...withoutPci } = all
  const { cpu, ...rest } = withoutPci
  const processors = cpu?.processors?.map(({ capabilities: _left, ...processor }) => processor)
  const least = { cpu: { ...cpu, ...(processors && { processors }) }, ...rest }
  const written = [all, withoutPci, least].map((attributes) => JSON.stringify(attributes))
  return written.find((json) => Buffer.byteLength(json) <= mostAttributeBytes) ?? ''
}

export async function readAttributes(root: string): Promise<AgentAttributes> {
  const [cpu, memory, disks, nics, pci, smbios, tpm] = await Promise.all([
    readCpu(root),
    memoryBytes(root, 'MemTotal'),
    readDisks(root),
    readNics(root),
    readPci(root),
    readSmbios(root),
    readTpm(root),
  ])
  return tidyAttributes({
    cpu,
    memory: memory > 0 ? { total: sizeText(memory), usable: sizeText(memory) } : {},
    blockDevices: await Promise.all(disks.map((disk) => readBlockDevice(root, disk))),
    networkInterfaces: await Promise.all(nics.map((nic) => readInterface(root, nic))),
    ...pci,
    ...smbios,
    tpm,
  })
}

async function readInterface(root: string, nic: NicFacts): Promise<NetworkInterface> {
  const speed = Number(await text(join(root, '/sys/class/net', nic.name, 'speed')))
  return {
    name: nic.name,
    mac: nic.mac,
    ...(speed > 0 && { speed: `${speed}Mb/s` }),
    driver: nic.driver,
    link: nic.carrier,
  }
}

async function readSmbios(root: string) {
  const dmi = (name: string) => text(join(root, '/sys/class/dmi/id', name))
  return {
    chassis: { serial: await dmi('chassis_serial'), vendor: await dmi('chassis_vendor') },
    bios: {
      vendor: await dmi('bios_vendor'),
      version: await dmi('bios_version'),
      releaseDate: await dmi('bios_date'),
    },
    baseboard: {
      vendor: await dmi('board_vendor'),
      product: await dmi('board_name'),
      version: await dmi('board_version'),
      serialNumber: await dmi('board_serial'),
    },
    product: {
      name: await dmi('product_name'),
      vendor: await dmi('sys_vendor'),
      serialNumber: await dmi('product_serial'),
    },
  }
}

async function readTpm(root: string): Promise<NonNullable<AgentAttributes['tpm']>> {
  const folder = join(root, '/sys/class/tpm')
  const [first] = await names(folder)
  if (first === undefined) return { present: false }
  return { present: true, version: await text(join(folder, first, 'tpm_version_major')) }
}
