import { blockBytes, completeHeader, parseHeader, parseRecords } from './header.ts'
import type { TarHeader } from './header.ts'

type Bytes = AsyncIterable<Uint8Array>

/** A file of an archive. What is not read of its contents is left out when the next one is asked for. */
export type TarEntry = TarHeader & { contents: Bytes }

const longestExtendedHeader = 4 << 20

/**
 * Reads a tar archive (ustar, pax, GNU, and those from before POSIX) while it comes in. The stream is read to its end,
 * also behind the archive.
 * @throws Error when it is cut off or damaged, or holds a sparse file
 */
export async function* readTar(bytes: Bytes): AsyncIterable<TarEntry> {
  const reader = new Reader(bytes)
  try {
    let forAll = new Map<string, Buffer>()
    let forNext = new Map<string, Buffer>()
    for (;;) {
      const block = await reader.block()
      const raw = block && parseHeader(block)
      if (!raw) break
      if ('gxLK'.includes(raw.flag)) {
        const said = await extended(reader, raw.flag, raw.bytes)
        if (raw.flag === 'g') forAll = new Map([...forAll, ...said])
        else forNext = new Map([...forNext, ...said])
        continue
      }
      if (raw.flag === 'V') {
        forNext = new Map()
        continue
      }
      const header = completeHeader(raw, new Map([...forAll, ...forNext]))
      forNext = new Map()
      const body = reader.body(header.bytes)
      yield { ...header, contents: body }
      for await (const unread of body) void unread
      await reader.skip(padding(header.bytes))
    }
    await reader.drain()
  } finally {
    await reader.close()
  }
}

const padding = (length: number) => (blockBytes - (length % blockBytes)) % blockBytes

async function extended(reader: Reader, flag: string, length: number): Promise<Map<string, Buffer>> {
  if (length > longestExtendedHeader) throw new Error(`tar archive: an extended header has ${length} bytes`)
  const bytes = await reader.exactly(length)
  await reader.skip(padding(length))
  if (flag === 'x' || flag === 'g') return parseRecords(bytes)
  const end = bytes.indexOf(0)
  return new Map([[flag === 'L' ? 'path' : 'linkpath', end < 0 ? bytes : bytes.subarray(0, end)]])
}

class Reader {
  readonly #source: AsyncIterator<Uint8Array>
  #held: Buffer = Buffer.alloc(0)

  constructor(bytes: Bytes) {
    this.#source = bytes[Symbol.asyncIterator]()
  }

  /** @returns `undefined` at the end of the stream */
  async block(): Promise<Buffer | undefined> {
    if (!this.#held.length && !(await this.#more())) return undefined
    return this.exactly(blockBytes)
  }

  async exactly(length: number): Promise<Buffer> {
    const parts: Uint8Array[] = []
    for await (const part of this.body(length)) parts.push(part)
    return Buffer.concat(parts, length)
  }

  async *body(length: number): Bytes {
    for (let left = length; left > 0;) {
      if (!this.#held.length && !(await this.#more())) throw new Error('tar archive: it is cut off')
      const part = this.#held.subarray(0, left)
      this.#held = this.#held.subarray(part.length)
      left -= part.length
      yield part
    }
  }

  async skip(length: number): Promise<void> {
    for await (const part of this.body(length)) void part
  }

  async drain(): Promise<void> {
    while (await this.#more());
  }

  async close(): Promise<void> {
    await this.#source.return?.()
  }

  async #more(): Promise<boolean> {
    const next = await this.#source.next()
    if (next.done) return false
    this.#held = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength)
    return this.#held.length > 0 || this.#more()
  }
}
