import { AppError } from '../model/error.ts'

/** One Ethernet frame of a capture. */
export type Frame = {
  /** µs since the first frame of the capture */
  at: number
  /** octets it had on the wire; `bytes` may hold only its beginning */
  size: number
  bytes: Uint8Array
}

/** pcap as libpcap writes it, version 2.4: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html */
const layout = { fileHeader: 24, recordHeader: 16, network: 20, ethernet: 1, snapLength: 262_144 } as const
const magics = new Map([
  [0xa1b2c3d4, 1],
  [0xa1b23c4d, 1000],
])

/**
 * Reads a capture of Ethernet frames, of either byte order, with times in µs or ns. A last frame that was cut off while
 * it was written is left out.
 * @throws AppError Invalid when it is none
 */
export function readPcap(bytes: Uint8Array): Frame[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { isLittle, perMicrosecond } = byteOrder(view)
  const u32 = (offset: number) => view.getUint32(offset, isLittle)
  const network = u32(layout.network) & 0xffff
  if (network !== layout.ethernet)
    throw new AppError('Invalid', `a capture of link type ${network}, not Ethernet`)
  const frames: Frame[] = []
  let first: number | undefined
  for (let offset: number = layout.fileHeader; offset + layout.recordHeader <= bytes.length;) {
    const start = offset + layout.recordHeader
    const kept = u32(offset + 8)
    if (start + kept > bytes.length) break
    const time = u32(offset) * 1_000_000 + Math.floor(u32(offset + 4) / perMicrosecond)
    first ??= time
    frames.push({ at: time - first, size: u32(offset + 12), bytes: bytes.subarray(start, start + kept) })
    offset = start + kept
  }
  return frames
}

function byteOrder(view: DataView): { isLittle: boolean; perMicrosecond: number } {
  for (const isLittle of view.byteLength >= layout.fileHeader ? [true, false] : []) {
    const perMicrosecond = magics.get(view.getUint32(0, isLittle))
    if (perMicrosecond !== undefined) return { isLittle, perMicrosecond }
  }
  throw new AppError('Invalid', 'not a pcap file')
}

/** The octets of a capture file, little-endian, in µs; its first frame is at time 0. */
export function writePcap(frames: readonly Frame[]): Uint8Array {
  const sizes = frames.map(({ bytes }) => layout.recordHeader + bytes.length)
  const file = new Uint8Array(sizes.reduce((sum, size) => sum + size, layout.fileHeader as number))
  const view = new DataView(file.buffer)
  const put = (offset: number, ...values: number[]) =>
    values.forEach((value, index) => view.setUint32(offset + 4 * index, value, true))
  put(0, 0xa1b2c3d4, (4 << 16) | 2, 0, 0, layout.snapLength, layout.ethernet)
  const first = frames[0]?.at ?? 0
  let offset: number = layout.fileHeader
  for (const { at, size: wire, bytes } of frames) {
    const time = at - first
    put(offset, Math.floor(time / 1_000_000), time % 1_000_000, bytes.length, wire)
    file.set(bytes, offset + layout.recordHeader)
    offset += layout.recordHeader + bytes.length
  }
  return file
}
