import { Readable } from 'node:stream'
import multipart from '@fastify/multipart'
import type { Multipart } from '@fastify/multipart'
import { AppError, messageOf } from '../model/error.ts'
import type { KubeApp, Request } from './app.ts'

/** A file on its way in, as the body of a request or as the one file of a form. */
export type Upload = {
  /**
   * Its bytes, once. Whoever stops early leaves the connection as it is, so that the answer still gets through.
   * @throws AppError BadRequest when the client broke off, since a part of a file is no file; or for what is no such form
   */
  pieces(): AsyncGenerator<Uint8Array>
  /** 0: not known, as in a form */
  totalBytes: number
}

/** Whatever a form could say beside its file is said in the URL; that there is one field is enough to refuse it. */
const formLimits = {
  files: 1,
  fields: 1,
  parts: 2,
  fieldNameSize: 100,
  fieldSize: 1024,
  headerPairs: 50,
  fileSize: Number.POSITIVE_INFINITY,
}

/** How long the rest of a file that was refused is taken and thrown away, ms. */
const discardMs = 10_000

/** Bodies of `scope` are streams, of any size: CSV, or a form (RFC 7578) with a file. Others are thrown away. */
export async function takeUploads(scope: KubeApp): Promise<void> {
  scope.removeAllContentTypeParsers()
  await scope.register(multipart, { limits: formLimits, throwFileSizeLimit: false })
  scope.addContentTypeParser(
    /^text\/(csv|plain)(;|$)/,
    async (_request: unknown, payload: unknown) => payload,
  )
  scope.addContentTypeParser('*', async (request: Request) => discard(request))
}

/** @throws AppError UnsupportedMediaType */
export function uploadOf(request: Request): Upload {
  const { body } = request
  if (request.isMultipart()) return { pieces: () => piecesOfForm(request), totalBytes: 0 }
  if (body instanceof Readable)
    return {
      pieces: () => piecesOf(request, body),
      totalBytes: Number(request.headers['content-length'] ?? 0),
    }
  const expected = 'CSV, with content type text/csv, or a form with one file (multipart/form-data)'
  throw new AppError('UnsupportedMediaType', `the request body must be ${expected}`)
}

async function* piecesOf(request: Request, body: Readable): AsyncGenerator<Uint8Array> {
  const length = request.headers['content-length']
  let bytes = 0
  try {
    for await (const piece of body.iterator({ destroyOnReturn: false })) {
      bytes += (piece as Uint8Array).length
      yield piece as Uint8Array
    }
  } catch (error) {
    throw brokenOff(bytes, error)
  }
  if (request.raw.aborted || (length !== undefined && bytes !== Number(length))) throw brokenOff(bytes)
}

/** What ends a form is known only when all of it was read: a second file, or no end at all. */
async function* piecesOfForm(request: Request): AsyncGenerator<Uint8Array> {
  const { raw } = request
  let bytes = 0
  let file: Readable | undefined
  // The parser does not always hear that a client has gone, and waits.
  const gone = new Promise<never>((_, reject) => {
    const leave = () => {
      if (raw.readableEnded) return
      file?.destroy(brokenOff(bytes))
      reject(brokenOff(bytes))
    }
    if (raw.destroyed || raw.aborted) leave()
    else raw.once('aborted', leave).once('close', leave)
  })
  gone.catch(() => {})
  try {
    const parts = request.parts()
    const first = await Promise.race([parts.next(), gone])
    file = fileOf(first.value as Multipart | undefined)
    for await (const piece of file.iterator({ destroyOnReturn: false })) {
      bytes += (piece as Uint8Array).length
      yield piece as Uint8Array
    }
    const more = await Promise.race([parts.next(), gone])
    if (!more.done) fileOf(more.value)
  } catch (error) {
    throw formFault(error, bytes)
  }
  if (raw.aborted) throw brokenOff(bytes)
}

const wanted = 'expected a form with one file and nothing else, as "curl -F file=@hardware.csv" sends it'

/** @throws AppError BadRequest when it is no file */
function fileOf(part: Multipart | undefined): Readable {
  if (!part) throw new AppError('BadRequest', `the form has no file; ${wanted}`)
  if (part.type === 'file') return part.file
  const name = JSON.stringify(part.fieldname.slice(0, 100))
  throw new AppError('BadRequest', `the form has a field ${name}; ${wanted}; parameters belong into the URL`)
}

/** Faults of the parser, by their code or their words. */
const limits = new Set(['FST_FILES_LIMIT', 'FST_FIELDS_LIMIT', 'FST_PARTS_LIMIT'])
const ends = /premature|aborted|terminated early|unexpected end|econnreset/i

function formFault(error: unknown, bytes: number): AppError {
  if (error instanceof AppError) return error
  const { code = '' } = error as { code?: string }
  const text = messageOf(error)
  if (limits.has(code)) return new AppError('BadRequest', `the form has more than one file; ${wanted}`)
  if (code === 'FST_MP_PREMATURE_CLOSE' || ends.test(`${code} ${text}`)) return brokenOff(bytes, error)
  return new AppError('BadRequest', `the form cannot be read (${text}); ${wanted}`, { cause: error })
}

const brokenOff = (bytes: number, cause?: unknown) =>
  new AppError('BadRequest', `the file broke off after ${bytes} bytes; nothing was imported`, { cause })

/** Reads what is left of a body, so that a client that sends before it listens gets its answer; not for ever. */
export function discard({ raw }: Request): void {
  if (raw.readableEnded || raw.destroyed) return
  const timer = setTimeout(() => raw.destroy(), discardMs).unref()
  raw.once('close', () => clearTimeout(timer))
  raw.on('error', () => {})
  raw.unpipe()
  raw.resume()
}
