import { Readable } from 'node:stream'
import type { Logger } from '../log.ts'
import { AppError } from '../model/error.ts'
import type { KubeObject } from '../model/object.ts'
import type { KubeApp, Reply, Request } from './app.ts'
import { isConcealed } from './conceal.ts'
import { discard, takeUploads, uploadOf } from './csv-upload.ts'
import type { Upload } from './csv-upload.ts'
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

const path = '/ironwake/v1/hardware'

/** hardware.csv in and out. Bodies are streams here, of any size. */
export function hardwareCsvRoutes(app: KubeApp, deps: HardwareCsvDeps): void {
  void app.register(async (plain) => {
    // A scope is of the same kind as its server; its declared type knows only plain HTTP servers.
    const scope = plain as unknown as KubeApp
    await takeUploads(scope)
    importRoute(scope, deps)
  })
  exportRoute(app, deps)
}

function importRoute(app: KubeApp, deps: HardwareCsvDeps): void {
  let running = 0
  app.post(`${path}/import`, async (request, reply) => {
    const upload = uploadOf(request)
    if (running >= mostImports)
      throw new AppError('Unavailable', `${running} imports are under way: try again when one has ended`)
    running++
    try {
      const wantsLines = /\bapplication\/x-ndjson\b/i.test(request.headers.accept ?? '')
      return await (wantsLines
        ? answerLines(request, reply, upload, deps)
        : answerOnce(request, reply, upload, deps))
    } finally {
      running--
      discard(request)
    }
  })
}

async function answerOnce(request: Request, reply: Reply, upload: Upload, deps: HardwareCsvDeps) {
  const report = await deps.importCsv(upload.pieces(), optionsOf(request, upload))
  if (!('faults' in report)) return report
  return reply.code(422).send(failureOf(report))
}

/** Lines of progress, and the result or the failure as the last one: `phase` is `done` or `failed`. */
async function answerLines(request: Request, reply: Reply, upload: Upload, deps: HardwareCsvDeps) {
  const options = optionsOf(request, upload)
  const lines = new LineStream(reply.hijack().raw, {
    contentType: 'application/x-ndjson',
    timeoutMs: longestMs,
    shutdown: deps.shutdown,
    onEnd: () => {},
  })
  const onProgress = (progress: ImportProgress) => void lines.write(progress)
  try {
    const report = await deps.importCsv(upload.pieces(), { ...options, onProgress })
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

function optionsOf(request: Request, { totalBytes }: Upload): ImportOptions {
  const query = request.query as Query
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
