import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import koffi from 'koffi'
import type { Allowance } from './rate.ts'

/** Sends parts of files without their bytes passing through the process (sendfile(2)). */
export type Pourer = {
  /** @returns a number for the same connection, which stays valid until it is closed; `undefined` when there is none */
  connectionOf(response: ServerResponse): number | undefined
  /**
   * As many bytes as the connection takes now, without waiting for its reader; the disk is waited for beside the event loop.
   * @returns how many; 0 when it took none
   */
  pour(connection: number, file: number, from: number, most: number): Promise<number>
  close(connection: number): void
}

/** at once: each takes a thread of Node's pool */
const mostCalls = 3

export function loadPourer(): Pourer {
  const library = koffi.load(null)
  const dup = library.func('int dup(int)')
  const close = library.func('int close(int)')
  const sendfile = library.func('int64_t sendfile(int, int, void *, size_t)')
  const waiting: (() => void)[] = []
  let running = 0
  const turn = () => {
    running += 1
    if (running <= mostCalls) return undefined
    return new Promise<void>((resolve) => waiting.push(resolve))
  }
  const end = () => {
    running -= 1
    waiting.shift()?.()
  }
  return {
    connectionOf({ socket }) {
      const fd = socket ? numberOf(socket) : -1
      const own: number = fd < 0 ? -1 : dup(fd)
      return own < 0 ? undefined : own
    },
    async pour(connection, file, from, most) {
      const offset = Buffer.alloc(8)
      offset.writeBigInt64LE(BigInt(from))
      await turn()
      try {
        return await new Promise<number>((resolve, reject) =>
          sendfile.async(connection, file, offset, most, (error: unknown, sent: number) =>
            error ? reject(error as Error) : resolve(Math.max(0, sent)),
          ),
        )
      } finally {
        end()
      }
    },
    close: (connection) => void close(connection),
  }
}

/** Node's number of a connection without TLS; -1 when it has none. */
function numberOf(socket: Socket): number {
  if ('encrypted' in socket) return -1
  return (socket as { _handle?: { fd?: number } })._handle?.fd ?? -1
}

/** bytes that Node writes in between: once it has, there is room again */
const steps = 64 * 1024
const mostAtOnce = 2 * 1024 * 1024
/** steps in a row after which the system took nothing: it cannot do it with this file */
const mostInVain = 16

type Source = {
  number: number
  readInto(buffer: Uint8Array, offset: number, length: number): Promise<number>
}

/**
 * Sends `length` bytes of a file from `start` on, by turns through Node, which waits for the reader, and by the system.
 * Ends early when the client is gone, or the system refuses.
 * @param allowance asked before each of them; nothing holds them back when left out
 * @returns how many bytes were taken
 */
export async function pourFile(
  pourer: Pourer,
  { number: file, readInto }: Source,
  response: ServerResponse,
  start: number,
  length: number,
  allowance?: Allowance,
): Promise<number> {
  const buffer = Buffer.allocUnsafeSlow(steps)
  let connection: number | undefined
  let [taken, inVain] = [0, 0]
  try {
    while (taken < length && inVain < mostInVain) {
      const step = Math.min(steps, length - taken)
      const allowed = allowance ? await allowance.take(step) : step
      if (allowed === 0) break
      const bytes = await readInto(buffer, start + taken, allowed)
      allowance?.giveBack(allowed - bytes)
      if (bytes === 0 || !(await isWritten(response, buffer.subarray(0, bytes)))) break
      taken += bytes
      connection ??= pourer.connectionOf(response)
      if (connection === undefined) break
      inVain += 1
      while (taken < length && !response.destroyed) {
        const most = Math.min(mostAtOnce, length - taken)
        const allowed = allowance ? await allowance.take(most) : most
        if (allowed === 0) break
        const sent = await pourer.pour(connection, file, start + taken, allowed)
        allowance?.giveBack(allowed - sent)
        if (sent === 0) break
        inVain = 0
        taken += sent
      }
    }
    return taken
  } finally {
    if (connection !== undefined) pourer.close(connection)
  }
}

/** @returns false when the client went away before the system took all of it */
function isWritten(response: ServerResponse, bytes: Uint8Array): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false)
  return new Promise((resolve) => {
    const gone = () => resolve(false)
    response.once('close', gone)
    response.write(bytes, (error) => {
      response.off('close', gone)
      resolve(!error)
    })
  })
}
