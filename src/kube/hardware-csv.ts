import { Readable } from 'node:stream'
import type { Logger } from '../log.ts'
import { AppError } from '../model/error.ts'
import type { KubeObject } from '../model/object.ts'
import type { KubeApp, Reply, Request } from './app.ts'
import { isConcealed } from './conceal.ts'
import { LineStream } from './lines.ts'
import { isSet, parameter } from './options.ts'
import type { Query } from './options.ts'
import { labelSelector } from './selector.ts'
import { failure, statusOf } from './status.ts'

/** A fault of one CSV cell: `line` as in the file (the header is 1). */
export type CsvFault = { line: number; column: string; value: string; expected: string }

export type ImportReport =
  | { created: number; updated: number; unchanged: number; warnings: readonly string[] }
  | { faults: readonly CsvFault[]; moreFaults?: number; warnings: readonly string[] }

/** `reading`: bytes, of `total` 0 = not known; `storing`: rows. */
export type ImportProgress = { phase: 'reading' | 'storing'; rows: number; done: number; total: number }

export type ImportOptions = {
  namespace: string
  dryRun: boolean
  totalBytes?: number
  onProgress?: (progress: ImportProgress) => void
}

export type ExportOptions = {
  namespace?: string
  selects(object: KubeObject): boolean
  withSecrets: boolean
}

export type HardwareCsvDeps = {
  importCsv(body: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<ImportReport>
  /** without it the route does not exist */
  exportCsv?(options: ExportOptions): Promise<{
    pieces: AsyncIterable<string>
    leftOut: { count: number; items: readonly string[] }
  }>
  log: Pick<Logger, 'error'>
  shutdown: AbortSignal
}

/** Namespace of objects from CSV, unless told otherwise. */
const csvNamespace = 'eksa-system'
/** Imports at a time: each holds the addresses of its file in memory. */
const mostImports = 2
/** An answer with progress may take this long, ms. */
const longestMs = 3_600_000
/** How long the rest of a file that was refused is taken and thrown away, ms. */
const discardMs = 10_000

const path = '/ironwake/v1/hardware'

/** hardware.csv in and out. Bodies are streams here, of any size. */
export function hardwareCsvRoutes(app: KubeApp, deps: HardwareCsvDeps): void {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    const asStream = async (_request: unknown, payload: unknown) => payload
    scope.addContentTypeParser(/^text\/(csv|plain)(;|$)/, asStream)
    scope.addContentTypeParser('*', async (_request: unknown, payload: Readable) => discard(payload))
    // A scope is of the same kind as its server; its declared type knows only plain HTTP servers.
    importRoute(scope as unknown as KubeApp, deps)
  })
  exportRoute(app, deps)
}

function importRoute(app: KubeApp, deps: HardwareCsvDeps): void {
  let running = 0
  app.post(`${path}/import`, async (request, reply) => {
    if (!(request.body instanceof Readable))
      throw new AppError('UnsupportedMediaType', 'the request body must be CSV, with content type text/csv')
    if (running >= mostImports)
      throw new AppError('Unavailable', `${running} imports are under way: try again when one has ended`)
    running++
    const body = request.body
    try {
      const wantsLines = /\bapplication\/x-ndjson\b/i.test(request.headers.accept ?? '')
      return await (wantsLines
        ? answerLines(request, reply, body, deps)
        : answerOnce(request, reply, body, deps))
    } finally {
      running--
      discard(body)
    }
  })
}

async function answerOnce(request: Request, reply: Reply, body: Readable, deps: HardwareCsvDeps) {
  const report = await deps.importCsv(piecesOf(request, body), optionsOf(request))
  if (!('faults' in report)) return report
  return reply.code(422).send(failureOf(report))
}

/** Lines of progress, and the result or the failure as the last one: `phase` is `done` or `failed`. */
async function answerLines(request: Request, reply: Reply, body: Readable, deps: HardwareCsvDeps) {
  const options = optionsOf(request)
  const lines = new LineStream(reply.hijack().raw, {
    contentType: 'application/x-ndjson',
    timeoutMs: longestMs,
    shutdown: deps.shutdown,
    onEnd: () => {},
  })
  const onProgress = (progress: ImportProgress) => void lines.write(progress)
  try {
    const report = await deps.importCsv(piecesOf(request, body), { ...options, onProgress })
    const failed = 'faults' in report
    await lines.write(failed ? { phase: 'failed', ...failureOf(report) } : { phase: 'done', ...report })
  } catch (error) {
    const status = statusOf(error)
    if (status.code >= 500) deps.log.error({ err: error }, 'hardware import failed')
    await lines.write({ phase: 'failed', ...status })
  }
  lines.end()
  return reply
}

function optionsOf(request: Request): ImportOptions {
  const query = request.query as Query
  const totalBytes = Number(request.headers['content-length'] ?? 0)
  return {
    namespace: parameter(query, 'namespace') ?? csvNamespace,
    dryRun: isSet(query, 'dryRun') || parameter(query, 'dryRun') === 'All',
    ...(totalBytes > 0 ? { totalBytes } : {}),
  }
}

function failureOf(report: Extract<ImportReport, { faults: unknown }>) {
  const count = report.faults.length + (report.moreFaults ?? 0)
  const message = `the CSV has ${count} fault(s); nothing was imported`
  return { ...failure(422, 'Invalid', message), ...report }
}

/**
 * The body's bytes. Whoever stops early leaves the connection as it is, so that the answer still gets through.
 * @throws AppError BadRequest when the client broke off: a part of a file is no file
 */
async function* piecesOf(request: Request, body: Readable): AsyncGenerator<Uint8Array> {
  const { raw } = request
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
  if (raw.aborted || (length !== undefined && bytes !== Number(length))) throw brokenOff(bytes)
}

const brokenOff = (bytes: number, cause?: unknown) =>
  new AppError('BadRequest', `the file broke off after ${bytes} bytes; nothing was imported`, { cause })

/** Reads what is left of a body, so that a client that sends before it listens gets its answer; not for ever. */
function discard(body: Readable): void {
  if (body.readableEnded || body.destroyed) return
  const timer = setTimeout(() => body.destroy(), discardMs).unref()
  body.once('close', () => clearTimeout(timer))
  body.on('error', () => {})
  body.resume()
}

function exportRoute(app: KubeApp, { exportCsv }: HardwareCsvDeps): void {
  if (!exportCsv) return
  app.get(`${path}/export`, async (request, reply) => {
    const query = request.query as Query
    const namespace = parameter(query, 'namespace')
    const withSecrets = isSet(query, 'secrets')
    const role = request.caller?.role
    if (withSecrets && (!role || isConcealed(role, 'Secret')))
      throw new AppError('Forbidden', 'forbidden: an export with secrets needs the right to read Secrets')
    const { pieces, leftOut } = await exportCsv({
      ...(namespace === undefined ? {} : { namespace }),
      selects: labelSelector(parameter(query, 'labelSelector') ?? ''),
      withSecrets,
    })
    for (const warning of warningsOf(leftOut)) void reply.header('warning', warning)
    return reply.type('text/csv; charset=utf-8').send(Readable.from(pieces))
  })
}

/** Machines that a warning names: headers are to stay small. */
const mostNamed = 20

function warningsOf({ count, items }: { count: number; items: readonly string[] }): string[] {
  if (count === 0) return []
  const named = items.slice(0, mostNamed).map((text) => text.replaceAll(/[^ -~]|["\\]/g, '?').slice(0, 200))
  const more = count > named.length ? ` and ${count - named.length} more` : ''
  return [`299 - "left out, since no row can hold them: ${named.join(', ')}${more}"`]
}
