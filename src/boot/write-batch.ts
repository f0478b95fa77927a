import type { FileHandle } from 'node:fs/promises'

/** Writes all of `batch` at `offset`, in as many steps as the system takes. */
export async function writeBatch(file: FileHandle, batch: readonly Buffer[], offset: number): Promise<void> {
  let at = offset
  let left = batch.filter(({ length }) => length > 0)
  while (left.length > 0) {
    const { bytesWritten } = await file.writev(left, at)
    at += bytesWritten
    left = withoutFirst(left, bytesWritten)
  }
}

function withoutFirst(batch: readonly Buffer[], bytes: number): Buffer[] {
  let skip = bytes
  return batch.flatMap((chunk) => {
    const rest = chunk.subarray(Math.min(skip, chunk.length))
    skip -= chunk.length - rest.length
    return rest.length > 0 ? [rest] : []
  })
}
