import type { DiskFacts } from '../../model/agent-protocol.ts'

/**
 * The device behind a name in /dev/disk/by-id, as udev makes it from the disk's WWN (`wwn-0x5000c500a1b2c3d4`) or its
 * model and serial number (`ata-MODEL_SERIAL`, `virtio-SERIAL`), with `-part2` for a partition.
 * @returns `undefined` for other paths, and when none or several disks fit
 */
export function diskNamed(path: string, disks: readonly DiskFacts[]): string | undefined {
  const [, name, part] = /^\/dev\/disk\/by-id\/(.+?)(?:-part(\d+))?$/.exec(path) ?? []
  if (name === undefined) return undefined
  const [disk, other] = disks.filter((found) => hasWwn(found, name) || hasSerial(found, name))
  if (!disk || other) return undefined
  if (part === undefined) return disk.device
  return partitionPath(disk.device, part)
}

/** `/dev/sda` and 1 → `/dev/sda1`, `/dev/nvme0n1` and 1 → `/dev/nvme0n1p1`. */
export const partitionPath = (disk: string, part: string) => `${disk}${/\d$/.test(disk) ? 'p' : ''}${part}`

/** The kernel says `naa.5000…` or `eui.0025…`, udev `wwn-0x5000…` and `nvme-eui.0025…`. */
function hasWwn({ wwn }: DiskFacts, name: string): boolean {
  const digits = /^(?:naa|eui)\.([0-9a-f]+)$/i.exec(wwn)?.[1]?.toLowerCase()
  return digits !== undefined && [`wwn-0x${digits}`, `nvme-eui.${digits}`].includes(name.toLowerCase())
}

/** udev puts `_` in place of blanks, and keeps 20 characters of a virtio serial number. */
function hasSerial({ serial }: DiskFacts, name: string): boolean {
  const word = serial.trim().replace(/\s+/g, '_')
  return word !== '' && (name.endsWith(`_${word}`) || name.endsWith(`-${word}`))
}
