/** What is known of a file before any of it is sent; `lastModified` is an HTTP date, so to the second. */
export type FileFacts = { size: number; etag: string; lastModified: string }

/** The method and the header fields that decide, as Node gives them: names in lower case. */
export type Conditions = {
  method: 'GET' | 'HEAD'
  range?: string | undefined
  'if-match'?: string | undefined
  'if-none-match'?: string | undefined
  'if-modified-since'?: string | undefined
  'if-unmodified-since'?: string | undefined
  'if-range'?: string | undefined
}

/** What to send: bytes `start` up to and including `end`, both only when there are any. */
export type Answer =
  | { status: 200 | 206; headers: Record<string, string | number>; start: number; end: number }
  | { status: 304 | 412 | 416; headers: Record<string, string | number> }

/**
 * The answer to GET or HEAD of one file (RFC 9110 §13.2.2, §14.2): one range at most, and none of a HEAD. Several ranges,
 * other units and malformed ones are ignored, which the RFC allows, and the whole file is sent.
 */
export function answerFor(conditions: Conditions, file: FileFacts): Answer {
  const validators = { etag: file.etag, 'last-modified': file.lastModified, 'accept-ranges': 'bytes' }
  if (!isExpected(conditions, file)) return { status: 412, headers: { 'content-length': 0 } }
  if (isKnown(conditions, file)) return { status: 304, headers: validators }
  const range = rangeApplies(conditions, file) ? parseRange(conditions.range ?? '', file.size) : undefined
  if (range === 'unsatisfiable') {
    const headers = { 'accept-ranges': 'bytes', 'content-range': `bytes */${file.size}`, 'content-length': 0 }
    return { status: 416, headers }
  }
  if (range) {
    const headers = {
      ...validators,
      'content-range': `bytes ${range.start}-${range.end}/${file.size}`,
      'content-length': range.end - range.start + 1,
    }
    return { status: 206, headers, ...range }
  }
  return {
    status: 200,
    headers: { ...validators, 'content-length': file.size },
    start: 0,
    end: file.size - 1,
  }
}

/** If-Match compares strongly; a date counts only without it (RFC 9110 §13.1.1, §13.1.4). */
function isExpected(conditions: Conditions, file: FileFacts): boolean {
  const { 'if-match': tags, 'if-unmodified-since': date } = conditions
  if (tags !== undefined) return names(tags, file.etag)
  return date === undefined || !(Date.parse(file.lastModified) > timeOf(date))
}

/** If-None-Match compares weakly; a date counts only without it (RFC 9110 §13.1.2, §13.1.3). */
function isKnown(conditions: Conditions, file: FileFacts): boolean {
  const { 'if-none-match': tags, 'if-modified-since': date } = conditions
  if (tags !== undefined) return names(tags.replaceAll('W/', ''), file.etag)
  return date !== undefined && Date.parse(file.lastModified) <= timeOf(date)
}

function names(tags: string, etag: string): boolean {
  const all = tags.split(',').map((tag) => tag.trim())
  return all.includes('*') || all.includes(etag)
}

/** @returns epoch ms; NaN, which no comparison is true of, for what is no date */
const timeOf = (date: string): number => Date.parse(/GMT\s*$/.test(date) ? date : `${date} GMT`)

/** If-Range compares strongly: a weak tag never matches, a date only when it is the very one. */
function rangeApplies(conditions: Conditions, file: FileFacts): boolean {
  if (conditions.range === undefined || conditions.method !== 'GET') return false
  const wanted = conditions['if-range']?.trim()
  return wanted === undefined || wanted === file.etag || wanted === file.lastModified
}

function parseRange(
  field: string,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const found = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(field.trim())
  const [first, last] = [found?.[1] ?? '', found?.[2] ?? '']
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  if (last !== '' && Number(last) < Number(first)) return undefined
  if (Number(first) >= size) return 'unsatisfiable'
  return { start: Number(first), end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}
