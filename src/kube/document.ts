import { createHash } from 'node:crypto'
import type { Reply, Request } from './app.ts'

/** A document that is the same for every client as long as this program runs. */
export type Document = {
  type: string
  /** bytes, so that the framework leaves the content type as it is: clients compare its parameters */
  body: Buffer
  /** upper case hexadecimal; changes with the content */
  hash: string
}

export function documentOf(content: object | Buffer, type = 'application/json'): Document {
  const body = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
  const hash = createHash('sha256').update(type).update(body).digest('hex').slice(0, 32).toUpperCase()
  return { type, body, hash }
}

const yearSeconds = 31_536_000

/**
 * Answers with `document`, or with 304 when the client has it (RFC 9110 §13.1.2).
 * @param fixed its URL names this content: the client need not ask again
 */
export function sendDocument(request: Request, reply: Reply, document: Document, fixed = false): Reply {
  const etag = `"${document.hash}"`
  const cached = fixed ? `private, max-age=${yearSeconds}, immutable` : 'private, no-cache'
  void reply.headers({ etag, vary: 'Accept', 'cache-control': cached })
  const known = (request.headers['if-none-match'] ?? '')
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''))
  if (known.includes(etag) || known.includes('*')) return reply.code(304).send()
  return reply.header('content-type', document.type).send(document.body)
}
