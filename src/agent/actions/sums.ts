import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { findChecksum, parseChecksum } from '../image/checksum.ts'
import type { Checksum } from '../image/checksum.ts'
import { get } from '../image/http.ts'
import type { ActionRun, Machine } from './action.ts'

/** What is asked of a download. */
export type Sums = {
  /** of the file as served */
  served: Checksum | undefined
  /** of what it unpacks to */
  unpacked: Checksum | undefined
}

type Environment = Readonly<Record<string, string>>

const silenceMs = 30_000
const longestList = 1 << 20

/**
 * Checksums as the environment gives them: SHA256, SHA512, CHECKSUM of the file as served, UNPACKED_CHECKSUM of the
 * image in it. CHECKSUM may also be the URL of a list of checksums, or `fetch` for URL.sha256, else URL.sha512.
 * @throws Error for what is no checksum, and when a list does not have the file's
 */
export async function sumsOf(url: string, run: ActionRun, machine: Machine): Promise<Sums> {
  const { environment } = run
  const given = environment['CHECKSUM']?.trim() ?? ''
  const lists = /^https?:\/\//.test(given) ? [given] : given === 'fetch' ? besides(url) : undefined
  return {
    served: lists ? await fetched(lists, url, run, machine) : givenSum(environment),
    unpacked: sumIn(environment, 'UNPACKED_CHECKSUM'),
  }
}

/** Checksums are read before anything else, so that a mistake in one does not cost a download. */
function givenSum(environment: Environment): Checksum | undefined {
  for (const name of ['SHA256', 'SHA512', 'CHECKSUM']) {
    const sum = sumIn(environment, name)
    if (sum) return sum
  }
  return undefined
}

function sumIn(environment: Environment, name: string): Checksum | undefined {
  const text = environment[name]?.trim()
  if (!text) return undefined
  const sum = parseChecksum(text)
  const named = /^SHA\d+$/.test(name) ? name.toLowerCase() : undefined
  if (sum && (!named || named === sum.algorithm)) return sum
  const expected = named
    ? `${named === 'sha256' ? 64 : 128} hexadecimal digits`
    : 'sha256:<64 hexadecimal digits> or sha512:<128>'
  throw new Error(`checksum "${text}" is not understood (${name}): ${expected} expected`)
}

function besides(url: string): string[] {
  return ['.sha256', '.sha512'].map((suffix) => {
    const list = new URL(url)
    list.pathname += suffix
    return list.href
  })
}

async function fetched(lists: string[], url: string, run: ActionRun, machine: Machine): Promise<Checksum> {
  const name = decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '')
  const tried: string[] = []
  for (const list of lists) {
    const text = await textAt(list, run, machine)
    const sum = text === undefined ? undefined : findChecksum(text, name)
    if (sum) {
      run.log(`${list}: ${sum.algorithm} ${sum.hex}`)
      return sum
    }
    tried.push(text === undefined ? `${list} is not there` : `${list} has no checksum of ${name}`)
  }
  throw new Error(`CHECKSUM: ${tried.join('; ')}`)
}

async function textAt(url: string, run: ActionRun, { trusted }: Machine): Promise<string | undefined> {
  const response = await get(url, {}, { signal: run.signal, trusted, silenceMs })
  if (response.statusCode !== 200) {
    response.destroy()
    return undefined
  }
  let text = ''
  for await (const part of response as AsyncIterable<Buffer>) {
    text += part.toString('latin1')
    if (text.length > longestList) throw new Error(`${url} is longer than a list of checksums can be`)
  }
  return text
}

/** Adds up what goes by, to be compared at the end. */
export class Sum {
  readonly #wanted: Checksum | undefined
  readonly #hash: Hash | undefined

  constructor(wanted: Checksum | undefined) {
    this.#wanted = wanted
    this.#hash = wanted && createHash(wanted.algorithm)
  }

  add(bytes: Uint8Array): void {
    this.#hash?.update(bytes)
  }

  /** @throws Error with both sums when they differ. @param what names the bytes */
  compare(what: string, consequence: string): void {
    const found = this.#hash?.digest('hex')
    if (!this.#wanted || found === this.#wanted.hex) return
    const algorithm = this.#wanted.algorithm.replace('sha', 'SHA-')
    throw new Error(`${what} has ${algorithm} ${found}, ${this.#wanted.hex} expected; ${consequence}`)
  }
}
