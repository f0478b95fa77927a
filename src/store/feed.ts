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
  /** Hands committed changes, `bytes` of JSON, to every live reader. They are shared: they must be frozen. */
  publish(changes: readonly Write[], bytes: number): void
  watch(since: number, signal: AbortSignal): AsyncIterable<Change>
  /** Ends every watch. */
  close(): void
}

/** Changes and characters of JSON that wait for one reader; one that is further behind reads the history again. */
const maxWaiting = 1000
const maxWaitingBytes = 4 * 1024 * 1024

/** One live reader: what it has not taken yet, unless it is to read that from the history. */
type Reader = {
  cursor: number
  waiting: Write[]
  bytes: number
  isBehind: boolean
  expired: boolean
  wake: () => void
}

/**
 * History, seam and live changes of one store as an iterator per reader. A reader that does not keep up reads from the
 * history, page by page, until it does; one that is further behind than the history reaches is cut off. So no reader
 * holds more than a page.
 */
export function createFeed(history: History): Feed {
  const readers = new Set<Reader>()
  let closed = false

  function publish(changes: readonly Write[], bytes: number) {
    for (const reader of readers) {
      if (reader.cursor < history.floor()) {
        reader.expired = true
        reader.waiting = []
        readers.delete(reader)
      } else if (reader.isBehind || isTooMuch(reader, changes.length, bytes)) {
        reader.isBehind = true
        reader.waiting = []
      } else {
        for (const change of changes) reader.waiting.push(change)
        reader.bytes += bytes
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
    const reader = createReader(cursor)
    readers.add(reader)
    const wake = () => reader.wake()
    signal.addEventListener('abort', wake)
    try {
      yield* readLive(history, reader, ended)
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

const createReader = (cursor: number): Reader => ({
  cursor,
  waiting: [],
  bytes: 0,
  isBehind: false,
  expired: false,
  wake: () => {},
})

function isTooMuch({ waiting, bytes }: Reader, changes: number, more: number): boolean {
  return waiting.length + changes > maxWaiting || bytes + more > maxWaitingBytes
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

async function* readLive(history: History, reader: Reader, ended: () => boolean): AsyncGenerator<Change> {
  while (!ended()) {
    if (reader.expired || reader.cursor < history.floor()) throw tooOld(reader.cursor)
    const batch = reader.isBehind ? history.page(reader.cursor) : reader.waiting
    if (batch.length === 0) {
      // Nothing is awaited between the empty page and the wait: no change falls between.
      reader.isBehind = false
      await new Promise<void>((resolve) => {
        reader.wake = resolve
      })
      continue
    }
    if (!reader.isBehind) reader.waiting = []
    reader.bytes = 0
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
