/** How many bytes from the start tell the kind of a file. */
export const kindBytes = 36 * 1024

type Sign = { kind: string; at: number; magic: string | readonly number[] }

/** The first that fits counts: a hybrid ISO image has the marks of a disk as well. */
const signs: readonly Sign[] = [
  { kind: 'gzip', at: 0, magic: [0x1f, 0x8b] },
  { kind: 'zstd', at: 0, magic: [0x28, 0xb5, 0x2f, 0xfd] },
  { kind: 'xz', at: 0, magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { kind: 'bzip2', at: 0, magic: 'BZh' },
  { kind: 'lz4', at: 0, magic: [0x04, 0x22, 0x4d, 0x18] },
  { kind: 'zip', at: 0, magic: [0x50, 0x4b, 0x03, 0x04] },
  { kind: 'qcow2', at: 0, magic: [0x51, 0x46, 0x49, 0xfb] },
  { kind: 'vmdk', at: 0, magic: 'KDMV' },
  { kind: 'vmdk', at: 0, magic: '# Disk DescriptorFile' },
  { kind: 'vhdx', at: 0, magic: 'vhdxfile' },
  { kind: 'vhd', at: 0, magic: 'conectix' },
  { kind: 'squashfs', at: 0, magic: 'hsqs' },
  { kind: 'xfs', at: 0, magic: 'XFSB' },
  { kind: 'cpio', at: 0, magic: '070701' },
  { kind: 'tar', at: 257, magic: 'ustar' },
  { kind: 'iso', at: 32_769, magic: 'CD001' },
  { kind: 'linux', at: 514, magic: 'HdrS' },
  { kind: 'disk, gpt', at: 512, magic: 'EFI PART' },
  { kind: 'disk, gpt', at: 4096, magic: 'EFI PART' },
  { kind: 'ext', at: 1080, magic: [0x53, 0xef] },
  { kind: 'efi', at: 0, magic: 'MZ' },
  { kind: 'elf', at: 0, magic: [0x7f, 0x45, 0x4c, 0x46] },
  { kind: 'html', at: 0, magic: '<!DOCTYPE html' },
  { kind: 'html', at: 0, magic: '<!doctype html' },
  { kind: 'html', at: 0, magic: '<html' },
  { kind: 'fat', at: 82, magic: 'FAT32' },
  { kind: 'fat', at: 54, magic: 'FAT1' },
  { kind: 'disk, mbr', at: 510, magic: [0x55, 0xaa] },
]

/**
 * What a file is, told by its content, never by its name.
 * @param head its first `kindBytes`, or all of it
 */
export function kindOf(head: Uint8Array): string {
  if (head.length === 0) return 'empty'
  return signs.find((sign) => fits(sign, head))?.kind ?? (isText(head) ? 'text' : 'unknown')
}

function fits({ at, magic }: Sign, head: Uint8Array): boolean {
  const bytes = typeof magic === 'string' ? new TextEncoder().encode(magic) : magic
  return bytes.every((byte, index) => head[at + index] === byte)
}

const isText = (head: Uint8Array): boolean =>
  head.subarray(0, 512).every((byte) => byte >= 32 || (byte >= 9 && byte <= 13))
