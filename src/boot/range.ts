/** What is known of a file before any of it is sent. */
export type FileFacts = { size: number; etag: string; lastModified: string }

/** The header fields that decide, as Node gives them: names in lower case. */
export type Conditions = {
  range?: string | undefined
  'if-range'?: string | undefined
  'if-none-match'?: string | undefined
}

/** What to send: bytes `start` up to and including `end`, both only when there are any. */
export type Answer =
  | { status: 200 | 206; headers: Record<string, string | number>; start: number; end: number }
  | { status: 304 | 416; headers: Record<string, string | number> }

/**
 * The answer to GET or HEAD of one file (RFC 9110 §13.1.2, §13.1.5, §14.2): one range at most. Several ranges, other
 * units and malformed ones are ignored, which the RFC allows, and the whole file is sent.
 */
export function answerFor(conditions: Conditions, file: FileFacts): Answer {
  const validators = { etag: file.etag, 'last-modified': file.lastModified, 'accept-ranges': 'bytes' }
  if (matches(conditions['if-none-match'], file.etag)) return { status: 304, headers: validators }
  const range = rangeApplies(conditions, file) ? parseRange(conditions.range ?? '', file.size) : undefined
  if (range === 'unsatisfiable')
    return { status: 416, headers: { 'content-range': `bytes */${file.size}`, 'content-length': 0 } }
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

function matches(field: string | undefined, etag: string): boolean {
  if (field === undefined) return false
  const tags = field.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes('*') || tags.includes(etag)
}

/** If-Range compares strongly: a weak tag never matches, a date only when it is the very one. */
function rangeApplies(conditions: Conditions, file: FileFacts): boolean {
  if (conditions.range === undefined) return false
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
