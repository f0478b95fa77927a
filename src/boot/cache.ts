import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { text as readText } from 'node:stream/consumers'
import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { AppError, messageOf } from '../model/error.ts'
import { cacheKey, openCacheDisk } from './cache-disk.ts'
import type { CacheDisk } from './cache-disk.ts'
import { readChecksum, toEvict, unlessSame } from './cache-rules.ts'
import type { CacheRecord, CacheRefusal } from './cache-rules.ts'
import { cachedFile } from './cached-file.ts'
import { Download } from './download.ts'
import { fetchUpstream } from './fetch.ts'
import { kindBytes, kindOf } from './image-kind.ts'
import type { ListedImage } from './image-list.ts'
import type { OpenFile } from './open.ts'
import { publicUrl, upstreamPath, upstreamUrl } from './upstreams.ts'
import type { Upstream } from './upstreams.ts'

export type CacheDeps = {
  directory: string
  upstreams: readonly Upstream[]
  /** bytes of images that are kept */
  maxBytes: number
  /** for so long an image is given without asking its upstream whether it has changed */
  freshMs: number
  /** whether `URL.sha256` of the upstream is looked at */
  checksums: boolean
  clock: Clock
  log: Logger
}

export type ImageCache = {
  /** The image that `/images/cache/<path>` means, as far as it is there: a read waits for what has yet to come. */
  openPath(path: string, sha256?: string): Promise<OpenFile | CacheRefusal | undefined>
  /** @param options `anyHost`: the operator named this URL, so its host may be this machine */
  openUrl(url: string, options: { anyHost: boolean }): Promise<OpenFile | CacheRefusal>
  /** What is there, and what is on its way. */
  list(): Promise<ListedImage[]>
  /** Ends downloads; what they have is kept. */
  close(): Promise<void>
}

type Entry = { record: CacheRecord; download: Download | undefined; readers: number }

/** Images on their way from upstreams at the same time. */
const maxDownloads = 16

/** Images of upstreams, pulled once, kept on disk and checked for changes. */
export async function openImageCache(deps: CacheDeps): Promise<ImageCache> {
  const cache = new Cache(deps, await openCacheDisk(deps.directory))
  await cache.load()
  return {
    openPath: async (path, sha256) => {
      const url = upstreamUrl(deps.upstreams, path)
      return url === undefined ? undefined : cache.open(url, { anyHost: true, sha256 })
    },
    openUrl: async (url, options) =>
      URL.canParse(url)
        ? cache.open(new URL(url).href, { ...options, sha256: undefined })
        : { refused: 502, why: 'the URL of the image is malformed' },
    list: () => cache.list(),
    close: () => cache.close(),
  }
}

type OpenOptions = { anyHost: boolean; sha256: string | undefined }

class Cache {
  readonly #deps: CacheDeps
  readonly #disk: CacheDisk
  readonly #entries = new Map<string, Entry>()
  readonly #opening = new Map<string, Promise<Entry | CacheRefusal>>()
  readonly #stop = new AbortController()

  constructor(deps: CacheDeps, disk: CacheDisk) {
    this.#deps = deps
    this.#disk = disk
    setMaxListeners(0, this.#stop.signal)
  }

  async load(): Promise<void> {
    for (const record of await this.#disk.load())
      this.#entries.set(cacheKey(record.url), { record, download: undefined, readers: 0 })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([...this.#entries.values()].flatMap(({ download }) => download?.done ?? []))
  }

  list(): Promise<ListedImage[]> {
    const all = [...this.#entries.values()]
    return Promise.all(all.map(({ record, download }) => this.#listed(record, download?.written)))
  }

  async #listed(record: CacheRecord, written: number | undefined): Promise<ListedImage> {
    const { url, size, complete, sha256 } = record
    const path = upstreamPath(this.#deps.upstreams, url)
    const there = complete ? {} : { have: written ?? record.have }
    return {
      name: path === undefined ? publicUrl(url) : `cache/${path}`,
      from: 'cache',
      ...(size !== undefined && { size }),
      ...there,
      modified: new Date(Date.parse(record.lastModified ?? '') || record.createdAt).toISOString(),
      kind: await this.#kindOf(record),
      ...(complete && sha256 !== undefined && { sha256 }),
    }
  }

  async #kindOf(record: CacheRecord): Promise<string> {
    const file = await this.#disk.openData(record, 'r').catch(() => undefined)
    if (!file) return 'unknown'
    try {
      const head = Buffer.alloc(kindBytes)
      const { bytesRead } = await file.read(head, 0, head.length, 0)
      return bytesRead === 0 ? 'unknown' : kindOf(head.subarray(0, bytesRead))
    } finally {
      await file.close()
    }
  }

  async open(url: string, options: OpenOptions, again = true): Promise<OpenFile | CacheRefusal> {
    const key = cacheKey(url)
    const opening = this.#opening.get(key) ?? this.#entryOf(url, options.anyHost)
    this.#opening.set(key, opening)
    const entry = await opening.finally(() => this.#opening.delete(key))
    if ('refused' in entry) return entry
    entry.readers += 1
    try {
      const opened = await this.#openEntry(entry, options.sha256)
      if ('refused' in opened) entry.readers -= 1
      return opened
    } catch (error) {
      entry.readers -= 1
      if (!entry.download) this.#entries.delete(key)
      if (again) return this.open(url, options, false)
      return { refused: 500, why: `the image cache cannot be read: ${messageOf(error)}` }
    }
  }

  async #openEntry(entry: Entry, wanted: string | undefined): Promise<OpenFile | CacheRefusal> {
    const { record, download } = entry
    const failure = await download?.head
    if (failure) return failure
    const isRight = () => wanted === undefined || record.sha256 === wanted
    if (record.complete && !isRight())
      return { refused: 409, why: `the image has SHA-256 ${record.sha256}, not ${wanted}` }
    const close = () => void (entry.readers -= 1)
    return cachedFile({ file: await this.#disk.openData(record, 'r'), record, download, isRight, close })
  }

  async #entryOf(url: string, anyHost: boolean): Promise<Entry | CacheRefusal> {
    const key = cacheKey(url)
    const known = this.#entries.get(key)
    if (known?.download) return known
    if (known?.record.complete && (await this.#isCurrent(known.record, anyHost))) {
      if (this.#entries.get(key) !== known) return this.#entryOf(url, anyHost)
      this.#use(known.record)
      return known
    }
    const active = [...this.#entries.values()].filter(({ download }) => download).length
    if (active >= maxDownloads) return { refused: 503, why: `${active} images are being fetched already` }
    if (known?.record.complete) await this.#remove(key, known)
    return this.#start(key, known && !known.record.complete ? known.record : this.#newRecord(url), anyHost)
  }

  #newRecord(url: string): CacheRecord {
    const now = this.#deps.clock.now()
    const data = `${cacheKey(url)}-${randomBytes(8).toString('hex')}`
    return { url, data, have: 0, complete: false, createdAt: now, checkedAt: now, usedAt: now }
  }

  #start(key: string, record: CacheRecord, anyHost: boolean): Entry {
    const { clock, log } = this.#deps
    const entry: Entry = { record, download: undefined, readers: 0 }
    this.#entries.set(key, entry)
    const download = new Download(record, {
      disk: this.#disk,
      clock,
      log,
      fetch: (url, headers) => this.#fetch(url, headers, anyHost),
      makeRoom: (bytes) => this.#makeRoom(bytes),
      expectedSum: async () => (this.#deps.checksums ? this.#expectedSum(record.url, anyHost) : undefined),
      signal: this.#stop.signal,
    })
    entry.download = download
    void download.done.then((refusal) => {
      entry.download = undefined
      const isKept = refusal === undefined || (refusal.refused === 503 && record.have > 0)
      if (!isKept && this.#entries.get(key) === entry) this.#entries.delete(key)
    })
    return entry
  }

  #fetch(url: string, headers: Record<string, string>, anyHost: boolean) {
    const trustedHost = anyHost ? new URL(url).hostname : undefined
    return fetchUpstream({ url, headers, trustedHost, signal: this.#stop.signal })
  }

  /** Asks the upstream, unless it was asked just now. An upstream that does not answer is no reason not to install. */
  async #isCurrent(record: CacheRecord, anyHost: boolean): Promise<boolean> {
    const { clock, freshMs, log } = this.#deps
    if (clock.now() - record.checkedAt < freshMs) return true
    const url = publicUrl(record.url)
    try {
      const response = await this.#fetch(record.url, unlessSame(record), anyHost)
      const { statusCode, headers } = response
      response.destroy()
      if (statusCode >= 400 && statusCode !== 404 && statusCode !== 410)
        throw new AppError('Unavailable', `the upstream answers ${statusCode}`)
      const isSame = statusCode === 304 || (statusCode === 200 && saysTheSame(record, headers))
      if (isSame) record.checkedAt = clock.now()
      else log.info({ url, status: statusCode }, 'image has changed at its upstream')
      return isSame
    } catch (error) {
      log.warn({ url, why: messageOf(error) }, 'image is given without asking its upstream')
      return true
    }
  }

  #use(record: CacheRecord): void {
    const now = this.#deps.clock.now()
    const isNews = now - record.usedAt > 60_000
    record.usedAt = now
    if (isNews)
      this.#disk
        .save(record)
        .catch((error: unknown) =>
          this.#deps.log.warn({ why: messageOf(error) }, 'image cache cannot be written'),
        )
  }

  async #expectedSum(url: string, anyHost: boolean): Promise<string | undefined> {
    const sumUrl = new URL(url)
    sumUrl.pathname += '.sha256'
    const response = await this.#fetch(sumUrl.href, {}, anyHost)
    const length = Number(response.headers['content-length'] ?? 0)
    if (response.statusCode !== 200 || length > 1024 * 1024) {
      response.destroy()
      if (response.statusCode < 500) return undefined
      throw new AppError('Unavailable', `${publicUrl(sumUrl.href)} answers ${response.statusCode}`)
    }
    return readChecksum(
      await readText(response),
      decodeURIComponent(new URL(url).pathname.split('/').at(-1)!),
    )
  }

  async #makeRoom(bytes: number): Promise<CacheRefusal | undefined> {
    const all = [...this.#entries].map(([key, { record, download, readers }]) => ({
      key,
      bytes: record.size ?? download?.written ?? record.have,
      there: download?.written ?? record.have,
      usedAt: record.usedAt,
      inUse: readers > 0 || download !== undefined,
    }))
    const room = all.reduce((sum, { there }) => sum + there, 0) + (await this.#disk.free())
    const bound = Math.min(this.#deps.maxBytes, room)
    const leave = toEvict(all, bytes, bound)
    if (!leave) {
      const what = bound === room ? 'the disk of the image cache is full' : 'the image cache is full'
      return { refused: 507, why: `${what}: ${bytes} bytes more do not fit in ${bound}` }
    }
    for (const key of leave) {
      const entry = this.#entries.get(key)
      if (entry) await this.#remove(key, entry)
    }
    return undefined
  }

  async #remove(key: string, entry: Entry): Promise<void> {
    this.#entries.delete(key)
    await this.#disk.remove(entry.record)
    this.#deps.log.info(
      { url: publicUrl(entry.record.url), bytes: entry.record.size },
      'image left the cache',
    )
  }
}

function saysTheSame(record: CacheRecord, headers: Readonly<Record<string, unknown>>): boolean {
  const { etag, lastModified } = record
  if (etag !== undefined) return headers['etag'] === etag
  return lastModified !== undefined && headers['last-modified'] === lastModified
}
