import type { FastifyReply, FastifyRequest } from 'fastify'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import { cpioArchive } from './cpio.ts'
import { discoveryScript, strangerNonce } from './discovery.ts'
import { clientOf, notFound } from './house.ts'
import type { House } from './house.ts'
import { machineScript, unknownMachineScript, waitScript } from './script.ts'
import { bootTarget } from './target.ts'
import type { BootTarget } from './target.ts'

type Params = { mac?: string; nonce?: string }
const paramsOf = ({ params }: FastifyRequest): Params => params as Params

/** The script of the machine whose MAC is in the path. */
export function scriptByMac(house: House, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const mac = parseMac(paramsOf(request).mac ?? '')
  return mac ? sendScript(house, request, reply, mac) : notFound(reply)
}

/** The script of the machine that asks, told by its address. */
export function scriptByAddress(house: House, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const ip = clientOf(house, request)
  const machine = ip && house.machineByIp(ip)
  if (machine) return sendScript(house, request, reply, machine.mac)
  if (!house.ready() || house.unknownMachines !== 'netboot-os') return notFound(reply)
  return sendDiscovery(house, reply, { ip })
}

/** The identity of the boot whose nonce is in the path, as an initrd. */
export function identityOf(house: House, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { mac: text = '', nonce = '' } = paramsOf(request)
  const mac = parseMac(text)
  const machine = mac && house.machineByMac(mac)
  const token = machine && house.identity.token(machine.mac, nonce)
  const stranger = mac && !machine && nonce === strangerNonce ? strangerOf(house, mac) : undefined
  const archive = machine && token ? identityArchive(house, machine, token) : stranger
  if (!archive) return notFound(reply)
  return sendPrivately(reply, 'application/octet-stream').send(archive)
}

const sendPrivately = (reply: FastifyReply, type: string) =>
  reply.header('cache-control', 'no-store').type(type)
const scriptType = 'text/plain; charset=utf-8'

function sendScript(house: House, request: FastifyRequest, reply: FastifyReply, mac: Mac): FastifyReply {
  const { nonce } = paramsOf(request)
  sendPrivately(reply, scriptType)
  const machine = house.machineByMac(mac)
  if (!house.ready()) {
    const rest = nonce !== undefined && /^[0-9a-f]{1,64}$/.test(nonce) ? `${mac}/${nonce}` : mac
    return reply.send(waitScript(house.texts, `${house.site.baseUrl}/ipxe/script/${rest}/auto.ipxe`))
  }
  if (!machine) {
    if (house.unknownMachines === 'netboot-os') return sendDiscovery(house, reply, { mac })
    house.say('info', { mac }, 'boot script asked for by an unknown machine')
    return reply.send(unknownMachineScript(house.texts, mac))
  }
  const target = targetOf(house, machine)
  const current = nonce !== undefined && house.identity.token(mac, nonce) !== undefined
  const script = machineScript(house.texts, house.site, {
    machine,
    target,
    nonce: current ? nonce : undefined,
  })
  if (request.method !== 'GET') return reply.send(script.text)
  noteScript(house, machine, target, script.refused)
  if (nonce !== undefined && !current)
    house.say('warn', { mac }, 'boot script without identity: its nonce is not current')
  return reply.send(script.text)
}

function sendDiscovery(house: House, reply: FastifyReply, who: Record<string, unknown>): FastifyReply {
  const { text, refused } = discoveryScript(house.texts, house.site, house.strangerToken !== undefined)
  house.say('info', who, 'boot script of the netboot OS sent to an unknown machine')
  if (refused.length > 0) house.say('warn', { refused }, 'boot script leaves values out')
  return sendPrivately(reply, scriptType).send(text)
}

const isDiscovered = (labels: Readonly<Record<string, string>> | undefined) =>
  labels?.['tinkerbell.org/auto-discovered'] === 'true'

/** The identity of an unknown machine: with it, its agent may ask to be made a Hardware. */
function strangerOf(house: House, mac: Mac): Buffer | undefined {
  const token = house.ready() ? house.strangerToken?.(mac) : undefined
  return token === undefined ? undefined : identityArchive(house, { agentId: mac, mac }, token)
}

/** A machine that was only discovered says nothing of booting: it may. */
function targetOf(house: House, machine: Machine): BootTarget {
  const metadata = house.hardware(machine.namespace, machine.name)?.metadata
  const isFound = house.strangerToken !== undefined && machine.netbootUnset === true
  const workflows = house.workflowsForHardware(machine.namespace, machine.name)
  const asFound = isFound && isDiscovered(metadata?.labels) ? { ...machine, allowPxe: true } : machine
  return bootTarget({
    machine: asFound,
    workflows,
    labels: metadata?.labels,
    annotations: metadata?.annotations,
  })
}

function noteScript(house: House, machine: Machine, target: BootTarget, refused: readonly string[]): void {
  const { mac, namespace, name } = machine
  const facts = { target: target.kind, why: target.why }
  house.record(mac, 'boot-script', facts)
  if (target.kind === 'disk') house.record(mac, 'boot-disk', { why: target.why })
  house.say('info', { mac, hardware: `${namespace}/${name}`, ...facts }, 'boot script sent')
  const left = refused.map((text) => text.slice(0, 200))
  if (left.length > 0) house.say('warn', { mac, refused: left }, 'boot script leaves values out')
}

function identityArchive(house: House, machine: Pick<Machine, 'agentId' | 'mac'>, token: string): Buffer {
  const { agentId, mac } = machine
  const { registries = [] } = house
  const site = { grpc: house.site.grpcAuthority, ca: house.caPem, ...(registries.length && { registries }) }
  const boot = { agentId, mac, token, ...site, api: 1 }
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
