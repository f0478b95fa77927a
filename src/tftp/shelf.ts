import { BufferPool } from './buffers.ts'

/**
 * Consecutive packets of a file, one behind the other; `packets` is absent while they are read. `holders` are the
 * transfers that use them.
 */
export type Piece = {
  readonly index: number
  readonly owner: Pieces
  readonly buffer: Buffer
  packets: Uint8Array | undefined
  reading: Promise<unknown>
  holders: number
}

/** The pieces of one state of a file that are in memory, for all who read it the same way. */
export type Pieces = { name: string | undefined; users: number; byIndex: Map<number, Piece> }

/** octets that are kept for whoever may read them next; what a transfer uses now comes on top */
const mostOctets = 32 * 1024 * 1024
/** octets read at once, for the first transfers and for more of them: each has up to three pieces */
const pieceSizes = { few: 256 * 1024, many: 64 * 1024 }
const few = 64

/** What has been read of files, so that many machines that boot at once read the same file once. */
export class Shelf {
  readonly #most: number
  readonly #named = new Map<string, Pieces>()
  /** every piece that is kept, the one that was wanted last at the end */
  readonly #kept = new Set<Piece>()
  readonly #buffers = new BufferPool()
  #octets = 0
  #users = 0

  constructor(most: number = mostOctets) {
    this.#most = most
  }

  /** octets that whoever opens a file now shall read at once */
  get pieceSize(): number {
    return this.#users < few ? pieceSizes.few : pieceSizes.many
  }

  /** @param name the same for what is the same file, read in the same pieces; `undefined` = shared with nobody */
  open(name: string | undefined): Pieces {
    const known = name === undefined ? undefined : this.#named.get(name)
    const pieces: Pieces = known ?? { name, users: 0, byIndex: new Map() }
    pieces.users += 1
    this.#users += 1
    if (name !== undefined) this.#named.set(name, pieces)
    return pieces
  }

  /** What nobody reads any more is forgotten: a file may change without a trace in the same clock tick. */
  close(pieces: Pieces): void {
    pieces.users -= 1
    this.#users -= 1
    if (pieces.users > 0) return
    if (pieces.name !== undefined) this.#named.delete(pieces.name)
    for (const piece of pieces.byIndex.values()) this.#drop(piece)
  }

  /**
   * The piece with this index, held until it is released.
   * @param size octets of its packets
   * @param read called when it is not in memory, nor on its way: makes the packets in a buffer
   */
  hold(owner: Pieces, index: number, size: number, read: (packets: Buffer) => Promise<void>): Piece {
    const piece = owner.byIndex.get(index) ?? this.#begin(owner, index, size, read)
    piece.holders += 1
    if (this.#kept.delete(piece)) this.#kept.add(piece)
    return piece
  }

  release(piece: Piece): void {
    piece.holders -= 1
    this.#giveBack(piece)
  }

  #begin(owner: Pieces, index: number, size: number, read: (packets: Buffer) => Promise<void>): Piece {
    const buffer = this.#buffers.take(size)
    const packets = buffer.subarray(0, size)
    const reading = read(packets)
    const piece: Piece = { index, owner, buffer, packets: undefined, reading, holders: 0 }
    owner.byIndex.set(index, piece)
    reading.then(
      () => this.#keep(piece, packets),
      () => this.#drop(piece),
    )
    return piece
  }

  #keep(piece: Piece, packets: Uint8Array): void {
    piece.packets = packets
    if (piece.owner.byIndex.get(piece.index) !== piece) return this.#giveBack(piece)
    this.#kept.add(piece)
    this.#octets += packets.length
    for (const oldest of this.#kept) {
      if (this.#octets <= this.#most) return
      this.#drop(oldest)
    }
  }

  #drop(piece: Piece): void {
    const { byIndex } = piece.owner
    if (byIndex.get(piece.index) === piece) byIndex.delete(piece.index)
    if (this.#kept.delete(piece)) this.#octets -= piece.packets!.length
    this.#giveBack(piece)
  }

  /** A buffer is used again once nobody reads from it, and the system no longer writes to it. */
  #giveBack(piece: Piece): void {
    if (piece.holders > 0 || !piece.packets || this.#kept.has(piece)) return
    piece.packets = undefined
    this.#buffers.giveBack(piece.buffer)
  }
}
