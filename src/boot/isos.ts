import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { CacheRefusal } from './cache-rules.ts'
import { rootFile } from './files.ts'
import { notFound } from './house.ts'
import type { House, IsoSettings } from './house.ts'
import { hookPlaceholder, isoLine, isoMac, isoSource, paddedLine } from './iso.ts'
import type { OpenFile } from './open.ts'
import { patchedFile } from './patched.ts'
import { serveFile } from './served.ts'

const usual: IsoSettings = { source: '', placeholder: hookPlaceholder, staticIpam: false }

/**
 * The ISO image of one machine, with its kernel arguments in it. Size and offsets are those of the image that it is made
 * from. A BMC asks for it, so the machine is told by the path and not by who asks.
 */
export function serveIso(
  house: House,
  request: FastifyRequest,
  reply: FastifyReply,
  path: string,
): FastifyReply | Promise<FastifyReply> {
  const mac = isoMac(path)
  const machine = mac && house.machineByMac(mac)
  if (!mac || !machine?.allowPxe) {
    house.say(
      'info',
      { mac, why: machine ? 'netboot-not-allowed' : 'unknown-machine' },
      'no ISO image is given',
    )
    return notFound(reply)
  }
  if (request.method === 'GET') house.record(mac, 'boot-file', { file: path.split('/').at(-1)!, by: 'iso' })
  const file = { root: 'iso' as const, path: `${mac}/${path.split('/').at(-1)!}` }
  return serveFile(house, request, reply, file, () => openIso(house, machine))
}

async function openIso(house: House, machine: Machine): Promise<OpenFile | CacheRefusal | undefined> {
  const { placeholder, source: common, staticIpam } = house.iso ?? usual
  const { text, refused } = isoLine(house.site, machine, { staticIpam })
  if (refused.length > 0) sayLeftOut(house, machine.mac, refused)
  const line = paddedLine(text, placeholder)
  if (!line) {
    const why = `the kernel arguments take ${text.length} bytes, the ISO image has room for ${placeholder.length}`
    house.say('error', { mac: machine.mac, why }, 'ISO image cannot be given its kernel arguments')
    return { refused: 500, why }
  }
  const opened = await openSource(house, machine, common)
  return opened === undefined || 'refused' in opened ? opened : patchedFile(opened, placeholder, line)
}

function sayLeftOut(house: House, mac: Mac, refused: readonly string[]): void {
  house.say(
    'warn',
    { mac, refused: refused.map((word) => word.slice(0, 200)) },
    'ISO image leaves values out',
  )
}

async function openSource(
  house: House,
  machine: Machine,
  common: string,
): Promise<OpenFile | CacheRefusal | undefined> {
  const source = isoSource(machine.isoSource, common)
  if (source?.kind === 'url') return house.cache?.openUrl(source.url, { anyHost: source.by === 'site' })
  const file = source && rootFile('image', source.path)
  return file && house.files.open(file)
}
