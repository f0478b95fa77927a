/** How a file is packed, told by its first bytes (never by its name). */
export type Format = 'raw' | 'gzip' | 'zstd' | 'xz' | 'bzip2'

/** How many bytes from the start are enough for `detectFormat`, `foreignImage` and `unpackedSize`. */
export const headBytes = 32

const packed: readonly { format: Format; magic: readonly number[] }[] = [
  { format: 'gzip', magic: [0x1f, 0x8b] },
  { format: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd] },
  { format: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { format: 'bzip2', magic: [0x42, 0x5a, 0x68] },
]

const foreign: readonly { name: string; magic: string }[] = [
  { name: 'qcow2', magic: 'QFI\xfb' },
  { name: 'VMDK', magic: 'KDMV' },
  { name: 'VMDK', magic: '# Disk DescriptorFile' },
  { name: 'VHDX', magic: 'vhdxfile' },
  { name: 'VHD', magic: 'conectix' },
  { name: 'HTML page', magic: '<!DOCTYPE' },
  { name: 'HTML page', magic: '<html' },
]

/** @param head the first bytes of the file, `headBytes` of them if there are so many */
export function detectFormat(head: Uint8Array): Format {
  if (isSkippableFrame(head)) return 'zstd'
  return packed.find(({ magic }) => magic.every((byte, at) => head[at] === byte))?.format ?? 'raw'
}

/** A Zstandard file may begin with a frame for other programs (RFC 8878 §3.1.2); pzstd writes such files. */
function isSkippableFrame([first = 0, ...rest]: Uint8Array): boolean {
  return (first & 0xf0) === 0x50 && rest[0] === 0x2a && rest[1] === 0x4d && rest[2] === 0x18
}

/** The kind of a file that would not boot if its bytes were written to a disk as they are. */
export function foreignImage(head: Uint8Array): string | undefined {
  const text = String.fromCharCode(...head.subarray(0, headBytes)).toLowerCase()
  return foreign.find(({ magic }) => text.startsWith(magic.toLowerCase()))?.name
}

/**
 * Least number of bytes the file unpacks to, where its head tells: the length as served of a raw file, the content size
 * of the first frame of a Zstandard file (RFC 8878 §3.1.1.1). Gzip, xz and bzip2 do not tell there: see `size.ts`.
 */
export function unpackedSize(
  format: Format,
  head: Uint8Array,
  servedBytes: number | undefined,
): number | undefined {
  if (format === 'raw') return servedBytes
  return format === 'zstd' ? zstdContentSize(head) : undefined
}

const dictionaryIdBytes = [0, 1, 2, 4]

function zstdContentSize(head: Uint8Array): number | undefined {
  const descriptor = head[4]
  if (descriptor === undefined || isSkippableFrame(head)) return undefined
  const singleSegment = (descriptor & 0x20) !== 0
  const flag = descriptor >> 6
  const width = flag === 0 ? (singleSegment ? 1 : 0) : 1 << flag
  const at = 5 + (singleSegment ? 0 : 1) + (dictionaryIdBytes[descriptor & 3] ?? 0)
  if (width === 0 || head.length < at + width) return undefined
  let size = 0n
  for (let byte = width - 1; byte >= 0; byte--) size = (size << 8n) | BigInt(head[at + byte] ?? 0)
  return Number(width === 2 ? size + 256n : size)
}
