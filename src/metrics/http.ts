import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Registry } from 'prom-client'
import { createCounter, createGauge, createHistogram } from './figures.ts'

/** A server's side that speaks HTTP. */
export type Service = 'boot' | 'metadata' | 'api'

/** Any fastify, whatever its version of HTTP. */
export type WebApp = { addHook: unknown }

/** s */
const bounds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800]

/** Counts the requests of an app by its routes: as they are declared, never as they are asked for. */
export function createHttpFigures(registry: Registry): (service: Service, app: WebApp) => void {
  const active = new Map<string, number>()
  const requests = createCounter(registry, {
    name: 'ironwake_http_requests_total',
    help: 'HTTP requests, by service, method, route and status.',
    labels: ['service', 'method', 'route', 'code'],
  })
  const bytes = createCounter(registry, {
    name: 'ironwake_http_response_bytes_total',
    help: 'Octets of HTTP answers, by service and route. Over HTTP/2 only bodies of known length are counted.',
    labels: ['service', 'route'],
  })
  const durations = createHistogram(
    registry,
    {
      name: 'ironwake_http_request_duration_seconds',
      help: 'Time to the end of HTTP answers, by service and route. Watches and followed streams are left out.',
      labels: ['service', 'route'],
    },
    bounds,
  )
  createGauge(
    registry,
    {
      name: 'ironwake_http_requests',
      help: 'HTTP requests in progress, watches included, by service.',
      labels: ['service'],
    },
    () => [...active].map(([service, count]) => [[service], count] as const),
  )
  return (service, some) => {
    const app = some as FastifyInstance
    active.set(service, active.get(service) ?? 0)
    const change = (by: number) => active.set(service, active.get(service)! + by)
    app.addHook('onRequest', (request, reply, done) => {
      const start = performance.now()
      const sizeOf = sizes(request)
      change(1)
      reply.raw.once('close', () => {
        change(-1)
        const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none')
        const code = reply.raw.headersSent ? String(reply.raw.statusCode) : 'aborted'
        requests.add([service, request.method, route, code])
        bytes.add([service, route], sizeOf(reply))
        if (!isStream(request)) durations.observe([service, route], (performance.now() - start) / 1000)
      })
      done()
    })
  }
}

/**
 * How much is sent: a connection of HTTP/1 has one answer at a time; one of HTTP/2 has many, of which the headers must
 * tell.
 */
function sizes({ raw, method }: FastifyRequest): (reply: FastifyReply) => number {
  if (raw.httpVersionMajor < 2) {
    const { socket } = raw
    const before = socket.bytesWritten
    return () => Math.max(0, socket.bytesWritten - before)
  }
  return (reply) => {
    const length = Number(reply.getHeader('content-length') ?? 0)
    return method === 'HEAD' || !Number.isFinite(length) ? 0 : length
  }
}

function isStream({ query }: FastifyRequest): boolean {
  const { watch, follow } = (query ?? {}) as Record<string, unknown>
  return [watch, follow].some((word) => word !== undefined && word !== 'false' && word !== '0')
}
