/** what comes below is left to the garbage collector, octets */
const least = 16 * 1024
const mostFree = 8 * 1024 * 1024

/**
 * Large buffers that are used again and again: each new one makes V8 look through its whole heap sooner, which costs
 * more than what the buffer is for.
 */
export class BufferPool {
  #free: Buffer[] = []
  #octets = 0

  /** A buffer of at least `size` octets, with anything in it. */
  take(size: number): Buffer {
    const at = this.#free.findIndex(({ length }) => length >= size && length <= 2 * size)
    const [buffer] = at < 0 ? [] : this.#free.splice(at, 1)
    if (!buffer) return Buffer.allocUnsafeSlow(size)
    this.#octets -= buffer.length
    return buffer
  }

  giveBack(buffer: Buffer): void {
    if (buffer.length < least || this.#octets + buffer.length > mostFree) return
    this.#free.push(buffer)
    this.#octets += buffer.length
  }
}
