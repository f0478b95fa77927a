import type { TftpFile } from './blocks.ts'

const [cr, lf, nul] = [13, 10, 0]

/** octets of the file between two places whose converted position is kept */
const stride = 64 * 1024

/**
 * The file as `netascii` sends it (RFC 1350 §1, RFC 764): LF becomes CR LF, CR becomes CR NUL. It is read through once
 * to learn its converted size, and converted piece by piece as it is read.
 * @throws what `read` throws
 */
export async function asNetascii(file: TftpFile): Promise<TftpFile> {
  /** converted position of each stride's first octet */
  const starts = [0]
  for (let offset = 0; offset < file.size; offset += stride) {
    const bytes = await readStride(file, offset)
    starts.push(starts.at(-1)! + bytes.length + additions(bytes))
  }
  const size = starts.at(-1)!
  return {
    size,
    async read(offset, length) {
      const end = Math.min(offset + length, size)
      const pieces: Uint8Array[] = []
      for (
        let index = strideAt(starts, offset);
        index < starts.length - 1 && starts[index]! < end;
        index += 1
      ) {
        const converted = toNetascii(await readStride(file, index * stride))
        const start = starts[index]!
        pieces.push(converted.subarray(Math.max(0, offset - start), end - start))
      }
      return pieces.length === 1 ? pieces[0]! : joined(pieces)
    },
    close: () => file.close(),
  }
}

async function readStride(file: TftpFile, offset: number): Promise<Uint8Array> {
  const length = Math.min(stride, file.size - offset)
  const bytes = await file.read(offset, length)
  if (bytes.length < length)
    throw new Error(`the file ended at octet ${offset + bytes.length} of ${file.size}`)
  return bytes
}

/** Index of the last stride that starts at or before `position`. */
function strideAt(starts: readonly number[], position: number): number {
  let [low, high] = [0, starts.length - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (starts[middle]! <= position) low = middle
    else high = middle - 1
  }
  return low
}

function additions(bytes: Uint8Array): number {
  let count = 0
  for (const octet of bytes) if (octet === lf || octet === cr) count += 1
  return count
}

/** @returns the octets as they go over the network */
export function toNetascii(bytes: Uint8Array): Uint8Array {
  const converted = new Uint8Array(bytes.length + additions(bytes))
  let at = 0
  for (const octet of bytes) {
    if (octet === lf) converted[at++] = cr
    converted[at++] = octet
    if (octet === cr) converted[at++] = nul
  }
  return converted
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
