import { setMaxListeners } from 'node:events'
import fastify from 'fastify'
import type { Clock } from '../model/clock.ts'
import { AppError } from '../model/error.ts'
import type { Logger } from '../log.ts'
import { isJson } from './validate.ts'
import type { Store } from '../store/store.ts'
import { maxDepth, nestsDeeperThan } from '../store/json.ts'
import type { KubeApp, Reply, Request } from './app.ts'
import { discoveryRoutes } from './discovery-routes.ts'
import { servedKinds } from './discovery.ts'
import { healthRoutes } from './health.ts'
import type { Check } from './health.ts'
import { ironwakeRoutes } from './ironwake.ts'
import type { IronwakeDeps } from './ironwake.ts'
import { resourceRoutes } from './resources.ts'
import { endConnections } from './connections.ts'
import { failure, statusOf } from './status.ts'
import type { Status, Subject } from './status.ts'

export type KubeDeps = Omit<IronwakeDeps, 'shutdown'> & {
  store: Store
  tls: { certPem: string; keyPem: string }
  /** who a bearer token belongs to; must take the same time for right and wrong ones */
  authenticate(token: string): { user: string } | undefined
  log: Logger
  clock: Clock
  newUid(): string
  ready(): readonly Check[]
  /** version of this program */
  version: string
  /** ms between the bookmarks of a watch; default one minute */
  bookmarkMs?: number
}

/** Largest request body, as etcd-backed API servers have it. */
const bodyLimit = 3 * 1024 * 1024

/**
 * The API: Kubernetes-style resources, discovery, OpenAPI, health, and ironwake's own small routes, over HTTP/2 and
 * HTTP/1.1 with TLS. The caller listens and closes; closing ends watches and then connections.
 */
export function kubeServer(deps: KubeDeps): KubeApp {
  const app: KubeApp = fastify({
    http2: true,
    https: { allowHTTP1: true, key: deps.tls.keyPem, cert: deps.tls.certPem, minVersion: 'TLSv1.2' },
    http2SessionTimeout: 600_000,
    bodyLimit,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 1024 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    frameworkErrors: (error, _request, reply) => {
      sendStatus(reply as unknown as Reply, statusOf(error))
    },
  })
  const shutdown = new AbortController()
  setMaxListeners(0, shutdown.signal)
  endConnections(app, shutdown)
  parseBodies(app)
  requireToken(app, deps)
  answerFailures(app, deps.log)
  logWrites(app, deps)
  healthRoutes(app, deps.ready)
  discoveryRoutes(app, deps.version)
  const resources = { ...deps, bookmarkMs: deps.bookmarkMs ?? 60_000, shutdown: shutdown.signal }
  for (const info of servedKinds) resourceRoutes(app, info, resources)
  ironwakeRoutes(app, { ...deps, shutdown: shutdown.signal })
  return app
}

type Done = (error: Error | null, value?: unknown) => void
type Parser = (request: Request, body: string, done: Done) => void

/** JSON of every flavour is parsed; an empty body is no body, which some clients send with a DELETE. */
function parseBodies(app: KubeApp): void {
  app.removeAllContentTypeParsers()
  // Refuses `__proto__` and `constructor.prototype`; its declared type knows only plain HTTP servers.
  const json = app.getDefaultJsonParser('error', 'error') as unknown as Parser
  const parse: Parser = (request, body, done) => {
    if (body.length === 0) return done(null, undefined)
    return json(request, body, (error, value) => {
      if (error) return done(new AppError('BadRequest', `the request body is not JSON: ${error.message}`))
      if (nestsDeeperThan(value, maxDepth + 1))
        return done(new AppError('BadRequest', `the request body is nested deeper than ${maxDepth} levels`))
      return done(null, value)
    })
  }
  const types = [/^application\/json(;|$)/, /^application\/[a-z-]+\+json(;|$)/]
  for (const type of types) app.addContentTypeParser<string>(type, { parseAs: 'string' }, parse)
  app.addContentTypeParser<string>(/^text\/(csv|plain)(;|$)/, { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  )
}

function requireToken(app: KubeApp, { authenticate }: Pick<KubeDeps, 'authenticate'>): void {
  app.decorateRequest('user', undefined)
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.open) return
    const token = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]
    request.user = token === undefined ? undefined : authenticate(token)?.user
    if (request.user !== undefined) return
    void reply.header('www-authenticate', 'Bearer realm="ironwake"')
    return sendStatus(reply, failure(401, 'Unauthorized', 'Unauthorized'))
  })
}

function answerFailures(app: KubeApp, log: Logger): void {
  app.setNotFoundHandler((_request, reply) =>
    sendStatus(reply, failure(404, 'NotFound', 'the server could not find the requested resource')),
  )
  app.setErrorHandler((error, request, reply) => {
    const status = statusOf(error, subjectOf(request))
    if (status.code >= 500 && status.code !== 504)
      log.error({ err: error, method: request.method, path: pathOf(request) }, 'api request failed')
    return sendStatus(reply, status)
  })
}

function subjectOf(request: Request): Subject | undefined {
  const { info } = request.routeOptions.config
  if (!info) return undefined
  const { group, plural, kind } = info
  const metadata = isJson(request.body) ? request.body['metadata'] : undefined
  const inBody = isJson(metadata) ? metadata['name'] : undefined
  const name = (request.params as { name?: string }).name ?? inBody
  return { group, plural, kind, ...(typeof name === 'string' ? { name } : {}) }
}

function sendStatus(reply: Reply, status: Status & { code: number }): Reply {
  const { retryAfterSeconds } = status.details ?? {}
  if (retryAfterSeconds !== undefined) void reply.header('retry-after', String(retryAfterSeconds))
  return reply.code(status.code).header('content-type', 'application/json').send(status)
}

function logWrites(app: KubeApp, { log, clock }: Pick<KubeDeps, 'log' | 'clock'>): void {
  const started = new WeakMap<object, number>()
  app.addHook('onRequest', async (request) => {
    started.set(request, clock.now())
  })
  app.addHook('onResponse', async (request, reply) => {
    const { method, user } = request
    const ms = clock.now() - (started.get(request) ?? clock.now())
    const entry = { method, path: pathOf(request), status: reply.statusCode, user, ms }
    if (method === 'GET' || reply.statusCode >= 400) log.debug(entry, 'api request')
    else log.info(entry, 'api write')
  })
}

const pathOf = (request: Request): string => request.url.split('?')[0]!
