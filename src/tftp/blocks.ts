import { spreadDataPackets } from './packet.ts'
import { Shelf } from './shelf.ts'
import type { Piece, Pieces } from './shelf.ts'

/** An opened file: `read` gives `length` octets from `offset`, fewer only at the end of the file. */
export type TftpFile = {
  size: number
  /** another one whenever the file is another one or was written to; what is read of files without it is not shared */
  version?: string
  read(offset: number, length: number): Promise<Uint8Array>
  /** fills `buffer` from its start with at most `length` octets, 0 at the end of the file; saves the copy of `read` */
  readInto?(buffer: Uint8Array, offset: number, length: number): Promise<number>
  close(): void | Promise<void>
}

/**
 * The DATA packets of a file for one client, read ahead in pieces, which are shared by all who read the same file in
 * blocks of the same size. A piece is never smaller than a window, so that a window lies in two at most. Blocks are
 * counted from 1.
 */
export class PacketReader {
  /** octets of every packet but the last one of the file */
  readonly packetSize: number
  readonly #file: TftpFile
  readonly #shelf: Shelf
  readonly #pieces: Pieces
  readonly #blockSize: number
  readonly #blocks: number
  /** blocks of a piece */
  readonly #stride: number
  /** of the window that was asked for last, its neighbours included */
  readonly #held = new Map<number, Piece>()
  #current: Piece | undefined

  constructor(
    file: TftpFile,
    { blockSize, windowSize }: { blockSize: number; windowSize: number },
    shelf: Shelf = new Shelf(),
  ) {
    this.packetSize = blockSize + 4
    this.#file = file
    this.#shelf = shelf
    this.#blockSize = blockSize
    this.#blocks = Math.floor(file.size / blockSize) + 1
    this.#stride = Math.max(Math.ceil(shelf.pieceSize / blockSize), windowSize)
    this.#pieces = shelf.open(file.version && `${file.version}/${blockSize}/${this.#stride}`)
  }

  /**
   * The packets of blocks `from` to `to`, one behind the other, up to the end of a piece at most.
   * @returns `undefined` when they are not in memory
   */
  packets(from: number, to: number): Uint8Array | undefined {
    const index = Math.floor((from - 1) / this.#stride)
    const { packets } = this.#current?.index === index ? this.#current : this.#turnTo(index)
    const first = index * this.#stride + 1
    return packets?.subarray((from - first) * this.packetSize, (to - first + 1) * this.packetSize)
  }

  /** Whether `packets` has the blocks `from` to `to`, which are at most a window. */
  isRead(from: number, to: number): boolean {
    return this.#packetsOf(to) !== undefined && this.#packetsOf(from) !== undefined
  }

  /** @throws what reading throws; Error when the file has become shorter than it was */
  async load(from: number, to: number): Promise<void> {
    await Promise.all([from, to].map((block) => this.#pieceOf(block).reading))
  }

  close(): void {
    for (const index of this.#held.keys()) this.#release(index)
    this.#current = undefined
    this.#shelf.close(this.#pieces)
  }

  #packetsOf(block: number): Uint8Array | undefined {
    const index = Math.floor((block - 1) / this.#stride)
    return (this.#current?.index === index ? this.#current : this.#pieceOf(block)).packets
  }

  #pieceOf(block: number): Piece {
    return this.#hold(Math.floor((block - 1) / this.#stride))
  }

  #turnTo(index: number): Piece {
    const piece = this.#hold(index)
    if (!piece.packets) return piece
    this.#current = piece
    for (const held of this.#held.keys()) if (held < index - 1) this.#release(held)
    if ((index + 1) * this.#stride < this.#blocks) this.#hold(index + 1)
    return piece
  }

  #hold(index: number): Piece {
    const held = this.#held.get(index)
    if (held) return held
    const first = index * this.#stride + 1
    const count = Math.min(this.#stride, this.#blocks - first + 1)
    const offset = (first - 1) * this.#blockSize
    const length = Math.min(this.#stride * this.#blockSize, this.#file.size - offset)
    const piece = this.#shelf.hold(this.#pieces, index, 4 * count + length, async (packets) => {
      const read = await readWhole(this.#file, packets.subarray(4 * count), offset)
      if (read < length) throw new Error(`the file ended at octet ${offset + read} of ${this.#file.size}`)
      spreadDataPackets(packets, first, count, this.#blockSize)
    })
    this.#held.set(index, piece)
    piece.reading.catch(() => this.#held.get(index) === piece && this.#release(index))
    return piece
  }

  #release(index: number): void {
    const piece = this.#held.get(index)
    if (piece && this.#held.delete(index)) this.#shelf.release(piece)
  }
}

/** Reads until `buffer` is full or the file ends. @returns how many octets there were */
async function readWhole(file: TftpFile, buffer: Uint8Array, offset: number): Promise<number> {
  if (!file.readInto) {
    const bytes = buffer.length > 0 ? await file.read(offset, buffer.length) : buffer
    buffer.set(bytes)
    return bytes.length
  }
  let length = 0
  while (length < buffer.length) {
    const rest = buffer.subarray(length)
    const octets = await file.readInto(rest, offset + length, rest.length)
    if (octets === 0) break
    length += octets
  }
  return length
}
