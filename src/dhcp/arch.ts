import type { Mac } from '../model/mac.ts'

/** Network boot programs, named as in Debian's `ipxe` package; TFTP and `/ipxe/binary/` serve them under these names. */
export const bootBinaries = [
  'undionly.kpxe',
  'ipxe.efi',
  'ipxe-arm64.efi',
  'ipxe-riscv64.efi',
  'ipxe-loong64.efi',
] as const

export type BootBinary = (typeof bootBinaries)[number]

/** A client architecture: what IANA calls it, and the boot program that runs on it, if iPXE comes as one. */
export type Arch = { name: string; binary?: BootBinary }

const arch = (name: string, binary?: BootBinary): Arch => (binary ? { name, binary } : { name })

/**
 * Client architectures (option 93): the whole of IANA's registry "Processor Architecture Types", whose erratum to RFC
 * 4578 makes 7 x64 UEFI and 9 EBC; firmware in the field says either for x64. A program for another word length or
 * processor is not given: it would be loaded, and fail. `dhcp.archBinaries` names programs of the operator's own.
 */
export const archs: readonly Arch[] = [
  arch('x86 BIOS', 'undionly.kpxe'),
  arch('NEC/PC98', 'undionly.kpxe'),
  arch('Itanium'),
  arch('DEC Alpha'),
  arch('Arc x86', 'undionly.kpxe'),
  arch('Intel Lean Client', 'undionly.kpxe'),
  arch('x86 UEFI'),
  arch('x64 UEFI', 'ipxe.efi'),
  arch('EFI Xscale'),
  arch('EBC', 'ipxe.efi'),
  arch('ARM 32-bit UEFI'),
  arch('ARM 64-bit UEFI', 'ipxe-arm64.efi'),
  arch('PowerPC Open Firmware'),
  arch('PowerPC ePAPR'),
  arch('POWER OPAL v3'),
  arch('x86 UEFI, HTTP'),
  arch('x64 UEFI, HTTP', 'ipxe.efi'),
  arch('EBC, HTTP', 'ipxe.efi'),
  arch('ARM 32-bit UEFI, HTTP'),
  arch('ARM 64-bit UEFI, HTTP', 'ipxe-arm64.efi'),
  arch('PC/AT BIOS, HTTP', 'undionly.kpxe'),
  arch('ARM 32-bit U-Boot'),
  arch('ARM 64-bit U-Boot'),
  arch('ARM 32-bit U-Boot, HTTP'),
  arch('ARM 64-bit U-Boot, HTTP'),
  arch('RISC-V 32-bit UEFI'),
  arch('RISC-V 32-bit UEFI, HTTP'),
  arch('RISC-V 64-bit UEFI', 'ipxe-riscv64.efi'),
  arch('RISC-V 64-bit UEFI, HTTP', 'ipxe-riscv64.efi'),
  arch('RISC-V 128-bit UEFI'),
  arch('RISC-V 128-bit UEFI, HTTP'),
  arch('s390 Basic'),
  arch('s390 Extended'),
  arch('MIPS 32-bit UEFI'),
  arch('MIPS 64-bit UEFI'),
  arch('Sunway 32-bit UEFI'),
  arch('Sunway 64-bit UEFI'),
  arch('LoongArch 32-bit UEFI'),
  arch('LoongArch 32-bit UEFI, HTTP'),
  arch('LoongArch 64-bit UEFI', 'ipxe-loong64.efi'),
  arch('LoongArch 64-bit UEFI, HTTP', 'ipxe-loong64.efi'),
  arch('ARM rpiboot', 'ipxe-arm64.efi'),
]

/** Boot programs by architecture that stand before the table's. */
export type ArchBinaries = ReadonlyMap<number, string>

/** @returns the boot program of the first architecture that has one */
export function binaryFor(wanted: readonly number[], own?: ArchBinaries): string | undefined {
  for (const number of wanted) {
    const binary = own?.get(number) ?? archs[number]?.binary
    if (binary !== undefined) return binary
  }
  return undefined
}

/** Settings like `27=ipxe-riscv64.efi`; the configuration has checked their form. */
export function parseArchBinaries(settings: readonly string[]): ArchBinaries {
  return new Map(settings.map((text) => [Number(text.split('=')[0]), text.slice(text.indexOf('=') + 1)]))
}

/** `ARM rpiboot`: what the boot ROM of a Raspberry Pi is, though it says 0. */
export const raspberryPiArch = 41

/** First three octets of MAC addresses of Raspberry Pi boards (IEEE registry). */
const raspberryPis = new Set([
  'b8:27:eb',
  'dc:a6:32',
  'e4:5f:01',
  '28:cd:c1',
  'd8:3a:dd',
  '2c:cf:67',
  '88:a2:9e',
])

export const isRaspberryPi = (mac: Mac): boolean => raspberryPis.has(mac.slice(0, 8))
