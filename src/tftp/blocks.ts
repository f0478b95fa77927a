import { dataPacket } from './packet.ts'

/** An opened file: `read` gives `length` octets from `offset`, fewer only at the end of the file. */
export type TftpFile = {
  size: number
  read(offset: number, length: number): Promise<Uint8Array>
  close(): void | Promise<void>
}

/** octets read at once; the piece after the one in use is read while the client takes that */
const pieceSize = 64 * 1024

/**
 * The DATA packets of a file, read ahead. A piece is never smaller than a window, so that a window lies in two at most.
 * @returns a function that gives the packets of blocks `from` to `to` (counted from 1), which are at most a window
 * @throws what `read` throws; Error when the file has become shorter than it was
 */
export function packetReader(
  file: TftpFile,
  { blockSize, windowSize }: { blockSize: number; windowSize: number },
): (from: number, to: number) => Promise<Uint8Array[]> {
  const length = Math.max(pieceSize, blockSize * windowSize)
  const pieces = new Map<number, Promise<Uint8Array>>()
  const piece = (index: number): Promise<Uint8Array> => {
    const known = pieces.get(index)
    if (known) return known
    const reading = readWhole(file, index * length, Math.min(length, file.size - index * length))
    reading.catch(() => pieces.delete(index))
    pieces.set(index, reading)
    return reading
  }
  return async (from, to) => {
    const start = (from - 1) * blockSize
    const end = Math.min(to * blockSize, file.size)
    const first = Math.floor(start / length)
    const last = Math.max(first, Math.floor((end - 1) / length))
    for (const index of pieces.keys()) if (index < first) pieces.delete(index)
    const [head, tail] = await Promise.all([piece(first), last > first ? piece(last) : undefined])
    if ((last + 1) * length < file.size) void piece(last + 1)
    const offset = first * length
    return Array.from({ length: to - from + 1 }, (_, index) => {
      const [at, until] = [start + index * blockSize, Math.min(start + (index + 1) * blockSize, end)]
      return dataPacket(from + index, [head, tail ?? nothing], at - offset, until - at)
    })
  }
}

const nothing = new Uint8Array(0)

async function readWhole(file: TftpFile, offset: number, length: number): Promise<Uint8Array> {
  if (length <= 0) return nothing
  const bytes = await file.read(offset, length)
  if (bytes.length < length)
    throw new Error(`the file ended at octet ${offset + bytes.length} of ${file.size}`)
  return bytes
}
