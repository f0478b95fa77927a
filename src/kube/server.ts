import { setMaxListeners } from 'node:events'
import fastify from 'fastify'
import type { Clock } from '../model/clock.ts'
import type { Logger } from '../log.ts'
import type { StateSpelling } from '../model/workflow-state.ts'
import { isJson } from './validate.ts'
import type { Store } from '../store/store.ts'
import { accessControl } from './access.ts'
import type { Admission } from './admit.ts'
import type { KubeApp, Reply, Request } from './app.ts'
import { auditWrites } from './audit.ts'
import { parseBodies } from './body.ts'
import { discoveryRoutes } from './discovery-routes.ts'
import { servedKinds } from './discovery.ts'
import { healthRoutes, metricsRoute } from './health.ts'
import type { Check, Figures } from './health.ts'
import { ironwakeRoutes } from './ironwake.ts'
import type { IronwakeDeps } from './ironwake.ts'
import type { LoginDeps } from './login.ts'
import { parseProtobuf } from './protobuf.ts'
import { resourceRoutes } from './resources.ts'
import { reviewRoutes } from './reviews.ts'
import { endConnections } from './connections.ts'
import { sendStatus } from './send.ts'
import { spelledStore } from './spelled-store.ts'
import { failure, statusOf } from './status.ts'
import type { Subject } from './status.ts'
import { createStreams } from './streams.ts'
import { tlsOptions } from './tls.ts'
import type { Tls } from './tls.ts'
import { tokenRoutes } from './tokens.ts'
import type { WorkflowControl } from './workflow-control.ts'
import type { IssueCertificate, Tokens } from './tokens.ts'

export type KubeDeps = Omit<IronwakeDeps, 'shutdown'> & {
  store: Store
  tls: Tls
  authenticate: LoginDeps['authenticate']
  /** without it tokens cannot be made */
  tokens?: Tokens
  /** without it client certificates cannot be made */
  issueCertificate?: IssueCertificate
  log: Logger
  /** gets a line for every write; default `log` */
  audit?: Logger
  clock: Clock
  newUid(): string
  ready(): readonly Check[]
  /** without it there is no `/metrics` */
  metrics?: Figures
  /** version of this program */
  version: string
  /** ms between the bookmarks of a watch; default one minute */
  bookmarkMs?: number
  /** a watcher that takes nothing for this long is cut off, ms; default 30 s */
  stalledMs?: number
  /** checks of Templates and Workflows before they are stored */
  admission?: Admission
  /** carries Workflows out; without it they are only kept */
  workflows?: WorkflowControl
  /** how clients of Workflows see their states; default `SUCCESS` */
  workflowStates?: StateSpelling
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
    https: { allowHTTP1: true, ...tlsOptions(deps.tls) },
    http2SessionTimeout: 600_000,
    bodyLimit,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 1024 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    frameworkErrors: (error, _request, reply) => {
      void sendStatus(reply as unknown as Reply, statusOf(error))
    },
  })
  const shutdown = new AbortController()
  setMaxListeners(0, shutdown.signal)
  endConnections(app, shutdown)
  parseBodies(app)
  parseProtobuf(app)
  auditWrites(app, { ...deps, audit: deps.audit ?? deps.log })
  const streams = createStreams((id) => deps.tokens?.isLive(id) ?? false)
  accessControl(app, { ...deps, streams })
  answerFailures(app, deps.log)
  healthRoutes(app, deps.ready)
  if (deps.metrics) metricsRoute(app, deps.metrics)
  discoveryRoutes(app, deps.version)
  reviewRoutes(app)
  tokenRoutes(app, { ...deps, onRevoked: () => streams.sweep(deps.clock.now()) })
  const workflowStates = deps.workflowStates ?? 'SUCCESS'
  const resources = {
    ...deps,
    store: spelledStore(deps.store, workflowStates),
    workflowStates,
    bookmarkMs: deps.bookmarkMs ?? 60_000,
    shutdown: shutdown.signal,
  }
  for (const info of servedKinds) resourceRoutes(app, info, resources)
  ironwakeRoutes(app, { ...deps, shutdown: shutdown.signal })
  return app
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

const pathOf = (request: Request): string => request.url.split('?')[0]!
