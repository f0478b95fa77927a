import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Commands } from './commands.ts'
import type { Mounts } from './mounts.ts'

/** Name of the firmware's boot entry for the system that was installed. */
export const entryLabel = 'ironwake installed OS'

const systemPartitionType = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b'

/** What `efibootmgr` prints: the boot order, and the number and label of each entry. */
export type BootEntries = { order: string[]; entries: { number: string; label: string }[] }

export function parseBootEntries(output: string): BootEntries {
  const order = /^BootOrder: (.*)$/m.exec(output)?.[1] ?? ''
  const entries = [...output.matchAll(/^Boot([0-9A-Fa-f]{4})[* ] ?([^\t\n]*)/gm)].map((found) => ({
    number: (found[1] ?? '').toUpperCase(),
    label: (found[2] ?? '').trim(),
  }))
  return {
    order: order
      .split(',')
      .map((number) => number.trim().toUpperCase())
      .filter(Boolean),
    entries,
  }
}

/** The EFI system partition's number on a disk, from `sfdisk --json`. */
export function systemPartition(json: string): { number: number; node: string } | undefined {
  const table = JSON.parse(json) as { partitiontable?: { partitions?: { node?: string; type?: string }[] } }
  for (const { node = '', type = '' } of table.partitiontable?.partitions ?? []) {
    const isSystem = type.toLowerCase() === systemPartitionType || /^(0x)?ef$/i.test(type)
    const number = Number(/(\d+)$/.exec(node)?.[1])
    if (isSystem && number) return { number, node }
  }
  return undefined
}

/**
 * Has the firmware boot the installed system once, at the next start, and leaves its boot order as it was (network
 * first stays network first). An older entry of the same name is replaced.
 * @param disk the disk with the system
 * @returns one line on what was set
 * @throws Error when the disk has no loader for UEFI or the firmware does not take the entry
 */
export async function setBootNext(commands: Commands, mounts: Mounts, disk: string): Promise<string> {
  const partition = systemPartition(await commands.run('sfdisk', ['--json', disk]))
  if (!partition) throw new Error(`${disk} has no EFI system partition`)
  const loader = await mounts.during(partition.node, 'vfat', true, findLoader)
  if (!loader) throw new Error(`${partition.node} has no loader in /EFI/BOOT or below /EFI`)
  const before = parseBootEntries(await commands.run('efibootmgr', []))
  const older = before.entries.filter((entry) => entry.label === entryLabel).map((entry) => entry.number)
  for (const number of older) await commands.run('efibootmgr', ['-q', '-B', '-b', number])
  const order = before.order.filter((number) => !older.includes(number))
  const place = ['-d', disk, '-p', String(partition.number), '-l', loader]
  const after = parseBootEntries(await commands.run('efibootmgr', ['-c', '-L', entryLabel, ...place]))
  const number = after.entries.find((entry) => entry.label === entryLabel)?.number
  if (number === undefined) throw new Error('the firmware did not keep the boot entry')
  await commands.run('efibootmgr', ['-q', '-o', [...order, number].join(',')])
  await commands.run('efibootmgr', ['-q', '-n', number])
  return `next start: Boot${number}, ${loader} on ${partition.node}`
}

const loaderNames = /^(shim|grub|systemd-boot).*\.efi$/i
const removable = { x64: 'BOOTX64.EFI', arm64: 'BOOTAA64.EFI' } as Record<string, string>

/** The fallback loader of the platform (UEFI §3.5.1.1), else the first loader of an installed system, shim before others. */
async function findLoader(folder: string): Promise<string | undefined> {
  const efi = await childNamed(folder, 'EFI')
  if (efi === undefined) return undefined
  const found: string[] = []
  for (const vendor of await readdir(join(folder, efi))) {
    for (const name of await readdir(join(folder, efi, vendor)).catch(() => [])) {
      const path = `\\${efi}\\${vendor}\\${name}`
      if (vendor.toUpperCase() === 'BOOT' && name.toUpperCase() === removable[process.arch]) return path
      if (loaderNames.test(name)) found.push(path)
    }
  }
  return found.sort((a, b) => Number(/shim/i.test(b)) - Number(/shim/i.test(a)))[0]
}

async function childNamed(folder: string, name: string): Promise<string | undefined> {
  return (await readdir(folder)).find((child) => child.toUpperCase() === name)
}
