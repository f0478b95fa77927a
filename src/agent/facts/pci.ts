import { join } from 'node:path'
import type { PciDevice } from '../../model/agent-attributes.ts'
import { linkName, names, text } from './files.ts'

/** Base classes of the PCI Code and ID Assignment Specification. */
const classes: Readonly<Record<string, string>> = {
  '00': 'Unclassified device',
  '01': 'Mass storage controller',
  '02': 'Network controller',
  '03': 'Display controller',
  '04': 'Multimedia controller',
  '05': 'Memory controller',
  '06': 'Bridge',
  '07': 'Communication controller',
  '08': 'Generic system peripheral',
  '09': 'Input device controller',
  '0a': 'Docking station',
  '0b': 'Processor',
  '0c': 'Serial bus controller',
  '0d': 'Wireless controller',
  '0e': 'Intelligent controller',
  '0f': 'Satellite communications controller',
  '10': 'Encryption controller',
  '11': 'Signal processing controller',
  '12': 'Processing accelerators',
}

const mostDevices = 1024
const plain = (id: string) => id.replace(/^0x/, '').toLowerCase()

/**
 * The devices on PCI, and which of them show pictures. Vendor and product are the numbers of PCI, four hexadecimal
 * digits: the names are in no file of the machine.
 * @param root prefix of `/sys`
 */
export async function readPci(root: string): Promise<{ pciDevices: PciDevice[]; gpuDevices: PciDevice[] }> {
  const folder = join(root, '/sys/bus/pci/devices')
  const found = await Promise.all(
    (await names(folder)).slice(0, mostDevices).map(async (name) => {
      const of = (file: string) => text(join(folder, name, file)).then(plain)
      const [vendor, product, code] = [await of('vendor'), await of('device'), await of('class')]
      const base = code.slice(0, 2)
      const driver = await linkName(join(folder, name, 'driver'))
      return { base, device: { vendor, product, class: classes[base] ?? code, driver } }
    }),
  )
  const bridgesLast = found.toSorted((a, b) => Number(a.base === '06') - Number(b.base === '06'))
  return {
    pciDevices: bridgesLast.map(({ device }) => device),
    gpuDevices: found.filter(({ base }) => base === '03').map(({ device }) => device),
  }
}
