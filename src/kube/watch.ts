import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { KindInfo, KindName } from '../model/kinds.ts'
import type { KubeObject } from '../model/object.ts'
import type { Change, Store } from '../store/store.ts'
import { eventLine } from './event-lines.ts'
import { eventOf } from './events.ts'
import type { EventType } from './events.ts'
import { refuseFuture } from './options.ts'
import type { ListOptions } from './options.ts'
import { renderBookmark, renderObject } from './representation.ts'
import type { Representation } from './representation.ts'
import { statusOf } from './status.ts'
import { LineStream } from './lines.ts'

export type WatchDeps = {
  store: Store
  now(): number
  /** ms between bookmarks */
  bookmarkMs: number
  /** a client that takes nothing for this long is cut off, ms */
  stalledMs?: number
  /** aborts when the server shuts down */
  shutdown: AbortSignal
}

export type WatchRequest = {
  info: KindInfo
  namespace: string | undefined
  options: ListOptions
  shape: Representation
  /** leaves out what the caller may not see */
  conceal?: ((object: object) => object) | undefined
}

/** What a watch begins with: objects that exist, and the version from which changes follow. */
type Start = { items: readonly KubeObject[]; version: number; initialEnd: boolean }

/** A watch ends by itself after 30 to 60 minutes, spread so that clients do not all come back at once. */
const defaultTimeoutMs = () => 1_800_000 * (1 + Math.random())

/**
 * Answers one watch: JSON lines until the time asked for is over, the client leaves, or the server shuts down.
 * Failures before the first byte are thrown; later ones become an ERROR event.
 * @param open takes over the response; called once nothing can be refused any more
 */
export async function serveWatch(
  deps: WatchDeps,
  request: WatchRequest,
  open: () => ServerResponse | Http2ServerResponse,
): Promise<void> {
  const start = await startOf(deps.store, request)
  const stop = new AbortController()
  const changes = deps.store.watch(start.version, stop.signal)[Symbol.asyncIterator]()
  try {
    const first = changes.next()
    first.catch(() => {})
    await refusedAtOnce(first)
    const { timeoutSeconds } = request.options
    const lines = new LineStream(open(), {
      contentType: 'application/json',
      timeoutMs: timeoutSeconds === undefined ? defaultTimeoutMs() : timeoutSeconds * 1000,
      stalledMs: deps.stalledMs,
      shutdown: deps.shutdown,
      onEnd: () => stop.abort(),
    })
    await stream(deps, request, start, { first, changes, lines })
  } finally {
    stop.abort()
    await changes.return?.()
  }
}

async function startOf(store: Store, { info, namespace, options }: WatchRequest): Promise<Start> {
  const { resourceVersion: wanted, sendInitialEvents } = options
  const fromVersion = sendInitialEvents !== true && wanted !== undefined && wanted > 0
  if (fromVersion || sendInitialEvents === false) {
    const current = await store.version()
    refuseFuture(wanted, current)
    return { items: [], version: wanted || current, initialEnd: false }
  }
  const list = await store.list(info.kind as KindName, namespace)
  refuseFuture(wanted, list.version)
  const items = list.items.filter(options.selects)
  const initialEnd = sendInitialEvents === true && options.allowWatchBookmarks
  return { items, version: list.version, initialEnd }
}

/** A version too old is known at once; then the answer is a plain 410 rather than an event. */
async function refusedAtOnce(first: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const soon = new Promise((resolve) => {
    timer = setTimeout(resolve, 20)
  })
  try {
    await Promise.race([first, soon])
  } finally {
    clearTimeout(timer)
  }
}

type Source = {
  first: Promise<IteratorResult<Change>>
  changes: AsyncIterator<Change>
  lines: LineStream
}

async function stream(
  deps: WatchDeps,
  request: WatchRequest,
  start: Start,
  { first, changes, lines }: Source,
): Promise<void> {
  const { info, namespace, options, shape, conceal } = request
  const selects = (object: KubeObject) =>
    object.kind === info.kind &&
    (namespace === undefined || object.metadata.namespace === namespace) &&
    options.selects(object)
  let headers = true
  let version = start.version
  const send = async (type: EventType, object: KubeObject) => {
    const event = () => {
      const rendered = renderObject(shape, info, object, deps.now(), headers)
      return { type, object: conceal?.(rendered) ?? rendered }
    }
    // A row of a table tells the age of its object.
    if (shape.as === 'table') await lines.write(event())
    else await lines.writeLine(eventLine(object, `${type} ${shape.as} ${conceal ? 'in part' : ''}`, event))
    headers = false
  }
  const bookmark = (initialEnd: boolean) =>
    lines.write({ type: 'BOOKMARK', object: renderBookmark(shape, info, version, initialEnd) })
  let timer: NodeJS.Timeout | undefined
  try {
    for (const item of start.items) await send('ADDED', item)
    if (start.initialEnd) await bookmark(true)
    if (options.allowWatchBookmarks) timer = setInterval(() => void bookmark(false), deps.bookmarkMs).unref()
    for (let step = await first; !step.done && !lines.ended; step = await changes.next()) {
      const event = eventOf(step.value, selects)
      version = step.value.version
      if (event) await send(event.type, event.object)
    }
  } catch (error) {
    await lines.write({ type: 'ERROR', object: statusOf(error) })
  } finally {
    clearInterval(timer)
    lines.end()
  }
}
