import type { FileHandle } from 'node:fs/promises'
import type { Device } from './device.ts'

const block = 1 << 20
const page = 4096
const blocksInFlight = 4

/** Direct writes go whole pages; the rest of the stream after the last whole page goes through the page cache. */
type Part = { buffer: Buffer; busy: Promise<void> }

/**
 * Writes a stream to a device from its first byte on, in aligned blocks of 1 MiB. The first block is zero until all
 * the others are on the disk and `approve` has returned: a machine never boots from half an image or a wrong one.
 * @param approve called once everything but the first block is durable; throws when the image must not become valid
 * @returns bytes written
 * @throws Error when the stream is longer than the device
 */
export async function writeImage(
  device: Device,
  bytes: AsyncIterable<Uint8Array>,
  approve: () => void,
): Promise<number> {
  const { file, direct } = await device.openDirect()
  try {
    const parts: Part[] = []
    for (let count = 0; count < blocksInFlight; count++) {
      parts.push({ buffer: await newBlock(file, direct), busy: Promise.resolve() })
    }
    const first = await newBlock(file, direct)
    first.fill(0)
    await writeAll(file, first, 0, Math.min(block, wholePages(device.bytes)))
    let total = 0
    let filled = 0
    let turn = 0
    const flush = async () => {
      const part = parts[turn]!
      const at = total - filled
      if (at === 0) part.buffer.copy(first, 0, 0, filled)
      else part.busy = quietly(writePart(device, file, part.buffer, at, filled))
      filled = 0
      turn = (turn + 1) % parts.length
      await parts[turn]!.busy
    }
    for await (const chunk of bytes) {
      if (total + chunk.length > device.bytes) throw tooLarge(device)
      for (let from = 0; from < chunk.length;) {
        const part = parts[turn]!
        const count = Math.min(block - filled, chunk.length - from)
        part.buffer.set(chunk.subarray(from, from + count), filled)
        from += count
        filled += count
        total += count
        if (filled === block) await flush()
      }
    }
    if (filled) await flush()
    await Promise.all(parts.map((part) => part.busy))
    await file.sync()
    approve()
    if (total) await writePart(device, file, first, 0, Math.min(total, block))
    await file.sync()
    return total
  } finally {
    await file.close()
  }
}

export function tooLarge(device: Device, needs?: number): Error {
  const size = needs === undefined ? 'more' : `${needs} bytes`
  return new Error(
    `the image does not fit: ${device.path} holds ${device.bytes} bytes, the image has ${size}`,
  )
}

/** A rejected write is seen when it is awaited, not as an unhandled rejection before that. */
function quietly(write: Promise<void>): Promise<void> {
  write.catch(() => undefined)
  return write
}

const wholePages = (length: number) => length - (length % page)

async function writePart(
  device: Device,
  file: FileHandle,
  buffer: Buffer,
  at: number,
  length: number,
): Promise<void> {
  const whole = wholePages(length)
  await writeAll(file, buffer, at, whole)
  if (whole === length) return
  const buffered = await device.openBuffered()
  try {
    await writeAll(buffered, buffer.subarray(whole), at + whole, length - whole)
    await buffered.sync()
  } finally {
    await buffered.close()
  }
}

async function writeAll(file: FileHandle, buffer: Buffer, at: number, length: number): Promise<void> {
  for (let done = 0; done < length;) {
    const { bytesWritten } = await file.write(buffer, done, length - done, at + done)
    if (!bytesWritten) throw new Error(`the device took no bytes at ${at + done}`)
    done += bytesWritten
  }
}

/**
 * Memory for one block. Direct I/O needs it on a page border, and Node tells no addresses: large buffers mostly begin 16
 * bytes after one, so the offset is found by reading the device's first page to each candidate.
 */
async function newBlock(file: FileHandle, direct: boolean): Promise<Buffer> {
  const memory = Buffer.allocUnsafeSlow(block + page)
  if (!direct) return memory.subarray(0, block)
  for (let offset = page - 16; offset >= 0; offset -= 16) {
    const works = await file.read(memory, offset, page, 0).then(
      () => true,
      () => false,
    )
    if (works) return memory.subarray(offset, offset + block)
  }
  throw new Error('direct I/O: no aligned memory found')
}
