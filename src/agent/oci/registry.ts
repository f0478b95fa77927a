import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../model/clock.ts'
import { messageOf } from '../../model/error.ts'
import type { Gate } from '../image/gate.ts'
import { get, Refused } from '../image/http.ts'
import type { HttpDeps } from '../image/http.ts'
import { openSource } from '../image/source.ts'
import type { Source } from '../image/source.ts'
import { Login } from './login.ts'
import { accepted, readJson } from './manifest.ts'
import type { Descriptor } from './manifest.ts'
import { isDigest, written } from './reference.ts'
import type { Reference } from './reference.ts'
import type { RegistrySettings } from './settings.ts'

export type RegistryDeps = {
  clock: Clock
  signal: AbortSignal
  gate?: Gate | undefined
  log(line: string): void
  trusted: readonly string[]
}

export type Document = { json: Readonly<Record<string, unknown>>; digest: string }

const longestDocument = 8 << 20
const silenceMs = 30_000
/** A registry that does not answer is given this long. */
const patienceMs = 120_000

/** One repository of a registry, to read from (OCI distribution-spec §Pull). */
export class Repository {
  readonly #reference: Reference
  readonly #deps: RegistryDeps
  readonly #http: HttpDeps
  readonly #origin: string
  readonly #login: Login

  private constructor(reference: Reference, settings: RegistrySettings, origin: string, deps: RegistryDeps) {
    this.#reference = reference
    this.#deps = deps
    this.#http = httpOf(settings, deps)
    this.#origin = origin
    const scope = `repository:${reference.repository}:pull`
    this.#login = new Login(settings, scope, this.#http, deps.clock)
  }

  /** @throws Error when the registry does not answer */
  static async open(
    reference: Reference,
    settings: RegistrySettings,
    deps: RegistryDeps,
  ): Promise<Repository> {
    return new Repository(reference, settings, await originOf(reference.registry, settings, deps), deps)
  }

  /**
   * An index, or a manifest of an image.
   * @param version tag or digest
   * @throws Error saying whether there is none, or it is refused, or it is not what its digest says
   */
  async manifest(version: string): Promise<Document> {
    const what = written({ ...this.#reference, version })
    const url = this.#url('manifests', version)
    const bytes = await this.#patiently(async () => {
      const response = await this.#asked(url, { accept: accepted })
      if (response.statusCode === 200) return collected(response, what)
      response.destroy()
      throw new Refused(`${what}: ${await this.#reason(response, version)}`)
    })
    const algorithm = isDigest(version) ? version.split(':')[0]! : 'sha256'
    const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
    if (isDigest(version) && digest !== version)
      throw new Error(`${what}: the registry sent something else, with the digest ${digest}`)
    return { json: readJson(bytes, `${what}: the manifest`), digest }
  }

  /**
   * The bytes of a blob, which survive broken connections. They end with an error unless they are what the digest says.
   */
  async *blob(descriptor: Descriptor): AsyncIterable<Buffer> {
    yield* (await this.open(descriptor)).chunks
  }

  /** The same, with parts of it out of turn, which are not checked. */
  async open(descriptor: Descriptor): Promise<Pick<Source, 'chunks' | 'range'>> {
    const source = await this.#source(descriptor.digest)
    return { chunks: this.#checked(source.chunks, descriptor), range: source.range }
  }

  async #source(digest: string): Promise<Source> {
    return openSource(this.#url('blobs', digest), {
      ...this.#http,
      clock: this.#deps.clock,
      gate: this.#deps.gate,
      log: this.#deps.log,
      patienceMs,
      checked: true,
      headers: () => this.#login.headers(),
    })
  }

  async *#checked(chunks: AsyncIterable<Buffer>, { digest, bytes }: Descriptor): AsyncIterable<Buffer> {
    const [algorithm = ''] = digest.split(':')
    const hash = createHash(algorithm)
    let served = 0
    for await (const chunk of chunks) {
      served += chunk.length
      if (served > bytes)
        throw new Error(`${this.#named(digest)} is longer than the ${bytes} bytes announced`)
      hash.update(chunk)
      yield chunk
    }
    const found = `${algorithm}:${hash.digest('hex')}`
    if (found !== digest)
      throw new Error(`${this.#named(digest)}: the registry sent something else, ${found}`)
  }

  /** A small blob as a whole. */
  async document(descriptor: Descriptor, what: string): Promise<Document['json']> {
    if (descriptor.bytes > longestDocument) throw new Error(`${what} has ${descriptor.bytes} bytes`)
    const parts: Buffer[] = []
    for await (const part of this.blob(descriptor)) parts.push(part)
    return readJson(Buffer.concat(parts), what)
  }

  #named(digest: string): string {
    return `${this.#reference.registry}/${this.#reference.repository}: blob ${digest}`
  }

  #url(kind: 'manifests' | 'blobs', version: string): string {
    return `${this.#origin}/v2/${this.#reference.repository}/${kind}/${version}`
  }

  async #asked(url: string, headers: Record<string, string>): Promise<IncomingMessage> {
    const response = await get(url, { ...headers, ...(await this.#login.headers()) }, this.#http)
    if (response.statusCode !== 401 || !(await this.#login.answer(response.headers['www-authenticate'])))
      return response
    response.destroy()
    return get(url, { ...headers, ...(await this.#login.headers()) }, this.#http)
  }

  async #reason(response: IncomingMessage, version: string): Promise<string> {
    const { statusCode = 0, statusMessage = '' } = response
    if (statusCode === 401 || statusCode === 403) return this.#login.refusal(statusCode)
    const kind = isDigest(version) ? 'digest' : 'tag'
    return statusCode === 404
      ? `the registry has no such ${kind}, or no such repository`
      : `the registry answered ${statusCode} ${statusMessage}`.trim()
  }

  async #patiently<T>(attempt: () => Promise<T>): Promise<T> {
    const { clock, signal, log } = this.#deps
    const giveUpAt = clock.now() + patienceMs
    for (let wait = 500; ; wait = Math.min(8000, wait * 2)) {
      try {
        return await attempt()
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof Refused || clock.now() + wait > giveUpAt) throw error
        log(`${this.#reference.registry}: ${messageOf(error)}; next try in ${wait / 1000} s`)
      }
      await clock.sleep(wait, signal)
    }
  }
}

function httpOf(settings: RegistrySettings, deps: RegistryDeps): HttpDeps {
  const trusted = settings.ca ? [...deps.trusted, settings.ca] : deps.trusted
  return { signal: deps.signal, trusted, unverified: settings.insecure === true, silenceMs }
}

/** HTTPS, and plain HTTP where that will do and nobody speaks HTTPS. */
async function originOf(host: string, settings: RegistrySettings, deps: RegistryDeps): Promise<string> {
  if (!settings.insecure) return `https://${host}`
  const isHttps = await get(`https://${host}/v2/`, {}, httpOf(settings, deps)).then(
    (response) => Boolean(response.destroy()),
    () => false,
  )
  deps.signal.throwIfAborted()
  return `${isHttps ? 'https' : 'http'}://${host}`
}

async function collected(response: IncomingMessage, what: string): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length
    if (length > longestDocument) {
      response.destroy()
      throw new Refused(`${what}: the manifest is longer than ${longestDocument} bytes`)
    }
    parts.push(part)
  }
  return Buffer.concat(parts)
}
