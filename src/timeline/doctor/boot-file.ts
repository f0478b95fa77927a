import { unanswered } from './address.ts'
import type { Seen } from './case.ts'
import type { Look } from './look.ts'
import { firmwareOf, isForOther, isProgram, isWhole, lastPart, programOf, textOf } from './read.ts'
import { fact, isAfter, saw, sawAll } from './rule.ts'
import type { Rule } from './rule.ts'

const given = (look: Look) =>
  look.last(['dhcp-ack', 'dhcp-offer'], ({ facts }) => textOf(facts, 'noFile') !== '')

const unknownArch: Rule = (look) => {
  const named = given(look)
  const ack = named?.facts['noFile'] === 'unknown-arch' ? named : unanswered(look, 'unknown-arch')
  if (!ack) return undefined
  const arch = archOf(look)
  return {
    cause: 'unknown-arch',
    weight: 92,
    title: `there is no boot file for its firmware (architecture ${firmwareOf(arch)?.name ?? (arch || 'not said')})`,
    evidence: sawAll(look.last('dhcp-discover'), ack),
    todo: [
      'switch the firmware to x86-64 or ARM64 UEFI, or to BIOS',
      'or name a program for it in the Hardware (netboot.ipxe.binary) and put it into ipxeDir',
    ],
  }
}

const netbootOff: Rule = (look) => {
  const ack = given(look)
  if (!ack || ack.facts['noFile'] === 'unknown-arch') return undefined
  return {
    cause: 'no-boot-file',
    weight: 88,
    title: 'it got an address and no boot file',
    evidence: [saw(ack)],
    todo: ['switch network boot on in the settings of the server'],
  }
}

/** Option 93 of the firmware. iPXE and the netboot OS say what they are built for. */
export function archOf(look: Look): string {
  const of = (entry: Seen) => textOf(entry.facts, 'arch') !== '' && programOf(entry) !== 'os'
  const firmware = look.last(
    ['dhcp-discover', 'dhcp-request'],
    (entry) => of(entry) && programOf(entry) !== 'ipxe',
  )
  return textOf((firmware ?? look.last('dhcp-discover', of))?.facts ?? {}, 'arch')
}

const wrongFile: Rule = (look) => {
  const ack = look.last(['dhcp-ack', 'dhcp-offer'], (entry) => {
    const program = programOf(entry)
    return program === 'firmware' || program === 'http'
  })
  const firmware = firmwareOf(archOf(look))
  const file = ack && textOf(ack.facts, 'file')
  if (!ack || !file || !firmware || !isForOther(firmware, file) || look.ever('boot-script', isAfter(ack)))
    return undefined
  return {
    cause: 'wrong-arch-file',
    weight: 94,
    title: `its firmware is ${firmware.name}, and ${file} is for another one`,
    evidence: sawAll(look.last('dhcp-discover'), ack),
    todo: [
      'remove boot_file_name and netboot.ipxe.binary from its Hardware: without them the file follows from the architecture',
      'or switch the firmware to the mode that the file is for',
    ],
  }
}

/** The file that DHCP named last, to firmware. */
export function promised(look: Look): { ack: Seen; file: string } | undefined {
  const ack = look.last('dhcp-ack', (entry) => ['firmware', 'http'].includes(programOf(entry) ?? ''))
  return ack && { ack, file: textOf(ack.facts, 'file') }
}

/** A failed read of `stage`, when the same file was not read well since. */
export function failed(look: Look, ...reasons: readonly string[]): Seen | undefined {
  const found = look.last(['tftp-failed', 'http-failed'], ({ facts }) =>
    reasons.includes(textOf(facts, 'why')),
  )
  const file = found && lastPart(textOf(found.facts, 'file'))
  const well = look.last(
    ['tftp-read', 'boot-file'],
    (entry) => isWhole(entry) && lastPart(textOf(entry.facts, 'file')) === file,
  )
  return found && found.lastAt > (well?.lastAt ?? 0) ? found : undefined
}

const isOfNetbootOs = (file: string): boolean => /^(vmlinuz|init(ramfs|rd))/.test(lastPart(file))

/** Firmware and boot loaders look for many files besides; only what a boot cannot go on without counts. */
const fileMissing: Rule = (look) => {
  const found = failed(look, 'no such file')
  const file = found && lastPart(textOf(found.facts, 'file'))
  if (found && file && (isProgram(file) || isOfNetbootOs(file))) {
    const madeBy = look.server.files.find(({ name }) => name === file)?.madeBy
    return {
      cause: 'file-missing',
      weight: 94,
      title: `it asked for ${file}, which is not on the server`,
      evidence: [saw(found)],
      todo: [
        ...(madeBy ? [`\`${madeBy}\` makes it`] : []),
        `put ${file} into ${isOfNetbootOs(file) ? 'osDir' : 'ipxeDir'}, or mend its name in the Hardware`,
      ],
    }
  }
  return fileAbsent(look)
}

/** What is not there and will be asked for. */
function fileAbsent(look: Look) {
  const wanted = nextFile(look)
  const absent = look.server.files.find(({ name, present }) => !present && name === wanted)
  if (!absent) return undefined
  return {
    cause: 'file-missing' as const,
    weight: look.step === 'nothing' ? 40 : 90,
    title: `the file that it needs next, ${absent.name}, is not on the server`,
    evidence: [...sawAll(look.sign), fact(`${absent.name} is missing`)],
    todo: [`\`${absent.madeBy}\` makes it`],
  }
}

function nextFile(look: Look): string | undefined {
  const arch = look.machine?.arch ?? 'x86_64'
  if (look.step === 'script' && textOf(look.sign?.facts ?? {}, 'target') === 'agent') return `vmlinuz-${arch}`
  if (look.step === 'kernel') return `initramfs-${arch}`
  const file = look.step === 'addressed' ? promised(look)?.file : undefined
  return file && lastPart(file)
}

const unreadable: Rule = (look) => {
  const found = failed(look, 'the file cannot be read', 'read-error')
  if (!found) return undefined
  return {
    cause: 'file-unreadable',
    weight: 93,
    title: `the server could not read ${textOf(found.facts, 'file')}`,
    evidence: [saw(found)],
    todo: ['check owner, rights and disk of the file; the log of the server has the reason'],
  }
}

/** What may be wrong with the file that DHCP names, and with those that are asked for. */
export const bootFileRules: readonly Rule[] = [unknownArch, netbootOff, wrongFile, fileMissing, unreadable]
