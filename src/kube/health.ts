import type { KubeApp, Reply } from './app.ts'

/** One thing that must hold before this server is ready. */
export type Check = { name: string; ok: boolean }

/** `/healthz` and `/livez`: the process answers. `/readyz`: every check holds, else 503 with those that do not. */
export function healthRoutes(app: KubeApp, ready: () => readonly Check[]): void {
  const config = { open: true }
  for (const url of ['/healthz', '/livez'])
    app.get(url, { config }, async (_request, reply: Reply) => plain(reply, 200, 'ok'))
  app.get('/readyz', { config }, async (request, reply: Reply) => {
    const checks = ready()
    const failed = checks.filter((check) => !check.ok)
    const verbose = Object.hasOwn(request.query as object, 'verbose')
    if (failed.length === 0 && !verbose) return plain(reply, 200, 'ok')
    const lines = (verbose ? checks : failed).map(({ name, ok }) =>
      ok ? `[+]${name} ok` : `[-]${name} failed`,
    )
    const verdict = failed.length === 0 ? 'readyz check passed' : 'readyz check failed'
    return plain(reply, failed.length === 0 ? 200 : 503, `${lines.join('\n')}\n${verdict}\n`)
  })
}

/** Figures for Prometheus; `open`: shown without credentials. */
export type Figures = { open: boolean; text(): Promise<{ type: string; body: string }> }

/** `/metrics`, for whoever may read reports. */
export function metricsRoute(app: KubeApp, { open, text }: Figures): void {
  app.get('/metrics', { config: { open } }, async (_request, reply: Reply) => {
    const { type, body } = await text()
    return reply.header('content-type', type).send(body)
  })
}

function plain(reply: Reply, code: number, text: string): Reply {
  return reply.code(code).header('content-type', 'text/plain; charset=utf-8').send(text)
}
