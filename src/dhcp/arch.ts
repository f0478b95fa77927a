/** Network boot programs, named as in Debian's `ipxe` package; TFTP and `/ipxe/binary/` serve them under these names. */
export const bootBinaries = ['undionly.kpxe', 'ipxe.efi', 'ipxe-arm64.efi'] as const

export type BootBinary = (typeof bootBinaries)[number]

/**
 * Client architectures (option 93; IANA "Processor Architecture Types", whose erratum to RFC 4578 makes 7 x64 UEFI and
 * 9 EBC; firmware in the field says either for x64). An architecture that is not here has no iPXE build that we serve.
 */
const binaries: ReadonlyMap<number, BootBinary> = new Map([
  [0, 'undionly.kpxe'], // x86 BIOS
  [7, 'ipxe.efi'], // x64 UEFI
  [9, 'ipxe.efi'], // EBC
  [11, 'ipxe-arm64.efi'], // ARM 64-bit UEFI
  [16, 'ipxe.efi'], // x64 UEFI, HTTP
  [17, 'ipxe.efi'], // EBC, HTTP
  [19, 'ipxe-arm64.efi'], // ARM 64-bit UEFI, HTTP
  [20, 'undionly.kpxe'], // x86 BIOS, HTTP
])

/** @returns the boot program of the first architecture that has one */
export function binaryFor(archs: readonly number[]): BootBinary | undefined {
  const known = archs.find((arch) => binaries.has(arch))
  return known === undefined ? undefined : binaries.get(known)
}
