import type { FileHandle } from 'node:fs/promises'
import { messageOf } from '../../model/error.ts'
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
 * @throws Error when the stream is longer than the device, or the device takes no more bytes, naming the place
 */
export async function writeImage(
  device: Device,
  bytes: AsyncIterable<Uint8Array>,
  approve: () => void,
): Promise<number> {
  const { file, direct } = await device.openDirect()
  try {
    const sync = () => onDisk(device, 'what was written', file.sync())
    const parts: Part[] = []
    for (let count = 0; count < blocksInFlight; count++) {
      parts.push({ buffer: await newBlock(device, file, direct), busy: Promise.resolve() })
    }
    const first = await newBlock(device, file, direct)
    first.fill(0)
    await writeAll(device, file, first, 0, Math.min(block, wholePages(device.bytes)))
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
    await sync()
    approve()
    if (total) await writePart(device, file, first, 0, Math.min(total, block))
    await sync()
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
  await writeAll(device, file, buffer, at, whole)
  if (whole === length) return
  const buffered = await device.openBuffered()
  try {
    await writeAll(device, buffered, buffer.subarray(whole), at + whole, length - whole)
    await onDisk(device, 'what was written', buffered.sync())
  } finally {
    await buffered.close()
  }
}

async function writeAll(
  device: Device,
  file: FileHandle,
  buffer: Buffer,
  at: number,
  length: number,
): Promise<void> {
  for (let done = 0; done < length;) {
    const write = file.write(buffer, done, length - done, at + done)
    const { bytesWritten } = await onDisk(device, `byte ${at + done}`, write)
    if (!bytesWritten) throw new Error(`${device.path} took no bytes at ${at + done}`)
    done += bytesWritten
  }
}

const meanings: Readonly<Record<string, string>> = {
  EIO: 'input/output error: the disk, its cable or its controller is damaged',
  ENOSPC: 'no space left: what stores this disk is full',
  EROFS: 'the disk has become read-only',
  ENODEV: 'the disk is gone',
  ENXIO: 'the disk is gone',
}

async function onDisk<T>(device: Device, what: string, write: Promise<T>): Promise<T> {
  try {
    return await write
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    throw new Error(`${device.path} did not take ${what}: ${meanings[code] ?? messageOf(error)} (${code})`, {
      cause: error,
    })
  }
}

/**
 * Memory for one block. Direct I/O needs it on a page border, and Node tells no addresses: large buffers mostly begin 16
 * bytes after one, so the offset is found by reading the device's first page to each candidate.
 */
async function newBlock(device: Device, file: FileHandle, direct: boolean): Promise<Buffer> {
  const memory = Buffer.allocUnsafeSlow(block + page)
  if (!direct) return memory.subarray(0, block)
  for (let offset = page - 16; offset >= 0; offset -= 16) {
    const works = await file.read(memory, offset, page, 0).then(
      () => true,
      (error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === 'EINVAL') return false
        throw new Error(`${device.path} cannot be read: ${messageOf(error)}`, { cause: error })
      },
    )
    if (works) return memory.subarray(offset, offset + block)
  }
  throw new Error('direct I/O: no aligned memory found')
}
