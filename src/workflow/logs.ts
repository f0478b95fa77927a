import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import type { SideStore } from '../store/side.ts'

/** Lines that are kept of one action: the newest ones. */
export const linesKept = 2000
/** Longest line, in bytes of UTF-8. */
export const lineBytes = 4096

/** One line of an action's log: `line` counts from 0, `at` is when the server got it, epoch ms. */
export type LogLine = { line: number } & Said

/** `source` is missing when the agent sent it. */
type Said = { at: number; text: string; source?: LogSource }

/** Where lines come from that the agent did not send: the machine's syslog, which anyone in its network can forge. */
export type LogSource = 'syslog'

/**
 * `next`: where a later `read` goes on. `dropped`: lines from `since` on that are not kept any more; if there are any, the
 * first of `lines` says so.
 */
export type LogRead = { lines: LogLine[]; next: number; dropped: number }

export type LogListener = (uid: string, actionId: string, lines: readonly LogLine[]) => void

/**
 * What actions print, in the side table `actionLog`: `<workflow uid>/<action id>/<first line>` holds a batch of lines,
 * `!<workflow uid>` says that there are some.
 */
export type ActionLogs = {
  /** Takes lines in order. Never throws, never waits; they are written in batches, those that could not be with the next. */
  append(uid: string, actionId: string, lines: readonly string[], source?: LogSource): void
  /** @param since number of the first line wanted */
  read(uid: string, actionId: string, since?: number): Promise<LogRead>
  /** hears of lines once they are on disk; the result ends that */
  subscribe(listener: LogListener): () => void
  forget(uid: string): Promise<void>
  /** forgets the Workflows that `isKnown` does not know */
  sweep(isKnown: (uid: string) => boolean): Promise<void>
  /** resolves when everything taken so far is on disk */
  flush(): Promise<void>
}

type Deps = { side: SideStore; clock: Clock; log: Pick<Logger, 'warn'>; batchMs?: number }

type Batch = { from: number; lines: Said[] }
type Book = {
  uid: string
  actionId: string
  /** batches on disk, oldest first; `undefined` before the disk was asked */
  written: { from: number; count: number }[] | undefined
  waiting: Said[]
  /** lines that were pushed out of `waiting` */
  skipped: number
  writing: Promise<void>
}

const table = 'actionLog'
/** Actions whose line numbers are kept in memory. */
const booksKept = 1000

export function createLogs({ side, clock, log, batchMs = 250 }: Deps): ActionLogs {
  const books = new Map<string, Book>()
  const listeners = new Set<LogListener>()
  const marked = new Set<string>()
  let timer: Promise<void> | undefined

  const bookOf = (uid: string, actionId: string): Book => {
    const key = `${uid}/${actionId}`
    const known = books.get(key)
    if (known) return known
    const fresh: Book = {
      uid,
      actionId,
      written: undefined,
      waiting: [],
      skipped: 0,
      writing: Promise.resolve(),
    }
    books.set(key, fresh)
    return fresh
  }

  const write = async (book: Book) => {
    if (book.waiting.length === 0) return
    const written = (book.written ??= await writtenOf(side, book))
    const lines = book.waiting.splice(0)
    const { skipped } = book
    const last = written.at(-1)
    const from = (last ? last.from + last.count : 0) + skipped
    book.skipped = 0
    const batch: Batch = { from, lines }
    try {
      if (!marked.has(book.uid)) await side.put(table, `!${book.uid}`, true)
      marked.add(book.uid)
      await side.put(table, keyOf(book, from), batch)
    } catch (error) {
      book.skipped += skipped
      book.waiting.unshift(...lines)
      trim(book)
      throw error
    }
    written.push({ from, count: lines.length })
    await dropOld(side, book, written)
    const numbered = numberedLines(batch)
    for (const listener of listeners) listener(book.uid, book.actionId, numbered)
  }

  const writeSafely = (book: Book): Promise<void> => {
    book.writing = book.writing
      .then(() => write(book))
      .catch((error: unknown) =>
        log.warn({ action: book.actionId, why: messageOf(error) }, 'action log not written'),
      )
    return book.writing
  }

  const flush = async () => {
    await Promise.all([...books.values()].map(writeSafely))
    for (const [key, book] of books) {
      if (books.size <= booksKept) break
      if (book.waiting.length === 0) books.delete(key)
    }
  }

  const schedule = () => {
    timer ??= clock.sleep(batchMs).then(() => {
      timer = undefined
      return flush()
    })
  }

  const forget = async (uid: string) => {
    for (const [key, book] of books) if (book.uid === uid) books.delete(key)
    marked.delete(uid)
    await side.deleteRange(table, `${uid}/`, `${uid}0`)
    await side.delete(table, `!${uid}`)
  }

  return {
    append: (uid, actionId, lines, source) => {
      const book = bookOf(uid, actionId)
      const said = { at: clock.now(), ...(source && { source }) }
      for (const text of lines.slice(-linesKept)) book.waiting.push({ ...said, text: cleanLine(text) })
      book.skipped += Math.max(0, lines.length - linesKept)
      trim(book)
      schedule()
    },
    read: async (uid, actionId, since = 0) => {
      const book = books.get(`${uid}/${actionId}`)
      if (book) await writeSafely(book)
      const rows = await side.list(table, `${uid}/${actionId}/`)
      const all = rows.flatMap(({ value }) => numberedLines(value as Batch)).slice(-linesKept)
      const first = all[0]?.line ?? 0
      const next = Math.max(since, (all.at(-1)?.line ?? -1) + 1)
      const dropped = Math.max(0, first - since)
      const lines = all.filter(({ line }) => line >= since)
      const text = `(${dropped} earlier lines are not kept)`
      if (dropped > 0) lines.unshift({ line: first - 1, at: all[0]!.at, text })
      return { lines, next, dropped }
    },
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    forget,
    sweep: async (isKnown) => {
      for (const { key } of await side.list(table, '!')) {
        const uid = key.slice(1)
        if (!isKnown(uid)) await forget(uid)
      }
    },
    flush,
  }
}

/** No more waits for the disk than is kept. */
function trim(book: Book): void {
  const over = Math.max(0, book.waiting.length - linesKept)
  book.waiting.splice(0, over)
  book.skipped += over
}

const keyOf = ({ uid, actionId }: Book, from: number) =>
  `${uid}/${actionId}/${String(from).padStart(10, '0')}`

async function writtenOf(
  side: SideStore,
  { uid, actionId }: Book,
): Promise<{ from: number; count: number }[]> {
  const rows = await side.list(table, `${uid}/${actionId}/`)
  return rows.map(({ value }) => ({ from: (value as Batch).from, count: (value as Batch).lines.length }))
}

/** Drops batches of which no line is among the newest `linesKept`. */
async function dropOld(
  side: SideStore,
  book: Book,
  written: { from: number; count: number }[],
): Promise<void> {
  const kept = written.reduce((sum, { count }) => sum + count, 0)
  let [surplus, drop] = [kept - linesKept, 0]
  while (written[drop] && written[drop]!.count <= surplus) surplus -= written[drop++]!.count
  if (drop === 0) return
  await side.deleteRange(table, keyOf(book, 0), keyOf(book, written[drop]!.from))
  written.splice(0, drop)
}

function numberedLines({ from, lines }: Batch): LogLine[] {
  return lines.map((said, index) => ({ line: from + index, ...said }))
}

// Terminal sequences (ECMA-48 CSI and OSC), then what is left of C0, C1, line separators and text direction marks.
// oxlint-disable-next-line no-control-regex
const sequences = /\u001b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g

/** `text` as one printable line of at most `lineBytes`; tabs stay. */
export function cleanLine(text: string): string {
  const clean = text
    .slice(0, 4 * lineBytes)
    .replace(sequences, '')
    .replace(controls, ' ')
    .trimEnd()
  const bytes = Buffer.from(clean)
  if (bytes.length <= lineBytes) return clean
  // A cut through a character leaves a replacement character, which takes the place of up to three bytes.
  return `${bytes
    .subarray(0, lineBytes - 6)
    .toString()
    .replace(/\ufffd$/, '')}…`
}
