import type { FileHandle } from 'node:fs/promises'
import type { Device } from './device.ts'
import { block, newBlock, onDisk, page, wholePages, writeAll, writePart } from './disk-write.ts'
import { createSweep } from './memory.ts'

const blocksInFlight = 4

type Part = { buffer: Buffer; at: number; filled: number; busy: Promise<void> }

/** Shorter runs of zeros are written like anything else: having the disk make them costs a program. */
const leastZeroRun = 8 << 20

/** Bytes and where they belong; places may come in any order, none of them twice. */
export type Placed = { at: number; bytes: Uint8Array }

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
  return writePlaced(device, oneAfterTheOther(bytes), approve)
}

async function* oneAfterTheOther(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Placed> {
  let at = 0
  for await (const bytes of chunks) {
    yield { at, bytes }
    at += bytes.length
  }
}

/**
 * The same for bytes that come in any order, in pieces that begin at whole pages.
 * @param gaps what is to be zero and does not come: begin and end
 * @returns the end of what was written
 */
export async function writePlaced(
  device: Device,
  pieces: AsyncIterable<Placed>,
  approve: () => void,
  gaps: readonly (readonly [from: number, to: number])[] = [],
): Promise<number> {
  const { file, direct } = await device.openDirect()
  let writer: DiskWriter | undefined
  try {
    writer = await DiskWriter.begin(device, file, direct)
    for (const [from, to] of gaps) await writer.zero(from, to)
    const sweep = createSweep()
    for await (const { at, bytes } of pieces) {
      await writer.write(at, bytes)
      sweep(bytes.length)
    }
    return await writer.finish(approve)
  } finally {
    await writer?.settled()
    await file.close()
  }
}

/** Direct writes go whole pages; the rest of the stream after the last whole page goes through the page cache. */
class DiskWriter {
  readonly #device: Device
  readonly #file: FileHandle
  readonly #parts: Part[]
  readonly #first: Buffer
  /** zeros that direct writes can take */
  readonly #zeros: Buffer
  #turn = 0
  #end = 0
  #zeroRun = { from: 0, to: 0 }
  /** the run of zeros that is being written beside the parts */
  #zeroing: Promise<void> = Promise.resolve()

  private constructor(device: Device, file: FileHandle, parts: Part[], first: Buffer, noughts: Buffer) {
    this.#device = device
    this.#file = file
    this.#parts = parts
    this.#first = first
    this.#zeros = noughts
  }

  static async begin(device: Device, file: FileHandle, direct: boolean): Promise<DiskWriter> {
    const parts: Part[] = []
    for (let count = 0; count < blocksInFlight; count++)
      parts.push({ buffer: await newBlock(device, file, direct), at: 0, filled: 0, busy: Promise.resolve() })
    const first = (await newBlock(device, file, direct)).fill(0)
    await writeAll(device, file, first, 0, Math.min(block, wholePages(device.bytes)))
    const noughts = (await newBlock(device, file, direct)).fill(0)
    return new DiskWriter(device, file, parts, first, noughts)
  }

  async write(at: number, bytes: Uint8Array): Promise<void> {
    if (at + bytes.length > this.#device.bytes) throw tooLarge(this.#device)
    this.#end = Math.max(this.#end, at + bytes.length)
    for (let from = 0; from < bytes.length;) {
      const place = at + from
      const inFirst = Math.min(block - place, bytes.length - from)
      if (inFirst > 0) {
        this.#first.set(bytes.subarray(from, from + inFirst), place)
        from += inFirst
      } else from += await this.#fill(place, bytes.subarray(from))
    }
  }

  /** Has zeros where nothing comes. */
  async zero(from: number, to: number): Promise<void> {
    this.#end = Math.max(this.#end, to)
    if (to > this.#device.bytes) throw tooLarge(this.#device)
    if (to > block) await this.#writeZeros(Math.max(from, block), to)
  }

  async finish(approve: () => void): Promise<number> {
    await this.#flush()
    await this.#endZeroRun()
    await this.#zeroing
    await Promise.all(this.#parts.map((part) => part.busy))
    const sync = () => onDisk(this.#device, 'what was written', this.#file.sync())
    await sync()
    approve()
    if (this.#end) await writePart(this.#device, this.#file, this.#first, 0, Math.min(this.#end, block))
    await sync()
    return this.#end
  }

  /** Resolves when nothing is being written any more: whoever writes next to this disk comes after it. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#zeroing, ...this.#parts.map(({ busy }) => busy)])
  }

  /** @returns how many of the bytes the current part took */
  async #fill(at: number, bytes: Uint8Array): Promise<number> {
    let part = this.#parts[this.#turn]!
    if (part.filled && part.at + part.filled !== at) {
      await this.#flush()
      part = this.#parts[this.#turn]!
    }
    if (!part.filled) part.at = at
    const count = Math.min(block - part.filled, bytes.length)
    part.buffer.set(bytes.subarray(0, count), part.filled)
    part.filled += count
    if (part.filled === block) await this.#flush()
    return count
  }

  async #flush(): Promise<void> {
    const part = this.#parts[this.#turn]!
    const { at, filled } = part
    if (!filled) return
    part.filled = 0
    if (filled === block && this.#device.zero && part.buffer.equals(this.#zeros)) {
      if (this.#zeroRun.to !== at) await this.#endZeroRun()
      if (this.#zeroRun.to !== at) this.#zeroRun.from = at
      this.#zeroRun.to = at + block
      return
    }
    await this.#endZeroRun()
    part.busy = quietly(writePart(this.#device, this.#file, part.buffer, at, filled))
    this.#turn = (this.#turn + 1) % this.#parts.length
    await this.#parts[this.#turn]!.busy
  }

  async #endZeroRun(): Promise<void> {
    const { from, to } = this.#zeroRun
    this.#zeroRun = { from: 0, to: 0 }
    if (to <= from) return
    await this.#zeroing
    this.#zeroing = quietly(this.#writeZeros(from, to))
  }

  async #writeZeros(from: number, to: number): Promise<void> {
    const { zero } = this.#device
    const whole = to - from - ((to - from) % page)
    const byDisk = zero !== undefined && whole >= leastZeroRun && from % page === 0
    if (byDisk) await onDisk(this.#device, `zeros at ${from}`, zero(from, whole))
    for (let at = byDisk ? from + whole : from; at < to; at += block) {
      const length = Math.min(block, to - at)
      await writePart(this.#device, this.#file, this.#zeros, at, length)
    }
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
