import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import koffi from 'koffi'
import { startThread } from './thread.ts'
import type { Message, Order, Result, Setting } from './pouring.ts'

/** Sends parts of files without their bytes passing through the process, in a thread of its own (sendfile(2)). */
export type Pourer = {
  /**
   * Waits for the reader as long as that takes. Nothing else may be written to the response meanwhile, and what was
   * written before is with the system already.
   * @returns how many bytes the system took: all, unless the client is gone or the system refuses
   */
  pour(response: ServerResponse, file: number, from: number, length: number): Promise<number>
}

/** `fcntl(2)`: another number, closed on exec */
const duplicate = 1030
/** `eventfd(2)`: closed on exec, reads never wait */
const eventFlags = 0x80000 | 0x800
/** the thread makes no objects to speak of */
const resourceLimits = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 }

type Waiting = { connection: number; settle(taken: number): void }

/** The thread starts with the first file; it does not keep the process from ending. */
export function loadPourer(): Pourer {
  const library = koffi.load(null)
  const fcntl = library.func('int fcntl(int, int, int)')
  const write = library.func('int64_t write(int, const void *, size_t)')
  const eventfd = library.func('int eventfd(uint32_t, int)')
  const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])
  const close = library.func('int close(int)')
  const waiting = new Map<number, Waiting>()
  let thread: { tell(message: Message): void } | undefined
  let ids = 0

  function start() {
    const waker: number = eventfd(0, eventFlags)
    const workerData: Setting = { waker }
    const worker = startThread('pouring', { workerData, resourceLimits })
    worker.on('message', ({ id, taken }: Result) => settle(id, taken))
    let isLost = false
    const lost = () => {
      if (isLost) return
      isLost = true
      thread = undefined
      close(waker)
      for (const [id, { connection }] of waiting) {
        close(connection)
        settle(id, 0)
      }
    }
    worker.on('error', lost)
    worker.on('exit', lost)
    worker.unref()
    return {
      tell(message: Message) {
        if (isLost) return
        worker.postMessage(message)
        write(waker, one, one.length)
      },
    }
  }

  function settle(id: number, taken: number) {
    waiting.get(id)?.settle(taken)
    waiting.delete(id)
  }

  return {
    pour(response, file, from, length) {
      const fd = response.socket && !response.destroyed ? numberOf(response.socket) : -1
      // The thread has a number of its own, which stays valid when Node closes the connection.
      const connection: number = fd < 0 ? -1 : fcntl(fd, duplicate, 0)
      if (connection < 0) return Promise.resolve(0)
      thread ??= start()
      const { tell } = thread
      const order: Order = { id: ids++, connection, file, from, length }
      const gone = () => tell({ stop: order.id })
      response.once('close', gone)
      tell(order)
      return new Promise<number>((settle) => waiting.set(order.id, { connection, settle })).finally(() =>
        response.off('close', gone),
      )
    },
  }
}

/** Node's number of a connection without TLS; -1 when it has none. */
function numberOf(socket: Socket): number {
  if ('encrypted' in socket) return -1
  return (socket as { _handle?: { fd?: number } })._handle?.fd ?? -1
}
