import type { Facts, TimelineEntry } from '../stage.ts'

type Entry = Pick<TimelineEntry, 'stage' | 'facts'>

/** Who speaks DHCP: the firmware's PXE or HTTP boot, iPXE, a running system. */
export type Program = 'firmware' | 'http' | 'ipxe' | 'os'

export const textOf = (facts: Facts, name: string): string =>
  Object.hasOwn(facts, name) ? String(facts[name]) : ''

/** Whether DHCP gave iPXE a script, not firmware a program. */
export const isScriptUrl = (file: string): boolean => /^https?:.*(\/ipxe\/script\/|\.ipxe$)/.test(file)

/** @returns `undefined` for what is no DHCP, and for refusals, which do not tell */
export function programOf({ stage, facts }: Entry): Program | undefined {
  const client = textOf(facts, 'client')
  if (client === 'firmware' || client === 'http' || client === 'ipxe' || client === 'os') return client
  if (stage !== 'dhcp-offer' && stage !== 'dhcp-ack') return undefined
  const file = textOf(facts, 'file')
  if (isScriptUrl(file)) return 'ipxe'
  if (/^https?:/.test(file)) return 'http'
  return file || facts['noFile'] !== undefined ? 'firmware' : 'os'
}

/** Whether all of the file arrived. */
export const isWhole = ({ facts }: Entry): boolean => facts['broken'] !== true

/** Whether this reads a network boot program, and not a script or what iPXE looks for besides. */
export function isLoader({ stage, facts }: Entry): boolean {
  if (stage !== 'tftp-read' && stage !== 'boot-file') return false
  return isProgram(textOf(facts, 'file'))
}

/** The last part of a path or URL. */
export const lastPart = (path: string): string => path.split(/[/\\]/).at(-1) ?? path

export const isProgram = (file: string): boolean => /\.(efi|kpxe|kkpxe|pxe|0|lkrn)$/i.test(lastPart(file))

type Firmware = { name: string; uefi: boolean; cpu: 'x86' | 'arm' | 'riscv' }
const bios = { uefi: false, cpu: 'x86' } as const
const uefi = { uefi: true, cpu: 'x86' } as const

/** DHCP option 93 (IANA "Processor Architecture Types"), as far as programs for them are told apart by their names. */
const firmwares: ReadonlyMap<string, Firmware> = new Map([
  ['0', { ...bios, name: 'BIOS' }],
  ['6', { ...uefi, name: '32-bit UEFI' }],
  ['7', { ...uefi, name: 'UEFI x86-64' }],
  ['9', { ...uefi, name: 'UEFI x86-64' }],
  ['11', { ...uefi, cpu: 'arm', name: 'ARM64 UEFI' }],
  ['15', { ...uefi, name: '32-bit UEFI, HTTP boot' }],
  ['16', { ...uefi, name: 'UEFI x86-64, HTTP boot' }],
  ['19', { ...uefi, cpu: 'arm', name: 'ARM64 UEFI, HTTP boot' }],
  ['20', { ...bios, name: 'BIOS, HTTP boot' }],
  ['27', { ...uefi, cpu: 'riscv', name: 'RISC-V UEFI' }],
  ['28', { ...uefi, cpu: 'riscv', name: 'RISC-V UEFI, HTTP boot' }],
])

/** @param arch option 93 as timelines have it, `7` or `7,16`; the first one that is known counts */
export function firmwareOf(arch: string): Firmware | undefined {
  return arch.split(',').flatMap((one) => firmwares.get(one) ?? [])[0]
}

/** Whether firmware of this kind cannot start this file, told from its name. */
export function isForOther(firmware: Firmware, file: string): boolean {
  const name = lastPart(file).toLowerCase()
  const isEfi = name.endsWith('.efi')
  if (!isProgram(name) || name.endsWith('.lkrn')) return false
  if (isEfi !== firmware.uefi) return true
  return isEfi && cpuOf(name) !== firmware.cpu
}

/** What a UEFI program is for, as far as its name says. */
function cpuOf(name: string): Firmware['cpu'] {
  if (/arm64|aa64|aarch64/.test(name)) return 'arm'
  return name.includes('riscv') ? 'riscv' : 'x86'
}
