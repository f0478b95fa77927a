import { createHash } from 'node:crypto'
import { fastify } from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { messageOf } from '../model/error.ts'
import { clientAddress } from '../model/forwarded.ts'
import type { IsTrusted } from '../model/forwarded.ts'
import { ownerNameLabel, releasedAnnotation } from '../model/hardware.ts'
import type { Hardware } from '../model/hardware.ts'
import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import { machinesOf } from '../model/machine.ts'
import type { Machine } from '../model/machine.ts'
import { isLive } from '../model/workflow.ts'
import type { Workflow } from '../model/workflow.ts'
import type { RecordStage } from '../timeline/stage.ts'
import type { Logger } from '../log.ts'
import { equinixMetadata, userStatePath } from './equinix.ts'
import { noCloudFolder, noCloudTree } from './nocloud.ts'
import { parsePhoneHome } from './phone.ts'
import type { PhoneHome } from './phone.ts'
import { parseUserState } from './user-state.ts'
import { metadataText, metadataTree, userDataAllowed } from './render.ts'

export type MetadataHttpDeps = {
  log: Logger
  machineByIp(ip: Ip4): Machine | undefined
  /** whether only the machine itself says that it has this address: then it gets no secrets. No when left out */
  isHearsay?(ip: Ip4): boolean
  hardware(namespace: string, name: string): Hardware | undefined
  workflowsForHardware(namespace: string, name: string): readonly Workflow[]
  /** the installed system of `machine` runs and has said so */
  phonedHome(machine: Machine, said: PhoneHome): void
  record: RecordStage
  /** proxies that are believed about who asks: none when left out */
  isTrusted?: IsTrusted
  /** every Hardware with this `metadata.instance.id`, for `instanceEndpoint` */
  hardwareByInstance?(id: string): readonly Hardware[]
  /** whether whoever knows the id of an instance may read its tree */
  instanceEndpoint?: boolean
}

const bodyLimit = 64 * 1024

/**
 * The metadata service: EC2's 2009-04-04 tree, the NoCloud files and Equinix Metal's JSON of the machine that asks, told
 * by its address alone, `POST /phone-home`, and `POST /events`. The caller listens (on several ports, with one instance each) and closes.
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
  for (const url of ['/phone-home', '/phone-home/'])
    app.post(url, (request, reply) => phoneHome(deps, request, reply))
  for (const url of [userStatePath, `${userStatePath}/`])
    app.post(url, (request, reply) => userState(deps, request, reply))
  return app
}

const plain = (reply: FastifyReply, status: number, text: string) =>
  reply.code(status).header('cache-control', 'no-store').type('text/plain; charset=utf-8').send(text)
const notFound = (reply: FastifyReply) => plain(reply, 404, 'not found\n')

function statusOf(error: unknown): number {
  const { statusCode } = error as { statusCode?: unknown }
  return typeof statusCode === 'number' && statusCode >= 400 ? statusCode : 500
}

type Asker = { machine: Machine; isHearsay: boolean }

function askerOf(deps: MetadataHttpDeps, { raw }: FastifyRequest): Asker | undefined {
  const peer = raw.socket.remoteAddress ?? ''
  const forwardedFor = raw.headers['x-forwarded-for']?.toString()
  const from = clientAddress(peer, forwardedFor, deps.isTrusted ?? (() => false))
  const ip = parseIp4(from ?? '')
  const machine = ip && deps.machineByIp(ip)
  if (!machine) deps.log.debug({ from: from ?? peer }, 'metadata asked for by an unknown address')
  return machine && { machine, isHearsay: deps.isHearsay?.(ip!) ?? false }
}

/**
 * A machine whose address only its own word for another DHCP server vouches for gets nothing at all when its Hardware has
 * something secret: half of its metadata would have cloud-init do half of its work, once.
 */
function isWithheld({ isHearsay }: Asker, { spec }: Hardware): boolean {
  return isHearsay && (spec?.userData !== undefined || spec?.vendorData !== undefined)
}

function read(deps: MetadataHttpDeps, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = (request.raw.url ?? '').split('?')[0]!
  const instance = /^\/tootles\/instanceID\/([^/]+)(\/.*)?$/.exec(path)
  if (instance) return readInstance(deps, reply, instance[1]!, instance[2] ?? '/')
  const asker = askerOf(deps, request)
  const hardware = asker && deps.hardware(asker.machine.namespace, asker.machine.name)
  if (!asker || !hardware) return notFound(reply)
  const { machine } = asker
  if (isWithheld(asker, hardware)) {
    deps.record(machine.mac, 'metadata', { withheld: true })
    return plain(reply, 403, 'this address is not in your Hardware\n')
  }
  const parts = path.split('/').filter((part) => part !== '')
  if (parts.length === 1 && parts[0] === 'metadata') {
    const json = equinixMetadata({ machine, hardware, baseUrl: baseOf(request) })
    return reply.header('cache-control', 'no-store').type('application/json').send(JSON.stringify(json))
  }
  const userData = userDataOf(deps, machine, hardware)
  const isUserData = parts.length === 1 && parts[0] === 'userdata'
  const isNoCloud = parts[0] === noCloudFolder
  const treeOf = isNoCloud ? noCloudTree : metadataTree
  const text = isUserData ? userData : metadataText(treeOf({ machine, hardware, userData }), path)
  if (text === undefined) return notFound(reply)
  const leaf = (isNoCloud ? /\/(meta-data|user-data)\/?$/ : /\/(instance-id|user-data|userdata)\/?$/).exec(
    path,
  )?.[1]
  if (leaf && request.method === 'GET') deps.record(machine.mac, 'metadata', { path: leaf })
  return plain(reply, 200, text)
}

/** Where the machine asked: its own word, which goes back to nobody else. */
function baseOf({ raw }: FastifyRequest): string {
  const { host = '' } = raw.headers
  const { localAddress, localPort } = raw.socket
  return `http://${/^[A-Za-z0-9.:[\]-]{1,255}$/.test(host) ? host : `${localAddress}:${localPort}`}`
}

/** EC2's tree of the one Hardware with this `metadata.instance.id`, for whoever asks, when that is switched on. */
function readInstance(deps: MetadataHttpDeps, reply: FastifyReply, id: string, path: string): FastifyReply {
  const found = deps.instanceEndpoint ? (deps.hardwareByInstance?.(unescaped(id) ?? '') ?? []) : []
  const [hardware] = found
  const machine = hardware && machinesOf(hardware)[0]
  if (!machine || found.length !== 1) return notFound(reply)
  const userData = userDataOf(deps, machine, hardware)
  const text = metadataText(metadataTree({ machine, hardware, userData }), path)
  return text === undefined ? notFound(reply) : plain(reply, 200, text)
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
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
  const machine = askerOf(deps, request)?.machine
  if (!machine) return notFound(reply)
  const body = typeof request.body === 'string' ? request.body : ''
  const said = parsePhoneHome(request.headers['content-type'] ?? '', body)
  if (!said) return plain(reply, 400, 'the body is not a JSON object\n')
  deps.record(machine.mac, 'phone-home', said)
  deps.phonedHome(machine, said)
  return plain(reply, 200, 'ok\n')
}

function userState(deps: MetadataHttpDeps, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const machine = askerOf(deps, request)?.machine
  if (!machine) return notFound(reply)
  const said = parseUserState(typeof request.body === 'string' ? request.body : '')
  if (typeof said === 'string') return plain(reply, 400, `${said}\n`)
  deps.record(machine.mac, 'user-state', said)
  return plain(reply, 200, 'ok\n')
}
