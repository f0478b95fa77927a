/** How disks are to be laid out, as metadata says (`metadata.instance.storage` of Equinix Metal and Tinkerbell). */
export type Layout = { disks: DiskLayout[]; fileSystems: FileSystem[] }

export type DiskLayout = { device: string; wipe: boolean; partitions: Partition[] }

/** Size in sectors of 512 bytes; 0 is all that is left. */
export type Partition = { label: string; number: number; sectors: number }

export type FileSystem = { device: string; format: string; point: string; options: string[] }

type Json = Readonly<Record<string, unknown>>
const object = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {})
const list = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : [])
const text = (value: unknown) => (typeof value === 'string' ? value : '')

/** @throws Error for what is missing, or not known here */
export function readLayout(metadata: unknown): Layout {
  const storage = object(object(object(object(metadata)['metadata'])['instance'])['storage'])
  if (list(storage['volume_groups']).length)
    throw new Error('the metadata has volume groups (LVM), which are not supported')
  if (list(storage['raid']).length) throw new Error('the metadata has RAID arrays, which are not supported')
  const disks = list(storage['disks']).map((value) => readDisk(object(value)))
  const fileSystems = list(storage['filesystems']).map((value) =>
    readFileSystem(object(object(value)['mount'])),
  )
  if (!disks.length && !fileSystems.length)
    throw new Error(
      'the metadata has neither disks nor file systems (metadata.instance.storage of the Hardware)',
    )
  return { disks, fileSystems }
}

function readDisk(disk: Json): DiskLayout {
  const device = text(disk['device'])
  if (!device) throw new Error('the metadata has a disk without a device')
  const partitions = list(disk['partitions']).map((value, at) => {
    const { label, number, size } = object(value)
    const sectors = Number(size ?? 0)
    if (Number(number) !== at + 1)
      throw new Error(
        `the metadata has partition ${String(number)} of ${device} in place ${at + 1}: numbers from 1 in order expected`,
      )
    if (!Number.isSafeInteger(sectors) || sectors < 0)
      throw new Error(
        `the metadata has a partition of ${device} with the size ${JSON.stringify(size)}: sectors of 512 bytes expected`,
      )
    return { label: text(label), number: at + 1, sectors }
  })
  const rest = partitions.findIndex(({ sectors }) => sectors === 0)
  if (rest >= 0 && rest < partitions.length - 1)
    throw new Error(
      `the metadata has partition ${rest + 1} of ${device} take the rest of the disk, and it is not the last one`,
    )
  return { device, wipe: disk['wipe_table'] === true, partitions }
}

const formats = ['swap', 'ext2', 'ext3', 'ext4', 'vfat', 'xfs']

function readFileSystem(mount: Json): FileSystem {
  const { device, format, point } = mount
  const options = list(object(mount['create'])['options']).map(text)
  if (!text(device)) throw new Error('the metadata has a file system without a device')
  if (!formats.includes(text(format)))
    throw new Error(
      `the metadata has the format "${text(format)}" for ${text(device)}: one of ${formats.join(', ')} expected`,
    )
  return { device: text(device), format: text(format), point: text(point), options }
}

const gptTypes: Readonly<Record<string, string>> = {
  SWAP: '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F',
  BIOS: '21686148-6449-6E6F-744E-656564454649',
  EFI: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
}
const linuxGpt = '0FC63DAF-8483-4772-8E79-3D69D8477DE4'
const mbrTypes: Readonly<Record<string, string>> = { SWAP: '82', FAT32: 'c', FAT32_ACTIVE: 'c' }

/** What sfdisk reads to make the table: partitions one behind the other, from 1 MiB on. */
export function partitionScript({ partitions }: DiskLayout, isMbr: boolean): string {
  const lines = partitions.map(({ label, sectors }) => {
    const size = sectors ? [`size=${sectors}`] : []
    if (isMbr)
      return [...size, `type=${mbrTypes[label] ?? '83'}`, ...(label.endsWith('_ACTIVE') ? ['bootable'] : [])]
    const name = /^[\w.+ -]{1,36}$/.test(label) ? [`name="${label}"`] : []
    return [...size, `type=${gptTypes[label] ?? linuxGpt}`, ...name]
  })
  const head = [`label: ${isMbr ? 'dos' : 'gpt'}`, 'first-lba: 2048', 'unit: sectors', '']
  return `${[...(isMbr ? head.filter((line) => !line.startsWith('first')) : head), ...lines.map((line) => line.join(', '))].join('\n')}\n`
}

/** The program that makes a file system, and its arguments. */
export function formatCommand({ device, format, options }: FileSystem): [program: string, ...args: string[]] {
  if (format === 'swap') return ['mkswap', ...options, device]
  if (format === 'vfat') return ['mkfs.fat', ...options, device]
  if (format === 'xfs') return ['mkfs.xfs', ...options, '-f', device]
  return ['mke2fs', ...options, '-t', format, '-F', device]
}
