import { setMaxListeners } from 'node:events'
import { AppError } from '../model/error.ts'
import type { Change } from './store.ts'

export type Write = Exclude<Change, { type: 'synced' }>

/** What an engine tells its watchers: how far its history reaches, and a page of it. */
export type History = {
  /** version of the newest committed write */
  newest(): number
  /** the version after which every change is still there */
  floor(): number
  /** some of the changes after `since`, oldest first; empty when there is none */
  page(since: number): Write[]
}

export type Feed = {
  /** Hands committed changes to every live reader. The changes are shared: they must be frozen. */
  publish(changes: readonly Write[]): void
  watch(since: number, signal: AbortSignal): AsyncIterable<Change>
  /** Ends every watch. */
  close(): void
}

/** One live reader: what it has not taken yet. */
type Reader = { cursor: number; waiting: Write[]; expired: boolean; wake: () => void }

/**
 * History, seam and live changes of one store as an iterator per reader. A reader that is further behind than the
 * history reaches is cut off, so that the history's bounds are also those of its buffer.
 */
export function createFeed(history: History): Feed {
  const readers = new Set<Reader>()
  let closed = false

  function publish(changes: readonly Write[]) {
    for (const reader of readers) {
      if (reader.cursor < history.floor()) {
        reader.expired = true
        reader.waiting = []
        readers.delete(reader)
      } else {
        for (const change of changes) reader.waiting.push(change)
      }
      reader.wake()
    }
  }

  async function* watch(since: number, signal: AbortSignal): AsyncGenerator<Change> {
    setMaxListeners(0, signal)
    const ended = () => closed || signal.aborted
    if (!(since >= 0 && since <= history.newest())) throw tooFar(since, history.newest())
    const cursor = yield* readHistory(history, since, ended)
    if (ended()) return
    // Nothing is awaited between the empty last page and this line: no change falls into the seam.
    const reader: Reader = { cursor, waiting: [], expired: false, wake: () => {} }
    readers.add(reader)
    const wake = () => reader.wake()
    signal.addEventListener('abort', wake)
    try {
      yield* readLive(reader, ended)
    } finally {
      signal.removeEventListener('abort', wake)
      readers.delete(reader)
    }
  }

  function close() {
    closed = true
    for (const reader of readers) reader.wake()
  }

  return { publish, watch, close }
}

/** @returns the version up to which the caller has been told everything */
async function* readHistory(
  history: History,
  since: number,
  ended: () => boolean,
): AsyncGenerator<Change, number> {
  const head = history.newest()
  let cursor = since
  let announced = false
  while (!ended()) {
    if (cursor < history.floor()) throw tooOld(cursor)
    if (!announced && cursor >= head) {
      announced = true
      yield { type: 'synced', version: cursor }
      continue
    }
    const page = history.page(cursor)
    if (page.length === 0) break
    for (const change of page) {
      if (ended()) return cursor
      yield change
      cursor = change.version
    }
  }
  return cursor
}

async function* readLive(reader: Reader, ended: () => boolean): AsyncGenerator<Change> {
  while (!ended()) {
    if (reader.expired) throw tooOld(reader.cursor)
    if (reader.waiting.length === 0) {
      await new Promise<void>((resolve) => {
        reader.wake = resolve
      })
      continue
    }
    const batch = reader.waiting
    reader.waiting = []
    for (const change of batch) {
      if (ended() || reader.expired) break
      yield change
      reader.cursor = change.version
    }
  }
}

function tooOld(since: number): AppError {
  return new AppError('Expired', `too old resource version: ${since}: list again`)
}

function tooFar(since: number, newest: number): AppError {
  return new AppError('Expired', `resource version ${since} is unknown, the newest is ${newest}: list again`)
}
