import { createHash } from 'node:crypto'
import { fastify } from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { messageOf } from '../model/error.ts'
import { ownerNameLabel, releasedAnnotation } from '../model/hardware.ts'
import type { Hardware } from '../model/hardware.ts'
import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Machine } from '../model/machine.ts'
import { isLive } from '../model/workflow.ts'
import type { Workflow } from '../model/workflow.ts'
import type { RecordStage } from '../timeline/stage.ts'
import type { Logger } from '../log.ts'
import { noCloudFolder, noCloudTree } from './nocloud.ts'
import { parsePhoneHome } from './phone.ts'
import type { PhoneHome } from './phone.ts'
import { metadataText, metadataTree, userDataAllowed } from './render.ts'

export type MetadataHttpDeps = {
  log: Logger
  machineByIp(ip: Ip4): Machine | undefined
  hardware(namespace: string, name: string): Hardware | undefined
  workflowsForHardware(namespace: string, name: string): readonly Workflow[]
  /** the installed system of `machine` runs and has said so */
  phonedHome(machine: Machine, said: PhoneHome): void
  record: RecordStage
}

const bodyLimit = 64 * 1024

/**
 * The metadata service: EC2's 2009-04-04 tree and the NoCloud files of the machine that asks, told by its source
 * address alone, and `POST /phone-home`. The caller listens (on several ports, with one instance each) and closes.
 */
export function metadataHttp(deps: MetadataHttpDeps): FastifyInstance {
  const app = fastify({
    logger: false,
    trustProxy: false,
    exposeHeadRoutes: false,
    bodyLimit,
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 30_000,
    forceCloseConnections: true,
    frameworkErrors: (_error, _request, reply) => void notFound(reply as unknown as FastifyReply),
  })
  app.setNotFoundHandler((_request, reply) => notFound(reply))
  app.setErrorHandler((error, request, reply) => {
    const status = statusOf(error)
    if (status >= 500)
      deps.log.error({ url: request.url.slice(0, 200), why: messageOf(error) }, 'metadata request failed')
    return plain(reply, status, status >= 500 ? 'internal error\n' : `${messageOf(error)}\n`)
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string', bodyLimit }, (_request, body, done) => done(null, body))
  app.route({ method: ['GET', 'HEAD'], url: '/*', handler: (request, reply) => read(deps, request, reply) })
  app.post('/phone-home', (request, reply) => phoneHome(deps, request, reply))
  app.post('/phone-home/', (request, reply) => phoneHome(deps, request, reply))
  return app
}

const plain = (reply: FastifyReply, status: number, text: string) =>
  reply.code(status).header('cache-control', 'no-store').type('text/plain; charset=utf-8').send(text)
const notFound = (reply: FastifyReply) => plain(reply, 404, 'not found\n')

function statusOf(error: unknown): number {
  const { statusCode } = error as { statusCode?: unknown }
  return typeof statusCode === 'number' && statusCode >= 400 ? statusCode : 500
}

function machineOf(deps: MetadataHttpDeps, request: FastifyRequest): Machine | undefined {
  const ip = parseIp4((request.raw.socket.remoteAddress ?? '').replace(/^::ffff:/i, ''))
  const machine = ip && deps.machineByIp(ip)
  if (!machine)
    deps.log.debug({ from: request.raw.socket.remoteAddress }, 'metadata asked for by an unknown address')
  return machine
}

function read(deps: MetadataHttpDeps, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const machine = machineOf(deps, request)
  const hardware = machine && deps.hardware(machine.namespace, machine.name)
  if (!machine || !hardware) return notFound(reply)
  const path = (request.raw.url ?? '').split('?')[0]!
  const isNoCloud = path.split('/').find((part) => part !== '') === noCloudFolder
  const treeOf = isNoCloud ? noCloudTree : metadataTree
  const text = metadataText(
    treeOf({ machine, hardware, userData: userDataOf(deps, machine, hardware) }),
    path,
  )
  if (text === undefined) return notFound(reply)
  const leaf = (isNoCloud ? /\/(meta-data|user-data)\/?$/ : /\/(instance-id|user-data)\/?$/).exec(path)?.[1]
  if (leaf && request.method === 'GET') deps.record(machine.mac, 'metadata', { path: leaf })
  return plain(reply, 200, text)
}

/** The userData that this machine may read now. */
function userDataOf(deps: MetadataHttpDeps, machine: Machine, hardware: Hardware): string | undefined {
  const userData = hardware.spec?.userData
  if (userData === undefined) return undefined
  const { labels, annotations } = hardware.metadata
  const allowed = userDataAllowed({
    sha256: createHash('sha256').update(userData).digest('hex'),
    releasedSha256: annotations?.[releasedAnnotation],
    owned: Boolean(labels?.[ownerNameLabel]),
    workflowLive: deps.workflowsForHardware(machine.namespace, machine.name).some(isLive),
  })
  return allowed ? userData : undefined
}

function phoneHome(deps: MetadataHttpDeps, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const machine = machineOf(deps, request)
  if (!machine) return notFound(reply)
  const body = typeof request.body === 'string' ? request.body : ''
  const said = parsePhoneHome(request.headers['content-type'] ?? '', body)
  if (!said) return plain(reply, 400, 'the body is not a JSON object\n')
  deps.record(machine.mac, 'phone-home', said)
  deps.phonedHome(machine, said)
  return plain(reply, 200, 'ok\n')
}
