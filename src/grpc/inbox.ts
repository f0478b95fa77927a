import type { ServerDuplexStream } from '@grpc/grpc-js'

/** Messages that are read ahead of their turn. */
const readAhead = 32

/** A stream's messages, one after the other; `undefined` when there are no more. */
export type Inbox<T> = { next(): Promise<T | undefined>; close(): void }

/**
 * Reads a call at the speed at which its messages are taken. Unlike the stream's own iterator, leaving it early does
 * not destroy the call, which still has a status to send.
 */
export function createInbox<T>(call: ServerDuplexStream<T, unknown>): Inbox<T> {
  const waiting: T[] = []
  let isOver = false
  let wake = () => {}
  const over = () => {
    isOver = true
    wake()
  }
  call.on('data', (message: T) => {
    if (isOver) return
    waiting.push(message)
    if (waiting.length >= readAhead) call.pause()
    wake()
  })
  call.on('end', over)
  call.on('error', over)
  call.on('close', over)
  call.on('cancelled', over)
  return {
    next: async () => {
      while (waiting.length === 0 && !isOver) await new Promise<void>((resolve) => (wake = resolve))
      const message = waiting.shift()
      if (waiting.length < readAhead / 2 && call.isPaused()) call.resume()
      return message
    },
    close: () => {
      waiting.length = 0
      over()
      call.resume()
    },
  }
}
