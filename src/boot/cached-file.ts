import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { AppError } from '../model/error.ts'
import type { CacheRecord } from './cache-rules.ts'
import type { Download } from './download.ts'
import type { OpenFile } from './open.ts'

export type CachedFile = {
  file: FileHandle
  /** its size is known */
  record: CacheRecord
  /** that is under way, if any */
  download: Download | undefined
  /** whether a complete one is what its reader asked for */
  isRight(): boolean
  /** called when the reader is through */
  close(): void
}

/** An image as its readers see it: a read waits for what is still on its way, its end for the check of the whole. */
export function cachedFile({ file, record, download, isRight, close }: CachedFile): OpenFile {
  const size = record.size!
  const readInto = async (buffer: Uint8Array, offset: number, length: number) => {
    await download?.reaches(offset)
    const there = (record.complete ? size : (download?.written ?? 0)) - offset
    if (there <= 0 && offset < size) throw new AppError('Unavailable', 'the image did not arrive')
    const most = Math.max(0, Math.min(length, buffer.length, there))
    return (await file.read(buffer, 0, most, offset)).bytesRead
  }
  return {
    size,
    number: record.complete ? file.fd : undefined,
    modified: Date.parse(record.lastModified ?? '') || record.createdAt,
    version: versionOf(record),
    isUnchanged: async (end) => end < size || ((await download?.done) === undefined && isRight()),
    readInto,
    read: async (offset, length) => {
      const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)))
      return buffer.subarray(0, await readInto(buffer, offset, buffer.length))
    },
    close: async () => {
      close()
      await file.close()
    },
  }
}

/** The same for the same state of the same file, however often it is fetched. */
function versionOf({ url, etag, lastModified, size, data }: CacheRecord): string {
  if (etag === undefined && lastModified === undefined) return data
  const state = JSON.stringify([url, etag, lastModified, size])
  return createHash('sha256').update(state).digest('hex').slice(0, 32)
}
