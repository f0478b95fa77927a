import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../model/clock.ts'
import { messageOf } from '../../model/error.ts'
import { get as getOnce, Refused } from './http.ts'
import type { Gate } from './gate.ts'
import type { HttpDeps } from './http.ts'

/** A file being downloaded: `chunks` can be read once. */
export type Source = {
  servedBytes: number | undefined
  chunks: AsyncIterable<Buffer>
  /** A part of the same version of the file; `undefined` when the server does not serve it at once. */
  range(from: number, length: number): Promise<Buffer | undefined>
}

type Deps = HttpDeps & {
  /** holds the bytes up while it is closed; the connection may break meanwhile */
  gate?: Gate | undefined
  clock: Clock
  log: (line: string) => void
  /** headers of each request, asked for anew each time */
  headers?: () => Promise<Record<string, string>>
  /** how long to go on trying while not one byte comes */
  patienceMs: number
  /** whether a checksum of the whole file is known, which shows a mixture of two versions of it */
  checked: boolean
}

/** What identifies one version of the file, to go on with the same one after a broken connection. */
type Version = { etag: string | undefined; modified: string | undefined; total: number | undefined }

/**
 * Opens an HTTP or HTTPS download that survives broken connections: it goes on with a range request (RFC 9110 §14)
 * under If-Range and never ends early: a stream that stays short throws.
 * @throws Error naming the URL and the status when the server does not serve the file
 */
export async function openSource(url: string, deps: Deps): Promise<Source> {
  const first = await patiently(url, deps, () => get(url, {}, deps))
  if (first.statusCode !== 200) throw await refusal(url, first)
  const version = versionOf(first)
  return {
    servedBytes: version.total,
    chunks: resuming(url, first, version, deps),
    range: (from, length) => part(url, from, length, version, deps).catch(() => undefined),
  }
}

const partWithinMs = 10_000

async function part(
  url: string,
  from: number,
  length: number,
  version: Version,
  deps: Deps,
): Promise<Buffer | undefined> {
  const signal = AbortSignal.any([deps.signal, AbortSignal.timeout(partWithinMs)])
  const headers = rangeHeaders(version, `bytes=${from}-${from + length - 1}`)
  const response = await get(url, headers, { ...deps, signal })
  try {
    if (response.statusCode !== 206 || hasChanged(version, response) || startOf(response) !== from)
      return undefined
    const bytes = Buffer.alloc(length)
    let filled = 0
    for await (const chunk of response as AsyncIterable<Buffer>) filled += chunk.copy(bytes, filled)
    return filled === length ? bytes : undefined
  } finally {
    response.destroy()
  }
}

async function* resuming(
  url: string,
  first: IncomingMessage,
  version: Version,
  deps: Deps,
): AsyncIterable<Buffer> {
  let response = first
  let position = 0
  let lastByteAt = deps.clock.now()
  for (let fruitless = 0; ;) {
    const begun = position
    let why = 'closed early'
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        position += chunk.length
        if (await heldUp(deps)) lastByteAt = deps.clock.now()
        yield chunk
      }
      if (response.complete && (version.total === undefined || position === version.total)) return
    } catch (error) {
      why = messageOf(error)
    } finally {
      response.destroy()
    }
    deps.signal.throwIfAborted()
    if (version.total !== undefined && position > version.total) {
      throw new Error(`${url}: the server sent ${position} bytes and had announced ${version.total}`)
    }
    const where = `at byte ${position}${version.total === undefined ? '' : ` of ${version.total}`}`
    const now = deps.clock.now()
    if (position > begun) lastByteAt = now
    fruitless = position > begun ? 0 : fruitless + 1
    if (fruitless && now - lastByteAt >= deps.patienceMs) {
      throw new Error(`${url}: the connection breaks again and again ${where}: ${why}`)
    }
    if (!deps.checked && version.etag === undefined && version.modified === undefined) {
      throw new Error(
        `${url}: the connection broke ${where}: ${why}; the server gives the file neither ETag nor Last-Modified, ` +
          'so that the rest could be of another version: set SHA256 to go on all the same',
      )
    }
    deps.log(`connection broke ${where}: ${why}; going on`)
    if (fruitless) await deps.clock.sleep(Math.min(8000, 250 * 2 ** fruitless), deps.signal)
    if (await heldUp(deps)) lastByteAt = deps.clock.now()
    response = await patiently(url, deps, () => getRest(url, position, version, deps))
  }
}

/** @returns whether the gate was closed */
async function heldUp({ gate, signal }: Deps): Promise<boolean> {
  if (!gate || gate.isOpen) return false
  await gate.passed(signal)
  return true
}

/** The file from byte `position` on. */
async function getRest(
  url: string,
  position: number,
  version: Version,
  deps: Deps,
): Promise<IncomingMessage> {
  const response = await get(url, rangeHeaders(version, `bytes=${position}-`), deps)
  if (response.statusCode === 200) {
    response.destroy()
    const now = versionOf(response)
    const same = now.etag === version.etag && now.modified === version.modified && now.total === version.total
    if (same)
      throw new Refused(`${url}: the connection broke and the server does not serve ranges of the file`)
    throw new Refused(`${url}: the file changed on the server during the transfer`)
  }
  if (response.statusCode !== 206) throw await refusal(url, response)
  if (hasChanged(version, response)) {
    response.destroy()
    throw new Refused(`${url}: the file changed on the server during the transfer`)
  }
  if (startOf(response) !== position) {
    response.destroy()
    throw new Refused(
      `${url}: asked for bytes from ${position}, got "${response.headers['content-range'] ?? ''}"`,
    )
  }
  return response
}

function rangeHeaders(version: Version, range: string): Record<string, string> {
  const strongTag = version.etag?.startsWith('"') ? version.etag : undefined
  const condition = strongTag ?? version.modified
  return { range, ...(condition !== undefined && { 'if-range': condition }) }
}

/** Whether a part is of another version of the file, as far as the server says (a part may lack what identifies it). */
function hasChanged(version: Version, response: IncomingMessage): boolean {
  const now = versionOf(response)
  const differs = (name: keyof Version) =>
    version[name] !== undefined && now[name] !== undefined && version[name] !== now[name]
  return differs('etag') || differs('modified') || differs('total')
}

function startOf(response: IncomingMessage): number | undefined {
  const found = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(response.headers['content-range'] ?? '')
  return found ? Number(found[1]) : undefined
}

/** Tries until it works, is refused, or `patienceMs` have passed. */
async function patiently<T>(url: string, deps: Deps, attempt: () => Promise<T>): Promise<T> {
  const { clock, signal } = deps
  const giveUpAt = clock.now() + deps.patienceMs
  for (let wait = 500; ; wait = Math.min(8000, wait * 2)) {
    try {
      return await attempt()
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof Refused) throw error
      if (clock.now() + wait > giveUpAt) {
        throw new Error(`${url}: no success within ${deps.patienceMs / 1000} s: ${messageOf(error)}`, {
          cause: error,
        })
      }
      deps.log(`${url}: ${messageOf(error)}; next try in ${wait / 1000} s`)
    }
    await clock.sleep(wait, signal)
    signal.throwIfAborted()
  }
}

async function get(url: string, headers: Record<string, string>, deps: Deps): Promise<IncomingMessage> {
  return getOnce(url, { ...(await deps.headers?.()), ...headers }, deps)
}

function versionOf(response: IncomingMessage): Version {
  const {
    etag,
    'last-modified': modified,
    'content-length': length,
    'content-range': range,
  } = response.headers
  const total = range === undefined ? length : range.split('/')[1]
  return { etag, modified, total: total !== undefined && /^\d+$/.test(total) ? Number(total) : undefined }
}

async function refusal(url: string, response: IncomingMessage): Promise<Error> {
  response.destroy()
  return new Refused(
    `GET ${url}: the server answered ${response.statusCode ?? 0} ${response.statusMessage ?? ''}`.trim(),
  )
}
