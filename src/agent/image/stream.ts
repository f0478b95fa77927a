import { headBytes } from './format.ts'

export type Bytes = AsyncIterable<Uint8Array>

/** The first bytes of a stream, `length` of them if there are so many, and the stream with them. */
export async function peek(chunks: Bytes, length = headBytes): Promise<{ head: Uint8Array; all: Bytes }> {
  const reading = chunks[Symbol.asyncIterator]()
  const begun: Uint8Array[] = []
  let held = 0
  while (held < length) {
    const next = await reading.next()
    if (next.done) break
    begun.push(next.value)
    held += next.value.length
  }
  async function* all(): Bytes {
    try {
      yield* begun
      for (let next = await reading.next(); !next.done; next = await reading.next()) yield next.value
    } finally {
      await reading.return?.()
    }
  }
  return { head: Buffer.concat(begun).subarray(0, length), all: all() }
}

/** The same chunks, each shown to `see` before it goes on. */
export async function* tap<T extends Uint8Array>(
  chunks: AsyncIterable<T>,
  see: (chunk: T) => void,
): AsyncIterable<T> {
  for await (const chunk of chunks) {
    see(chunk)
    yield chunk
  }
}

/** The same chunks; throws the signal's reason in their midst. */
export async function* abortable(chunks: Bytes, signal: AbortSignal): Bytes {
  for await (const chunk of chunks) {
    signal.throwIfAborted()
    yield chunk
  }
  signal.throwIfAborted()
}
