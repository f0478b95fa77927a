import { fastify } from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Server } from 'node:tls'
import { systemClock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import { binaryFile, decodePath, rootFile, tftpFile } from './files.ts'
import type { BootFile } from './files.ts'
import { clientOf, notFound, refuse } from './house.ts'
import type { BootHttpDeps, House, Most } from './house.ts'
import { serveIso } from './isos.ts'
import { bootMethods, bootRoutes } from './routes.ts'
import type { BootRoute, Serves } from './routes.ts'
import { createSay } from './say.ts'
import { identityOf, scriptByAddress, scriptByMac } from './scripts.ts'
import { newDownloads } from './send.ts'
import { serveFile } from './served.ts'

export type { BootHttpDeps } from './house.ts'

/** A reader that stops reading for this long has gone away. */
const idleMs = 300_000

/** The HTTP side of booting: docs/architecture.md, "HTTP boot". The caller listens and closes. */
export function bootHttp(deps: BootHttpDeps): FastifyInstance {
  const say = createSay(deps.log, deps.clock ?? systemClock)
  const house: House = {
    ...deps,
    say,
    downloads: deps.downloads ?? newDownloads(),
    isTrusted: deps.isTrusted ?? (() => false),
  }
  const app = makeApp(deps.tls)
  app.setNotFoundHandler((_request, reply) => notFound(reply))
  app.setErrorHandler((error, request, reply) => {
    say('error', { url: request.url.slice(0, 200), why: messageOf(error) }, 'boot request failed')
    return reply.code(500).type('text/plain').send('internal error\n')
  })
  limitClients(app, house, deps.most ?? { connections: 4096, ofClient: 512, waiting: 64 })
  for (const route of bootRoutes) addRoute(app, house, route)
  return app
}

function makeApp(tls: BootHttpDeps['tls']): FastifyInstance {
  const options = {
    logger: false,
    trustProxy: false,
    exposeHeadRoutes: false,
    bodyLimit: 1024,
    requestTimeout: 30_000,
    connectionTimeout: idleMs,
    keepAliveTimeout: 30_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 255 },
    rewriteUrl: originForm,
    frameworkErrors: (_error: unknown, _request: unknown, reply: unknown) =>
      void notFound(reply as FastifyReply),
  } as const
  if (!tls) return fastify(options)
  const https = { cert: tls.certPem, key: tls.keyPem, handshakeTimeout: 10_000 }
  return fastify({ ...options, https }) as unknown as FastifyInstance
}

/** Connections from now on are served with `pair`; those that exist stay as they are. */
export function replaceTls(
  app: FastifyInstance,
  { certPem, keyPem }: NonNullable<BootHttpDeps['tls']>,
): void {
  ;(app.server as unknown as Server).setSecureContext({ cert: certPem, key: keyPem })
}

/** The path of a request that names the whole URL, as clients of proxies do (RFC 9112 §3.2.2). */
function originForm({ url = '/' }: IncomingMessage): string {
  const rest = /^https?:\/\/[^/?#]*(.*)$/i.exec(url)?.[1]
  return rest === undefined ? url : rest.startsWith('/') ? rest : `/${rest}`
}

/** One client may not take all connections; trusted proxies stand for many. */
function limitClients(app: FastifyInstance, { isTrusted }: House, most: Most): void {
  const ofClient = new Map<string, number>()
  const waiting = new WeakMap<Socket, number>()
  const add = (address: string, change: number) => {
    const count = (ofClient.get(address) ?? 0) + change
    if (count > 0) ofClient.set(address, count)
    else ofClient.delete(address)
    return count
  }
  app.server.maxConnections = most.connections
  app.server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    socket.setMaxListeners(2 * most.waiting)
    socket.once('close', () => add(address, -1))
    if (add(address, 1) > most.ofClient && !isTrusted(address)) socket.destroy()
  })
  app.addHook('onRequest', async ({ raw: { socket } }, reply) => {
    const count = (waiting.get(socket) ?? 0) + 1
    waiting.set(socket, count)
    reply.raw.once('close', () => waiting.set(socket, waiting.get(socket)! - 1))
    if (count > most.waiting) socket.destroy()
  })
}

function addRoute(app: FastifyInstance, house: House, route: BootRoute): void {
  const { path } = route
  const handler = handlerOf(house, route)
  app.route({ method: [...bootMethods], url: path, handler })
  app.route({
    method: app.supportedMethods.filter((method) => !bootMethods.includes(method)),
    url: path,
    onRequest: async (_request, reply) => {
      await refuse(reply.header('allow', bootMethods.join(', ')), 405, 'method not allowed')
    },
    handler: (_request, reply) => reply,
  })
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => FastifyReply | Promise<FastifyReply>

function handlerOf(house: House, { path, serves }: BootRoute): Handler {
  if (serves === 'script') return (request, reply) => scriptByMac(house, request, reply)
  if (serves === 'own-script') return (request, reply) => scriptByAddress(house, request, reply)
  if (serves === 'identity') return (request, reply) => identityOf(house, request, reply)
  if (serves === 'alive') return (_request, reply) => refuse(reply, 200, 'ok')
  if (serves === 'ready')
    return (_request, reply) => (house.ready() ? refuse(reply, 200, 'ok') : refuse(reply, 503, 'starting'))
  const prefix = path.slice(0, -1)
  const nameOf = (request: FastifyRequest) =>
    decodePath((request.raw.url ?? '').split('?')[0]!.slice(prefix.length))
  if (serves === 'iso') return (request, reply) => serveIso(house, request, reply, nameOf(request) ?? '')
  if (serves === 'cached-image')
    return (request, reply) => serveCached(house, request, reply, nameOf(request))
  const fileFor = fileNames[serves]
  return (request, reply) => {
    const name = nameOf(request)
    const file = name === undefined ? undefined : fileFor(name)
    if (name === undefined || !file) return notFound(reply)
    const { openTftpName } = house
    const open = () =>
      serves === 'tftp-file' && openTftpName
        ? openTftpName(name, { ip: clientOf(house, request) })
        : house.files.open(file)
    return serveFile(house, request, reply, file, open)
  }
}

type ServesFile = Exclude<
  Serves,
  'script' | 'own-script' | 'identity' | 'alive' | 'ready' | 'iso' | 'cached-image'
>

const fileNames: Readonly<Record<ServesFile, (name: string) => BootFile | undefined>> = {
  binary: binaryFile,
  'old-binary': (name) => (name.includes('/') ? undefined : binaryFile(name)),
  'tftp-file': tftpFile,
  'os-file': (name) => rootFile('os', name),
  image: (name) => rootFile('image', name),
}

function serveCached(
  house: House,
  request: FastifyRequest,
  reply: FastifyReply,
  path: string | undefined,
): FastifyReply | Promise<FastifyReply> {
  const { cache } = house
  if (!cache || path === undefined) return notFound(reply)
  const { sha256 } = request.query as { sha256?: unknown }
  if (sha256 !== undefined && !(typeof sha256 === 'string' && /^[0-9a-f]{64}$/i.test(sha256)))
    return refuse(reply, 400, 'sha256 is not 64 hexadecimal digits')
  const open = () => cache.openPath(path, sha256?.toLowerCase())
  return serveFile(house, request, reply, { root: 'cache', path }, open)
}
