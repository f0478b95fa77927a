import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const mebibyte = 1 << 20

/** How an image is packed, and the file in the folder of images. */
export const files = { raw: 'disk.img', zst: 'disk.img.zst', gz: 'disk.img.gz' } as const
export type Packing = keyof typeof files

export type Image = { size: number; sha256: string }

/** One in four of 2 MiB is text, one is noise, two are zeros: runs too short to have the disk make them. */
const partSize = 2 * mebibyte
const kinds = ['text', 'zeros', 'noise', 'zeros'] as const

/**
 * Writes the same image each time, and packs it as their programs do by default.
 * @param size octets, a multiple of 8 MiB
 */
export async function makeImage(folder: string, size: number): Promise<Image> {
  const path = join(folder, files.raw)
  const hash = createHash('sha256')
  const next = numbers(1)
  const file = await open(path, 'w')
  for (let at = 0; at < size; at += partSize) {
    const part = partOf(kinds[(at / partSize) % kinds.length]!, next)
    hash.update(part)
    await file.write(part)
  }
  await file.close()
  await run('zstd', ['-qf', path, '-o', join(folder, files.zst)])
  await run('pigz', ['-kf', path])
  return { size, sha256: hash.digest('hex') }
}

/** Xorshift: 32 bits at a time, always the same ones. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

function partOf(kind: (typeof kinds)[number], next: () => number): Buffer {
  const part = Buffer.alloc(partSize)
  if (kind === 'zeros') return part
  if (kind === 'noise') {
    for (let at = 0; at < partSize; at += 4) part.writeUInt32LE(next(), at)
    return part
  }
  for (let at = 0; at < partSize;) at += part.write(`${words[next() & 1023]} `, at, 'latin1')
  return part
}

/** 3 to 10 letters each */
const words = Array.from({ length: 1024 }, wordOf(numbers(2)))

function wordOf(next: () => number) {
  return () => {
    const length = 3 + (next() & 7)
    return Array.from({ length }, () => String.fromCharCode(97 + (next() % 26))).join('')
  }
}
