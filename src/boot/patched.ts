import { createHash } from 'node:crypto'
import { findPlaceholders } from './iso.ts'
import type { Placeholder } from './iso.ts'
import type { OpenFile } from './open.ts'

/**
 * `file` with `replacement` in place of every placeholder, of the same length. Each read looks past both of its ends, so
 * that a placeholder is found wherever ranges and buffers begin and end; nothing is remembered between reads.
 */
export function patchedFile(file: OpenFile, placeholder: Placeholder, replacement: Uint8Array): OpenFile {
  const margin = placeholder.length - 1
  /** patches in `bytes`, which are at `offset` of the file, what the placeholders in `window` at `from` cover of them */
  const patch = (bytes: Uint8Array, offset: number, window: Buffer, from: number) => {
    for (const at of findPlaceholders(window, placeholder)) {
      const start = from + at - offset
      const visible = replacement.subarray(Math.max(0, -start), Math.max(0, bytes.length - start))
      bytes.set(visible, Math.max(0, start))
    }
  }
  const patchBorder = async (bytes: Uint8Array, offset: number, border: number) => {
    const from = Math.max(0, border - margin)
    const window = Buffer.allocUnsafe(Math.min(border + margin, file.size) - from)
    patch(bytes, offset, window.subarray(0, await fill(file, window, from)), from)
  }
  const readInto = async (buffer: Uint8Array, offset: number, length: number): Promise<number> => {
    const count = await file.readInto(buffer, offset, length)
    if (count === 0) return 0
    const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, count)
    patch(bytes, offset, bytes, offset)
    await patchBorder(bytes, offset, offset)
    await patchBorder(bytes, offset, offset + count)
    return count
  }
  return {
    ...file,
    number: undefined,
    version: `${file.version}-${createHash('sha256').update(replacement).digest('hex').slice(0, 16)}`,
    readInto,
    read: async (offset, length) => {
      const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, file.size - offset)))
      return buffer.subarray(0, await readInto(buffer, offset, buffer.length))
    },
  }
}

/** Reads until `buffer` is full or the file ends. @returns how many bytes there were */
async function fill(file: OpenFile, buffer: Uint8Array, from: number): Promise<number> {
  let length = 0
  while (length < buffer.length) {
    const rest = buffer.subarray(length)
    const bytes = await file.readInto(rest, from + length, rest.length)
    if (bytes === 0) break
    length += bytes
  }
  return length
}
