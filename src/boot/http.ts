import { fastify } from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { systemClock } from '../model/clock.ts'
import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { Workflow } from '../model/workflow.ts'
import type { RecordStage } from '../timeline/stage.ts'
import type { Logger } from '../log.ts'
import { cpioArchive } from './cpio.ts'
import { binaryFile, decodePath, rootFile } from './files.ts'
import type { BootFile } from './files.ts'
import type { Identity } from './identity.ts'
import type { BootFiles } from './open.ts'
import { machineScript, unknownMachineScript, waitScript } from './script.ts'
import type { BootSite, ScriptTexts } from './script.ts'
import { createSay } from './say.ts'
import type { Say } from './say.ts'
import { sendFile, turnOf } from './send.ts'
import type { Downloads, Sent } from './send.ts'
import { bootTarget } from './target.ts'
import type { BootTarget } from './target.ts'

export type BootHttpDeps = {
  log: Logger
  files: Pick<BootFiles, 'open'>
  texts: ScriptTexts
  site: BootSite
  /** PEM of the CA that the agent pins */
  caPem: string
  identity: Pick<Identity, 'token'>
  /** whether the inventory is in step with the store; until then no machine is called unknown */
  ready(): boolean
  machineByMac(mac: Mac): Machine | undefined
  machineByIp(ip: Ip4): Machine | undefined
  hardware(namespace: string, name: string): Hardware | undefined
  workflowsForHardware(namespace: string, name: string): readonly Workflow[]
  record: RecordStage
  clock?: Clock
  /** 4096 connections in all, 512 of one client, 64 requests that wait on one connection when left out */
  most?: Most
}

export type Most = { connections: number; ofClient: number; waiting: number }

type House = BootHttpDeps & { say: Say; downloads: Downloads }

/** A reader that stops reading for this long has gone away. */
const idleMs = 300_000

/** The HTTP side of booting: docs/architecture.md, "HTTP boot". The caller listens and closes. */
export function bootHttp(deps: BootHttpDeps): FastifyInstance {
  const say = createSay(deps.log, deps.clock ?? systemClock)
  const house: House = { ...deps, say, downloads: { active: 0 } }
  const app = fastify({
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
    frameworkErrors: (_error, _request, reply) => void notFound(reply as unknown as FastifyReply),
  })
  app.setNotFoundHandler((_request, reply) => notFound(reply))
  app.setErrorHandler((error, request, reply) => {
    say('error', { url: request.url.slice(0, 200), why: messageOf(error) }, 'boot request failed')
    return reply.code(500).type('text/plain').send('internal error\n')
  })
  limitClients(app, deps.most ?? { connections: 4096, ofClient: 512, waiting: 64 })
  scriptRoutes(app, house)
  fileRoutes(app, house)
  return app
}

/** The path of a request that names the whole URL, as clients of proxies do (RFC 9112 §3.2.2). */
function originForm({ url = '/' }: IncomingMessage): string {
  const rest = /^https?:\/\/[^/?#]*(.*)$/i.exec(url)?.[1]
  return rest === undefined ? url : rest.startsWith('/') ? rest : `/${rest}`
}

function limitClients(app: FastifyInstance, most: Most): void {
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
    if (add(address, 1) > most.ofClient) socket.destroy()
  })
  app.addHook('onRequest', async ({ raw: { socket } }, reply) => {
    const count = (waiting.get(socket) ?? 0) + 1
    waiting.set(socket, count)
    reply.raw.once('close', () => waiting.set(socket, waiting.get(socket)! - 1))
    if (count > most.waiting) socket.destroy()
  })
}

const notFound = (reply: FastifyReply) => reply.code(404).type('text/plain').send('not found\n')

/** The IPv4 address at the other end of a connection. */
function peerOf(request: FastifyRequest): Ip4 | undefined {
  return parseIp4((request.raw.socket.remoteAddress ?? '').replace(/^::ffff:/i, ''))
}

type ScriptParams = { Params: { mac?: string; nonce?: string } }

function scriptRoutes(app: FastifyInstance, deps: House): void {
  const byMac = (request: FastifyRequest<ScriptParams>, reply: FastifyReply) => {
    const mac = parseMac(request.params.mac ?? '')
    return mac ? sendScript(deps, request, reply, mac) : notFound(reply)
  }
  const byAddress = (request: FastifyRequest<ScriptParams>, reply: FastifyReply) => {
    const ip = peerOf(request)
    const machine = ip && deps.machineByIp(ip)
    return machine ? sendScript(deps, request, reply, machine.mac) : notFound(reply)
  }
  const alsoHead = { exposeHeadRoute: true }
  for (const path of ['/ipxe/script/:mac/:nonce/auto.ipxe', '/ipxe/script/:mac/auto.ipxe', '/:mac/auto.ipxe'])
    app.get<ScriptParams>(path, alsoHead, byMac)
  for (const path of ['/ipxe/script/auto.ipxe', '/auto.ipxe'])
    app.get<ScriptParams>(path, alsoHead, byAddress)
  app.get<ScriptParams>('/ipxe/identity/:mac/:nonce/identity.cpio', alsoHead, (request, reply) => {
    const mac = parseMac(request.params.mac ?? '')
    const machine = mac && deps.machineByMac(mac)
    const token = machine && deps.identity.token(machine.mac, request.params.nonce ?? '')
    if (!machine || !token) return notFound(reply)
    return sendPrivately(reply, 'application/octet-stream').send(identityArchive(deps, machine, token))
  })
}

const sendPrivately = (reply: FastifyReply, type: string) =>
  reply.header('cache-control', 'no-store').type(type)

function sendScript(
  deps: House,
  { method, params: { nonce } }: FastifyRequest<ScriptParams>,
  reply: FastifyReply,
  mac: Mac,
): FastifyReply {
  sendPrivately(reply, 'text/plain; charset=utf-8')
  const machine = deps.machineByMac(mac)
  if (!deps.ready()) {
    const rest = nonce !== undefined && /^[0-9a-f]{1,64}$/.test(nonce) ? `${mac}/${nonce}` : mac
    return reply.send(waitScript(deps.texts, `${deps.site.baseUrl}/ipxe/script/${rest}/auto.ipxe`))
  }
  if (!machine) {
    deps.say('info', { mac }, 'boot script asked for by an unknown machine')
    return reply.send(unknownMachineScript(deps.texts, mac))
  }
  const target = targetOf(deps, machine)
  const current = nonce !== undefined && deps.identity.token(mac, nonce) !== undefined
  const request = { machine, target, nonce: current ? nonce : undefined }
  const script = machineScript(deps.texts, deps.site, request)
  if (method !== 'GET') return reply.send(script.text)
  noteScript(deps, machine, target, script.refused)
  if (nonce !== undefined && !current)
    deps.say('warn', { mac }, 'boot script without identity: its nonce is not current')
  return reply.send(script.text)
}

function targetOf(deps: House, machine: Machine): BootTarget {
  const metadata = deps.hardware(machine.namespace, machine.name)?.metadata
  const workflows = deps.workflowsForHardware(machine.namespace, machine.name)
  return bootTarget({ machine, workflows, labels: metadata?.labels, annotations: metadata?.annotations })
}

function noteScript(deps: House, machine: Machine, target: BootTarget, refused: readonly string[]): void {
  const { mac, namespace, name } = machine
  const facts = { target: target.kind, why: target.why }
  deps.record(mac, 'boot-script', facts)
  if (target.kind === 'disk') deps.record(mac, 'boot-disk', { why: target.why })
  deps.say('info', { mac, hardware: `${namespace}/${name}`, ...facts }, 'boot script sent')
  const left = refused.map((text) => text.slice(0, 200))
  if (left.length > 0) deps.say('warn', { mac, refused: left }, 'boot script leaves values out')
}

function identityArchive(deps: House, machine: Machine, token: string): Buffer {
  const { agentId, mac } = machine
  const boot = { agentId, mac, token, grpc: deps.site.grpcAuthority, ca: deps.caPem, api: 1 }
  const archive = cpioArchive([
    { kind: 'directory', path: 'etc', mode: 0o755 },
    { kind: 'directory', path: 'etc/ironwake', mode: 0o700 },
    {
      kind: 'file',
      path: 'etc/ironwake/boot.json',
      mode: 0o600,
      data: new TextEncoder().encode(`${JSON.stringify(boot)}\n`),
    },
  ])
  return Buffer.from(archive)
}

function fileRoutes(app: FastifyInstance, deps: House): void {
  const route = (prefix: string, fileFor: (name: string) => BootFile | undefined) =>
    app.route({
      method: ['GET', 'HEAD'],
      url: `${prefix}*`,
      handler: async (request, reply) => {
        const name = decodePath((request.raw.url ?? '').split('?')[0]!.slice(prefix.length))
        const file = name === undefined ? undefined : fileFor(name)
        return file ? serveFile(deps, request, reply, file) : notFound(reply)
      },
    })
  route('/ipxe/binary/', binaryFile)
  route('/os/', (name) => rootFile('os', name))
  route('/images/', (name) => rootFile('image', name))
  // Where Smee before v0.16 had them; DHCP servers of others still say so.
  route('/ipxe/', (name) => (name.includes('/') ? undefined : binaryFile(name)))
}

async function serveFile(
  deps: House,
  request: FastifyRequest,
  reply: FastifyReply,
  file: BootFile,
): Promise<FastifyReply> {
  if (!(await turnOf(request.raw, reply.raw))) return reply.hijack()
  const open = await deps.files.open(file)
  if (!open) return notFound(reply)
  const from = peerOf(request)
  try {
    reply.hijack()
    const type = file.path.endsWith('.efi') ? 'application/efi' : 'application/octet-stream'
    const sent = await sendFile(request.raw, reply.raw, open, type, deps.downloads)
    deps.log.debug({ from, file, ...sent }, 'boot file sent')
    if (request.method === 'GET') noteFile(deps, from, file, sent, open.size)
  } catch (error) {
    deps.say('error', { from, file, why: messageOf(error) }, 'boot file could not be sent')
    reply.raw.destroy()
  } finally {
    await open.close()
  }
  return reply
}

function noteFile(deps: House, from: Ip4 | undefined, file: BootFile, sent: Sent, total: number): void {
  const machine = from && deps.machineByIp(from)
  if (!machine || sent.status >= 300) return
  const { bytes } = sent
  if (file.root === 'ipxe' || file.root === 'text')
    deps.record(machine.mac, 'boot-file', { file: file.path, bytes, total, by: 'http' })
  const name = file.path.split('/').at(-1)!
  if (file.root === 'os' && name.startsWith('vmlinuz')) deps.record(machine.mac, 'kernel', { bytes, total })
  if (file.root === 'os' && /^init(ramfs|rd)/.test(name))
    deps.record(machine.mac, 'initramfs', { bytes, total })
}
