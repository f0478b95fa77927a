import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { AppError, isCode, messageOf } from '../model/error.ts'
import type { CacheDisk } from './cache-disk.ts'
import { readAnswer, resumeHeaders } from './cache-rules.ts'
import type { CacheRecord, CacheRefusal, Reading } from './cache-rules.ts'
import type { Fetched } from './fetch.ts'
import { publicUrl } from './upstreams.ts'
import { writeBatch } from './write-batch.ts'

export type DownloadDeps = {
  disk: CacheDisk
  clock: Clock
  log: Logger
  fetch(url: string, headers: Record<string, string>): Promise<Fetched>
  /** makes room for so many bytes more; says so when there is none */
  makeRoom(bytes: number): Promise<CacheRefusal | undefined>
  /** SHA-256 that the upstream says the file has, hexadecimal */
  expectedSum(): Promise<string | undefined>
  signal: AbortSignal
}

/** This many bytes are written, and may be read, at a time. */
const batchBytes = 256 * 1024
/** After so many bytes more, and not sooner than so many ms, what there is is on disk for certain. */
const durable = { bytes: 8 * 1024 * 1024, ms: 500 }
/** An upstream may fail so many times in a row without a byte in between. */
const maxFailures = 5

/** Failures of one image, as an exception for the way out of a download. */
class Refused extends Error {
  readonly refusal: CacheRefusal
  constructor(refusal: CacheRefusal) {
    super(refusal.why)
    this.refusal = refusal
  }
}

const refused = (status: CacheRefusal['refused'], why: string) => new Refused({ refused: status, why })

/**
 * One image on its way from its upstream to the disk, at the upstream's speed. Its readers follow behind. What breaks off
 * is taken up again where it ended, as long as the upstream says that it is the same file.
 */
export class Download {
  readonly record: CacheRecord
  /** settles when the size is known, or why there will be none */
  readonly head: Promise<CacheRefusal | undefined>
  /** settles when all is on disk and found to be right, or why not */
  readonly done: Promise<CacheRefusal | undefined>
  readonly #deps: DownloadDeps
  #hash = createHash('sha256')
  #written = 0
  #durableAt = 0
  #announced = false
  #announce: (refusal: CacheRefusal | undefined) => void = () => {}
  #ended = false
  #waiting: (() => void)[] = []

  constructor(record: CacheRecord, deps: DownloadDeps) {
    this.record = record
    this.#deps = deps
    this.head = new Promise((resolve) => (this.#announce = resolve))
    this.done = this.#run()
  }

  /** bytes that can be read */
  get written(): number {
    return this.#written
  }

  /** Resolves when there is something to read at `offset`, or never will be. */
  async reaches(offset: number): Promise<void> {
    while (offset >= this.#written && !this.#ended)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  async #run(): Promise<CacheRefusal | undefined> {
    const { log } = this.#deps
    const url = publicUrl(this.record.url)
    let file: FileHandle | undefined
    let refusal: CacheRefusal | undefined
    try {
      file = await this.#openData()
      const expected = this.#deps.expectedSum().then(
        (sum) => ({ sum }),
        (error: unknown) => ({ fault: messageOf(error) }),
      )
      await this.#fetchAll(file)
      await this.#finish(file, await expected)
      log.info({ url, bytes: this.record.size, sha256: this.record.sha256 }, 'image is in the cache')
    } catch (error) {
      refusal = refusalOf(error)
      log[refusal.refused === 404 ? 'info' : 'error']({ url, why: refusal.why }, 'image could not be fetched')
      await this.#leave(file, refusal).catch((fault: unknown) =>
        log.error({ url, why: messageOf(fault) }, 'image cache cannot be written'),
      )
    } finally {
      await file?.close().catch(() => undefined)
      this.#ended = true
      this.#stir()
      this.#announce(refusal)
    }
    return refusal
  }

  /** What was read from an upstream that only went away is kept, and gone on with when somebody asks again. */
  async #leave(file: FileHandle | undefined, { refused: status }: CacheRefusal): Promise<void> {
    if (file && status === 503 && this.#written > 0) await this.#makeDurable(file)
    else await this.#deps.disk.remove(this.record)
  }

  async #openData(): Promise<FileHandle> {
    const { disk } = this.#deps
    if (this.record.have === 0) return disk.openData(this.record, 'w+')
    const file = await disk.openData(this.record, 'r+')
    const buffer = Buffer.allocUnsafe(1024 * 1024)
    for (let at = 0; at < this.record.have;) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, this.record.have - at), at)
      if (bytesRead === 0) break
      this.#hash.update(buffer.subarray(0, bytesRead))
      at += bytesRead
      this.#written = at
    }
    return file
  }

  async #fetchAll(file: FileHandle): Promise<void> {
    const { clock, log, signal } = this.#deps
    for (let failures = 0; ;) {
      const before = this.#written
      const why = await this.#attempt(file)
      if (why === undefined) return
      failures = this.#written > before ? 1 : failures + 1
      if (failures > maxFailures || signal.aborted) throw refused(503, why)
      log.warn(
        { url: publicUrl(this.record.url), bytes: this.#written, why },
        'image broke off, it is asked for again',
      )
      await clock.sleep(Math.min(500 * 2 ** failures, 30_000), signal)
    }
  }

  /** @returns why another attempt is worth it; `undefined` when all is there */
  async #attempt(file: FileHandle): Promise<string | undefined> {
    const { record } = this
    const have = this.#written
    if (have > 0 && have === record.size) return undefined
    const resume = have === 0 ? {} : resumeHeaders(have, record)
    if (!resume) return this.#startOver(file)
    try {
      const response = await this.#deps.fetch(record.url, resume)
      const reading = readAnswer({ status: response.statusCode, headers: response.headers }, have, record)
      if (reading.kind !== 'body') response.destroy()
      if (reading.kind === 'refused') throw refused(reading.status, reading.why)
      if (reading.kind === 'again') return reading.why
      if (reading.kind === 'another') return await this.#startOver(file)
      await this.#learn(reading).catch((error: unknown) => {
        response.destroy()
        throw error
      })
      return await this.#copy(file, response, reading.skip)
    } catch (error) {
      if (error instanceof Refused || isCode(error, 'Forbidden')) throw error
      return messageOf(error)
    }
  }

  /** The upstream has another file by now, or does not say. Readers of the old one cannot be helped. */
  async #startOver(file: FileHandle): Promise<string> {
    if (this.#announced) throw refused(502, 'the image changed at the upstream while it was fetched')
    await file.truncate(0)
    this.#hash = createHash('sha256')
    this.#written = 0
    Object.assign(this.record, { have: 0, size: undefined, etag: undefined, lastModified: undefined })
    return 'the image is another one by now'
  }

  async #learn({ size, validators }: Reading & { kind: 'body' }): Promise<void> {
    const { record } = this
    const full = await this.#deps.makeRoom(Math.max(0, (size ?? 0) - this.#written))
    if (full) throw new Refused(full)
    Object.assign(record, { size, ...validators, checkedAt: this.#deps.clock.now() })
    await this.#deps.disk.save(record)
    if (size !== undefined) this.#tell()
  }

  #tell(): void {
    this.#announced = true
    this.#announce(undefined)
  }

  async #copy(file: FileHandle, response: Fetched, alreadyThere: number): Promise<string | undefined> {
    let skip = alreadyThere
    let batch: Buffer[] = []
    let bytes = 0
    const flush = async () => {
      const full = batch
      batch = []
      bytes = 0
      await this.#write(file, full)
    }
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        const rest = chunk.subarray(Math.min(skip, chunk.length))
        skip -= chunk.length - rest.length
        batch.push(rest)
        bytes += rest.length
        if (bytes >= batchBytes) await flush()
      }
    } finally {
      await flush()
    }
    const { size } = this.record
    if (size !== undefined && this.#written < size)
      return `the upstream ended after ${this.#written} of ${size} bytes`
    return undefined
  }

  async #write(file: FileHandle, batch: Buffer[]): Promise<void> {
    const { record } = this
    const bytes = batch.reduce((sum, { length }) => sum + length, 0)
    if (record.size !== undefined && this.#written + bytes > record.size)
      throw refused(502, 'the upstream sends more than it said')
    if (record.size === undefined) {
      const full = await this.#deps.makeRoom(bytes)
      if (full) throw new Refused(full)
    }
    await writeBatch(file, batch, this.#written).catch((error: unknown) => {
      throw refused(...writeFault(error))
    })
    for (const chunk of batch) this.#hash.update(chunk)
    const at = this.#written + bytes
    this.#written = at
    this.#stir()
    const isTime = this.#deps.clock.now() - this.#durableAt >= durable.ms
    if (isTime && at - record.have >= durable.bytes) await this.#makeDurable(file)
  }

  async #makeDurable(file: FileHandle): Promise<void> {
    const have = this.#written
    await file.datasync()
    this.record.have = have
    await this.#deps.disk.save(this.record)
    this.#durableAt = this.#deps.clock.now()
  }

  async #finish(file: FileHandle, expected: { sum?: string | undefined; fault?: string }): Promise<void> {
    const { record } = this
    const sha256 = this.#hash.digest('hex')
    if (expected.fault !== undefined)
      throw refused(502, `the checksum could not be fetched: ${expected.fault}`)
    if (expected.sum !== undefined && expected.sum !== sha256)
      throw refused(502, `the image has SHA-256 ${sha256}, its upstream says ${expected.sum}`)
    await file.datasync()
    Object.assign(record, { size: this.#written, have: this.#written, complete: true, sha256 })
    await this.#deps.disk.save(record)
    this.#tell()
  }

  #stir(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }
}

function writeFault(error: unknown): [CacheRefusal['refused'], string] {
  const { code } = error as { code?: unknown }
  if (code === 'ENOSPC' || code === 'EDQUOT') return [507, 'the disk of the image cache is full']
  return [500, `the image cache cannot be written: ${messageOf(error)}`]
}

function refusalOf(error: unknown): CacheRefusal {
  if (error instanceof Refused) return error.refusal
  if (error instanceof AppError) return { refused: 502, why: error.message }
  const [status, why] = writeFault(error)
  return { refused: status, why }
}
