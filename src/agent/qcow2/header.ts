/** What the first bytes of a qcow2 file say (QEMU, docs/interop/qcow2.txt). */
export type Qcow2Header = {
  /** of the disk */
  bytes: number
  clusterBits: number
  /** number of its entries, of 8 bytes each */
  l1Entries: number
  l1Offset: number
}

/** How many bytes from the start are enough for `parseHeader`. */
export const headerBytes = 112

/** Entries of a first-level table for more than 2^53 bytes are not believed. */
const mostL1Entries = 4 << 20

/**
 * @param bytes the first `headerBytes` of the file
 * @throws Error for a file that needs another one or a key, is damaged, or is of a kind that is not known here
 */
export function parseHeader(bytes: Buffer): Qcow2Header {
  const wrong = (what: string) => new Error(`the qcow2 image ${what}`)
  if (bytes.length < 72 || bytes.toString('latin1', 0, 4) !== 'QFI\xfb') throw wrong('has no header')
  const version = bytes.readUInt32BE(4)
  if (version !== 2 && version !== 3) throw wrong(`is of version ${version}: 2 or 3 expected`)
  if (bytes.readBigUInt64BE(8) !== 0n)
    throw wrong('holds only what differs from another image (a backing file)')
  if (bytes.readUInt32BE(32) !== 0) throw wrong('is encrypted')
  const clusterBits = bytes.readUInt32BE(20)
  if (clusterBits < 12 || clusterBits > 21)
    throw wrong(`has clusters of 2^${clusterBits} bytes: 2^12 to 2^21 expected`)
  if (version === 3) refuseFeatures(bytes, wrong)
  const header = {
    bytes: Number(bytes.readBigUInt64BE(24)),
    clusterBits,
    l1Entries: bytes.readUInt32BE(36),
    l1Offset: Number(bytes.readBigUInt64BE(40)),
  }
  const covered = header.l1Entries * 2 ** (2 * clusterBits - 3)
  if (!Number.isSafeInteger(header.bytes) || header.l1Entries > mostL1Entries || covered < header.bytes)
    throw wrong(`has a first table of ${header.l1Entries} entries for ${header.bytes} bytes: it is damaged`)
  return header
}

const features: readonly { bit: number; means: string }[] = [
  { bit: 1, means: 'is marked as damaged' },
  { bit: 2, means: 'keeps its data in another file' },
  { bit: 4, means: 'has subclusters (extended L2 entries)' },
]

function refuseFeatures(bytes: Buffer, wrong: (what: string) => Error): void {
  const incompatible = bytes.readBigUInt64BE(72)
  const found = features.find(({ bit }) => (incompatible >> BigInt(bit)) & 1n)
  if (found) throw wrong(`${found.means}, which is not supported`)
  if (incompatible & ~0b1111n) throw wrong(`needs features that are not known (${incompatible.toString(16)})`)
  if ((incompatible >> 3n) & 1n && bytes[104] !== 0)
    throw wrong('is packed with zstd inside, which is not supported: zlib, or zstd around the file, expected')
}

/** A cluster of the disk that the file holds. */
export type Cluster = {
  /** where it belongs on the disk */
  guest: number
  /** where its bytes are in the file, and how many; of a packed one perhaps a few too many */
  host: number
  length: number
  packed: boolean
}

const offsetMask = 0x00fffffffffffe00n
const packedFlag = 1n << 62n

/** Offsets of the second-level tables; 0 where there is none. */
export function readL1(table: Buffer): number[] {
  return Array.from({ length: table.length >> 3 }, (_, at) =>
    Number(table.readBigUInt64BE(at * 8) & offsetMask),
  )
}

/**
 * Clusters of a second-level table.
 * @param index which one it is, from 0
 */
export function readL2(table: Buffer, index: number, { clusterBits, bytes }: Qcow2Header): Cluster[] {
  const size = 2 ** clusterBits
  const entries = table.length >> 3
  const clusters: Cluster[] = []
  for (let at = 0; at < entries; at++) {
    const entry = table.readBigUInt64BE(at * 8)
    const guest = (index * entries + at) * size
    if (entry === 0n || guest >= bytes) continue
    if (entry & packedFlag) clusters.push({ guest, ...packedPlace(entry, clusterBits), packed: true })
    else if (!(entry & 1n) && entry & offsetMask)
      clusters.push({ guest, host: Number(entry & offsetMask), length: size, packed: false })
  }
  return clusters
}

function packedPlace(entry: bigint, clusterBits: number): { host: number; length: number } {
  const sectorShift = BigInt(62 - (clusterBits - 8))
  const host = Number(entry & ((1n << sectorShift) - 1n))
  const sectors = Number((entry & (packedFlag - 1n)) >> sectorShift) + 1
  return { host, length: sectors * 512 - (host & 511) }
}

/** What no cluster covers: begin and end of each gap. @param clusters by their place on the disk */
export function gapsBetween(
  clusters: readonly Cluster[],
  { bytes, clusterBits }: Qcow2Header,
): [number, number][] {
  const gaps: [number, number][] = []
  let end = 0
  for (const { guest } of clusters) {
    if (guest > end) gaps.push([end, guest])
    end = guest + 2 ** clusterBits
  }
  if (end < bytes) gaps.push([end, bytes])
  return gaps
}
