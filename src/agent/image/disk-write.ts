import type { FileHandle } from 'node:fs/promises'
import { messageOf } from '../../model/error.ts'
import type { Device } from './device.ts'

/** Bytes that are written at once. */
export const block = 1 << 20
export const page = 4096

export const wholePages = (length: number) => length - (length % page)

export async function writePart(
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

export async function writeAll(
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

export async function onDisk<T>(device: Device, what: string, write: Promise<T>): Promise<T> {
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
export async function newBlock(device: Device, file: FileHandle, direct: boolean): Promise<Buffer> {
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
