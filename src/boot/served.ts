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
import type { Gate, Sent } from './send.ts'

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
  const askedAt = clock.now()
  let startedAt = askedAt
  const enter = isByTurns(request, file) ? entrance(house, from, file) : undefined
  const gate = enter && { enter, begins: () => void (startedAt = clock.now()) }
  try {
    reply.hijack()
    const sent = await sendFile(request.raw, reply.raw, opened, typeOf(file), house.downloads, gate)
    house.log.debug({ from, file, ...sent }, 'boot file sent')
    const waitedMs = startedAt - askedAt
    const measured = { total: opened.size, ms: clock.now() - startedAt, ...(waitedMs > 0 && { waitedMs }) }
    if (request.method === 'GET') noteFile(house, from, file, sent, measured)
  } catch (error) {
    house.say('error', { from, file, why: messageOf(error) }, 'boot file could not be sent')
    reply.raw.destroy()
  } finally {
    await opened.close()
  }
  return reply
}

/** Firmware, which does not wait: what it fetches it boots, whatever folder that is in. */
const firmware = /^(?:iPXE|UefiHttpBoot)\b/i

/** Whether it is a disk image for a program that runs on the machine. */
const isByTurns = ({ headers }: FastifyRequest, { root }: Shown): boolean =>
  (root === 'image' || root === 'cache') && !firmware.test(headers['user-agent'] ?? '')

const whoAt = (house: House, from: Ip4 | undefined) =>
  from && (house.whoAt ? house.whoAt(from) : house.machineByIp(from))

/** Where the transfers of one machine wait their turn, which its timeline tells. */
function entrance(house: House, from: Ip4 | undefined, file: Shown): Gate['enter'] | undefined {
  const { budget } = house
  if (!budget) return undefined
  const mac = whoAt(house, from)?.mac
  return (bytes) => {
    const transfer = budget.enter(mac ?? from ?? '', bytes)
    const { ahead } = transfer
    if (mac && ahead > 0) house.record(mac, 'image-waits', { file: file.path, ahead })
    return transfer
  }
}

function typeOf({ root, path }: Shown): string {
  if (root === 'iso') return 'application/x-iso9660-image'
  return path.endsWith('.efi') ? 'application/efi' : 'application/octet-stream'
}

type Measured = { total: number; ms: number; waitedMs?: number }

function noteFile(house: House, from: Ip4 | undefined, file: Shown, sent: Sent, measured: Measured): void {
  const machine = whoAt(house, from)
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
  const machine = whoAt(house, from)
  if (machine) house.record(machine.mac, 'http-failed', { file: `${root}/${path}`, why })
}
