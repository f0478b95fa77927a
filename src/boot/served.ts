import type { FastifyReply, FastifyRequest } from 'fastify'
import { systemClock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { CacheRefusal } from './cache-rules.ts'
import type { BootFile } from './files.ts'
import { clientOf, notFound, refuse } from './house.ts'
import type { House } from './house.ts'
import type { OpenFile } from './open.ts'
import { sendFile, turnOf } from './send.ts'
import type { Sent } from './send.ts'

/** What a file is to the timeline and the log; `cache` and `iso` are named by their path alone. */
export type Shown = BootFile | { root: 'cache' | 'iso'; path: string }

type Opened = OpenFile | CacheRefusal | undefined

/** Answers with a file once it is this request's turn on its connection; closes the file. */
export async function serveFile(
  house: House,
  request: FastifyRequest,
  reply: FastifyReply,
  file: Shown,
  open: () => Promise<Opened>,
): Promise<FastifyReply> {
  if (!(await turnOf(request.raw, reply.raw))) return reply.hijack()
  const opened = await open()
  const from = clientOf(house, request)
  if (opened === undefined || 'refused' in opened) {
    noteMissing(house, from, file, opened?.why ?? 'no such file')
    return opened ? refuse(reply, opened.refused, opened.why) : notFound(reply)
  }
  const clock = house.clock ?? systemClock
  const startedAt = clock.now()
  try {
    reply.hijack()
    const sent = await sendFile(request.raw, reply.raw, opened, typeOf(file), house.downloads)
    house.log.debug({ from, file, ...sent }, 'boot file sent')
    const measured = { total: opened.size, ms: clock.now() - startedAt }
    if (request.method === 'GET') noteFile(house, from, file, sent, measured)
  } catch (error) {
    house.say('error', { from, file, why: messageOf(error) }, 'boot file could not be sent')
    reply.raw.destroy()
  } finally {
    await opened.close()
  }
  return reply
}

function typeOf({ root, path }: Shown): string {
  if (root === 'iso') return 'application/x-iso9660-image'
  return path.endsWith('.efi') ? 'application/efi' : 'application/octet-stream'
}

type Measured = { total: number; ms: number }

function noteFile(house: House, from: Ip4 | undefined, file: Shown, sent: Sent, measured: Measured): void {
  const machine = from && house.machineByIp(from)
  if (!machine || sent.status >= 300) return
  const facts = { bytes: sent.bytes, ...measured, ...(!sent.complete && { broken: true }) }
  if (file.root === 'ipxe' || file.root === 'text')
    house.record(machine.mac, 'boot-file', { file: file.path, ...facts, by: 'http' })
  const name = file.path.split('/').at(-1)!
  if (file.root === 'image' || file.root === 'cache')
    house.record(machine.mac, 'image', { file: file.path, ...facts })
  if (file.root !== 'os') return
  if (name.startsWith(house.site.kernelName)) house.record(machine.mac, 'kernel', facts)
  if (name.startsWith(house.site.initrdName) || /^init(ramfs|rd)/.test(name))
    house.record(machine.mac, 'initramfs', facts)
}

function noteMissing(house: House, from: Ip4 | undefined, { root, path }: Shown, why: string): void {
  const machine = from && house.machineByIp(from)
  if (machine) house.record(machine.mac, 'http-failed', { file: `${root}/${path}`, why })
}
