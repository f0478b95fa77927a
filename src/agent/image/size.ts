import { unpackedSize } from './format.ts'
import type { Format } from './format.ts'
import { gzipLeastBytes, xzFooterBytes, xzIndexBytes, xzStream } from './trailer.ts'

/** Bytes of the file from `from` on; `undefined` when the server does not serve parts of it. */
export type ReadRange = (from: number, length: number) => Promise<Uint8Array | undefined>

const usualIndexBytes = 16 << 10
const longestIndexBytes = 4 << 20
const streamsRead = 16

/**
 * Least number of bytes the file unpacks to, from its head and, where the server serves parts of it, its end. Of bzip2
 * nobody knows before all of it is unpacked.
 * @returns `undefined` when that is not known
 */
export async function leastUnpackedBytes(
  format: Format,
  head: Uint8Array,
  servedBytes: number | undefined,
  read: ReadRange,
): Promise<number | undefined> {
  if (servedBytes === undefined || (format !== 'xz' && format !== 'gzip'))
    return unpackedSize(format, head, servedBytes)
  if (format === 'xz') return xzLeastBytes(servedBytes, read)
  const end = servedBytes >= 4 ? await read(servedBytes - 4, 4) : undefined
  return end && gzipLeastBytes(end, servedBytes)
}

/** Goes from stream to stream, from the last one to the first. */
async function xzLeastBytes(servedBytes: number, read: ReadRange): Promise<number | undefined> {
  let end = servedBytes
  let unpacked: number | undefined
  for (let count = 0; count < streamsRead && end >= 2 * xzFooterBytes; count++) {
    const stream = await lastXzStream(end, read)
    if (!stream || stream.end - stream.streamBytes < 0) return unpacked
    unpacked = (unpacked ?? 0) + stream.unpackedBytes
    end = stream.end - stream.streamBytes
  }
  return unpacked
}

async function lastXzStream(fileEnd: number, read: ReadRange) {
  const length = Math.min(fileEnd, usualIndexBytes)
  const tail = await read(fileEnd - length, length)
  if (!tail) return undefined
  let padding = 0
  while (
    padding + 4 <= length &&
    tail.subarray(length - padding - 4, length - padding).every((byte) => byte === 0)
  )
    padding += 4
  const end = fileEnd - padding
  const footerAt = length - padding - xzFooterBytes
  if (footerAt < 0) return undefined
  const indexBytes = xzIndexBytes(tail.subarray(footerAt, footerAt + xzFooterBytes))
  const indexAt = end - xzFooterBytes - (indexBytes ?? Infinity)
  if (indexBytes === undefined || indexAt < 0 || indexBytes > longestIndexBytes) return undefined
  const index =
    indexBytes <= footerAt ? tail.subarray(footerAt - indexBytes, footerAt) : await read(indexAt, indexBytes)
  const stream = index && xzStream(index)
  return stream && { ...stream, end }
}
