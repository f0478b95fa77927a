/** An opened file: `read` gives `length` octets from `offset`, fewer only at the end of the file. */
export type TftpFile = {
  size: number
  read(offset: number, length: number): Promise<Uint8Array>
  close(): void | Promise<void>
}

/** octets read at once: small windows are then mostly served from memory */
const readAhead = 64 * 1024

/**
 * The blocks of a file, read ahead.
 * @returns a function that gives the data of blocks `from` to `to` (counted from 1) as one piece
 * @throws what `read` throws; Error when the file has become shorter than it was
 */
export function blockReader(
  file: TftpFile,
  blockSize: number,
): (from: number, to: number) => Promise<Uint8Array> {
  let start = 0
  let held: Uint8Array = new Uint8Array(0)
  return async (from, to) => {
    const first = (from - 1) * blockSize
    const last = Math.min(to * blockSize, file.size)
    if (first < start || last > start + held.length) {
      const length = Math.min(Math.max(readAhead, last - first), file.size - first)
      held = length > 0 ? await file.read(first, length) : new Uint8Array(0)
      start = first
    }
    if (last > start + held.length)
      throw new Error(`the file ended at octet ${start + held.length} of ${file.size}`)
    return held.subarray(first - start, last - start)
  }
}
