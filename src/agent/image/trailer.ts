/** One stream of an .xz file as its footer and index tell it. */
export type XzStream = { unpackedBytes: number; streamBytes: number }

/** Header and footer of an .xz stream have 12 bytes each (The .xz File Format §2.1). */
export const xzFooterBytes = 12

/**
 * Length of the index before an .xz footer (§2.1.2: Backward Size counts 4 bytes, less one).
 * @param footer the last 12 bytes of a stream
 * @returns `undefined` when that is no footer
 */
export function xzIndexBytes(footer: Uint8Array): number | undefined {
  if (footer.length !== xzFooterBytes || footer[10] !== 0x59 || footer[11] !== 0x5a) return undefined
  const view = new DataView(footer.buffer, footer.byteOffset, footer.byteLength)
  return (view.getUint32(4, true) + 1) * 4
}

/**
 * Sizes of an .xz stream from its index (§4): records of unpadded and unpacked size for each block.
 * @param index from the index indicator on, as long as the footer says
 * @returns `undefined` when that is no index
 */
export function xzStream(index: Uint8Array): XzStream | undefined {
  if (index[0] !== 0) return undefined
  let at = 1
  const next = () => {
    const found = multibyte(index, at)
    at = found?.next ?? index.length
    return found?.value
  }
  const blocks = next()
  let [unpackedBytes, blockBytes] = [0, 0]
  for (let block = 0; block < (blocks ?? 0); block++) {
    const [unpadded, unpacked] = [next(), next()]
    if (unpadded === undefined || unpacked === undefined) return undefined
    blockBytes += Math.ceil(unpadded / 4) * 4
    unpackedBytes += unpacked
  }
  if (blocks === undefined || index.length !== Math.ceil(at / 4) * 4 + 4) return undefined
  if (!Number.isSafeInteger(unpackedBytes + blockBytes)) return undefined
  return { unpackedBytes, streamBytes: 2 * xzFooterBytes + blockBytes + index.length }
}

/** A multibyte integer (§1.2): 7 bits a byte, lowest first, at most 9 bytes. */
function multibyte(bytes: Uint8Array, from: number): { value: number; next: number } | undefined {
  let value = 0
  for (let at = from; at < from + 9; at++) {
    const byte = bytes[at]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * (at - from))
    if (byte < 0x80) return { value, next: at + 1 }
  }
  return undefined
}

/** Deflate packs no better than this. */
const bestDeflate = 1032

/**
 * Least number of bytes a gzip file unpacks to: its last member's size modulo 2^32 (RFC 1952 §2.3.1, ISIZE).
 * @param end the last four bytes of the file
 * @returns `undefined` when they cannot be that size
 */
export function gzipLeastBytes(end: Uint8Array, servedBytes: number): number | undefined {
  if (end.length !== 4) return undefined
  const size = new DataView(end.buffer, end.byteOffset, 4).getUint32(0, true)
  return size <= servedBytes * bestDeflate ? size : undefined
}
