/** What identifies one state of a file at an upstream; `etag` with its quotes, and `W/` where it is weak. */
export type Validators = { etag?: string | undefined; lastModified?: string | undefined }

/** One image of the cache, as it is kept beside its data. Times are epoch ms. */
export type CacheRecord = Validators & {
  url: string
  /** name of the file with the data */
  data: string
  /** bytes in all, once they are known */
  size?: number | undefined
  /** bytes that are certainly on the disk */
  have: number
  complete: boolean
  /** hexadecimal, of a complete one */
  sha256?: string | undefined
  createdAt: number
  /** when the upstream last said that this is what it has */
  checkedAt: number
  usedAt: number
}

/** Request fields that ask for the rest of a file, or for all of it should it be another one by now (RFC 9110 §13.1.5). */
export function resumeHeaders(have: number, known: Validators): Record<string, string> | undefined {
  const condition = strong(known.etag) ?? known.lastModified
  return condition === undefined ? undefined : { range: `bytes=${have}-`, 'if-range': condition }
}

/** Request fields that ask for a file only if it has changed. */
export function unlessSame({ etag, lastModified }: Validators): Record<string, string> {
  if (etag !== undefined) return { 'if-none-match': etag }
  return lastModified === undefined ? {} : { 'if-modified-since': lastModified }
}

const strong = (etag: string | undefined) => (etag?.startsWith('"') ? etag : undefined)

export type Response = { status: number; headers: Readonly<Record<string, string | string[] | undefined>> }

/** Why an image is not given: an HTTP status, and words. */
export type CacheRefusal = { refused: 404 | 409 | 500 | 502 | 503 | 507; why: string }

/** What to do with an upstream's answer; `skip`: bytes of the body that are there already. */
export type Reading =
  | { kind: 'body'; skip: number; size: number | undefined; validators: Validators }
  | { kind: 'another' }
  | { kind: 'again'; why: string }
  | { kind: 'refused'; status: 404 | 502; why: string }

/**
 * Reads the answer to a request for the bytes from `have` on.
 * @param known of the file that those bytes are of; `size` when it is known
 */
export function readAnswer(
  { status, headers }: Response,
  have: number,
  known: Validators & { size?: number | undefined },
): Reading {
  const field = (name: string) => headers[name]?.toString()
  if (status === 404 || status === 410)
    return { kind: 'refused', status: 404, why: `the upstream answers ${status}` }
  if (status === 408 || status === 429 || status >= 500)
    return { kind: 'again', why: `the upstream answers ${status}` }
  const validators = { etag: field('etag'), lastModified: field('last-modified') }
  if (status === 416) return { kind: 'another' }
  if (status !== 200 && status !== 206)
    return { kind: 'refused', status: 502, why: `the upstream answers ${status}` }
  if (!/^(identity)?$/i.test(field('content-encoding') ?? ''))
    return { kind: 'refused', status: 502, why: 'the upstream sends another encoding than was asked for' }
  const length = lengthOf(field('content-length'))
  if (status === 206) {
    const range = contentRange(field('content-range'))
    const fits = range?.start === have && (known.size === undefined || range.size === known.size)
    if (!fits || (validators.etag ?? known.etag) !== known.etag) return { kind: 'another' }
    return { kind: 'body', skip: 0, size: range.size, validators: known }
  }
  if (length === undefined && !/chunked$/i.test(field('transfer-encoding') ?? ''))
    return { kind: 'refused', status: 502, why: 'the upstream does not say where the file ends' }
  if (have === 0) return { kind: 'body', skip: 0, size: length, validators }
  if (!isSame(known, validators) || length !== known.size) return { kind: 'another' }
  return { kind: 'body', skip: have, size: length, validators: known }
}

const lengthOf = (text: string | undefined) => (/^\d{1,15}$/.test(text ?? '') ? Number(text) : undefined)

function contentRange(text: string | undefined): { start: number; size: number } | undefined {
  const [, start, size] = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15})$/i.exec(text ?? '') ?? []
  return size === undefined ? undefined : { start: Number(start), size: Number(size) }
}

function isSame(a: Validators, b: Validators): boolean {
  if (strong(a.etag) || strong(b.etag)) return a.etag === b.etag
  return a.lastModified !== undefined && a.lastModified === b.lastModified
}

/**
 * Which images leave to make room for `need` bytes, those used longest ago first.
 * @param kept sizes of all there are; `inUse` ones stay
 * @returns their keys; `undefined` when there is not enough even so
 */
export function toEvict(
  kept: readonly { key: string; bytes: number; usedAt: number; inUse: boolean }[],
  need: number,
  bound: number,
): string[] | undefined {
  let excess = kept.reduce((sum, { bytes }) => sum + bytes, need) - bound
  const leave: string[] = []
  for (const { key, bytes } of kept.filter(({ inUse }) => !inUse).toSorted((a, b) => a.usedAt - b.usedAt)) {
    if (excess <= 0) break
    leave.push(key)
    excess -= bytes
  }
  return excess <= 0 ? leave : undefined
}

/**
 * The SHA-256 in a file such as sha256sum writes: a line with `name`, else the only line.
 * @returns hexadecimal, lower case
 */
export function readChecksum(text: string, name: string): string | undefined {
  const lines = text.split('\n').flatMap((line) => {
    const found = /^([0-9a-fA-F]{64})(?:\s+\*?(\S.*?))?\s*$/.exec(line)
    return found ? [{ sum: found[1]!.toLowerCase(), of: found[2]?.split('/').at(-1) }] : []
  })
  const named = lines.find(({ of }) => of === name)
  return (named ?? (lines.length === 1 ? lines[0] : undefined))?.sum
}
