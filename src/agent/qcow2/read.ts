import { inflateRawSync } from 'node:zlib'
import { messageOf } from '../../model/error.ts'
import type { ReadRange } from '../image/size.ts'
import type { Bytes } from '../image/stream.ts'
import type { Placed } from '../image/writer.ts'
import { gapsBetween, headerBytes, parseHeader, readL1, readL2 } from './header.ts'
import type { Cluster, Qcow2Header } from './header.ts'

export type Qcow2Map = {
  header: Qcow2Header
  /** by their place in the file */
  clusters: Cluster[]
  gaps: [number, number][]
}

const tablesAtOnce = 8

/**
 * Reads the tables of a qcow2 file, which may be anywhere in it.
 * @param read bytes of the file; `undefined` when they are not served
 * @throws Error when the image cannot be read here, or the server does not serve parts of it
 */
export async function readMap(head: Uint8Array, read: ReadRange): Promise<Qcow2Map> {
  const header = parseHeader(Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, headerBytes)))
  const part = async (from: number, length: number) => {
    const bytes = await read(from, length)
    if (bytes) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    throw new Error(
      `the server does not serve bytes ${from} to ${from + length} of the qcow2 image, whose tables are there: ` +
        'a server of ranges, or a raw image (also packed), expected',
    )
  }
  const tables = header.l1Entries ? readL1(await part(header.l1Offset, header.l1Entries * 8)) : []
  const clusters: Cluster[] = []
  for (let at = 0; at < tables.length; at += tablesAtOnce) {
    const some = tables.slice(at, at + tablesAtOnce)
    const found = await Promise.all(
      some.map(async (offset) => offset && part(offset, 2 ** header.clusterBits)),
    )
    found.forEach((table, i) => {
      if (table) for (const cluster of readL2(table, at + i, header)) clusters.push(cluster)
    })
  }
  const gaps = gapsBetween(clusters, header)
  return { header, clusters: clusters.sort((a, b) => a.host - b.host), gaps }
}

/**
 * The clusters of the disk, in the order in which the file holds them, while it comes in. All of the file is read.
 * @throws Error when the file ends before its last cluster, or one cannot be unpacked
 */
export async function* placed(file: Bytes, { header, clusters }: Qcow2Map): AsyncIterable<Placed> {
  const size = 2 ** header.clusterBits
  const window = new Window(file)
  try {
    for (const { guest, host, length, packed } of clusters) {
      const bytes = await window.read(host, length, packed)
      const unpacked = packed ? inflated(bytes, size, guest) : bytes
      yield { at: guest, bytes: unpacked.subarray(0, Math.min(size, header.bytes - guest)) }
    }
    await window.drain()
  } finally {
    await window.close()
  }
}

function inflated(bytes: Buffer, size: number, guest: number): Buffer {
  try {
    const unpacked = inflateRawSync(bytes, { maxOutputLength: size })
    if (unpacked.length === size) return unpacked
    throw new Error(`${unpacked.length} bytes instead of ${size}`)
  } catch (cause) {
    throw new Error(`the qcow2 image is damaged: what belongs to byte ${guest}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

/** A stream that is read at growing places. */
class Window {
  readonly #source: AsyncIterator<Uint8Array>
  #held: Buffer = Buffer.alloc(0)
  #from = 0

  constructor(file: Bytes) {
    this.#source = file[Symbol.asyncIterator]()
  }

  /** @param short whether the file may end before `length` bytes have come */
  async read(from: number, length: number, short: boolean): Promise<Buffer> {
    if (from < this.#from) throw new Error('the qcow2 image is damaged: it uses a cluster twice')
    while (this.#from + this.#held.length < from + length && (await this.#more(from)));
    this.#drop(from)
    const found = this.#held.subarray(0, length)
    if (found.length < length && (!short || !found.length)) throw new Error('the qcow2 image is cut off')
    return found
  }

  async drain(): Promise<void> {
    while (await this.#more(Infinity));
  }

  async close(): Promise<void> {
    await this.#source.return?.()
  }

  #drop(before: number): void {
    const count = Math.min(before - this.#from, this.#held.length)
    if (count <= 0) return
    this.#held = this.#held.subarray(count)
    this.#from += count
  }

  async #more(needed: number): Promise<boolean> {
    const next = await this.#source.next()
    if (next.done) return false
    this.#drop(needed)
    const bytes = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength)
    this.#held = this.#held.length ? Buffer.concat([this.#held, bytes]) : bytes
    return true
  }
}
