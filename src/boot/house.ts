import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../model/clock.ts'
import { clientAddress } from '../model/forwarded.ts'
import type { IsTrusted } from '../model/forwarded.ts'
import type { Hardware } from '../model/hardware.ts'
import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { Workflow } from '../model/workflow.ts'
import type { RecordStage } from '../timeline/stage.ts'
import type { Logger } from '../log.ts'
import type { ImageBudget } from './budget.ts'
import type { ImageCache } from './cache.ts'
import type { Identity } from './identity.ts'
import type { Placeholder } from './iso.ts'
import type { BootFiles, OpenFile } from './open.ts'
import type { BootRegistry } from './registries.ts'
import type { Say } from './say.ts'
import type { BootSite, ScriptTexts } from './script.ts'
import type { Downloads } from './send.ts'

export type BootHttpDeps = {
  log: Logger
  files: Pick<BootFiles, 'open'>
  /** the file that a TFTP client at this address means by `name`; a boot file, whoever asks, when left out */
  openTftpName?(name: string, from: { ip: Ip4 | undefined }): Promise<OpenFile | undefined>
  texts: ScriptTexts
  site: BootSite
  /** PEM of the CA that the agent pins */
  caPem: string
  identity: Pick<Identity, 'token'>
  /** the token of a machine that is in no Hardware: without it such machines get no identity */
  strangerToken?: ((mac: Mac) => string) | undefined
  /** whether the inventory is in step with the store; until then no machine is called unknown */
  ready(): boolean
  machineByMac(mac: Mac): Machine | undefined
  machineByIp(ip: Ip4): Machine | undefined
  /** the same, and machines that no Hardware knows, for the timeline; as `machineByIp` when left out */
  whoAt?(ip: Ip4): Pick<Machine, 'mac'> | undefined
  hardware(namespace: string, name: string): Hardware | undefined
  workflowsForHardware(namespace: string, name: string): readonly Workflow[]
  record: RecordStage
  clock?: Clock
  /** what machines boot that are in no Hardware: their disk when left out */
  unknownMachines?: 'disk' | 'netboot-os'
  /** registries that known machines are told of: none when left out */
  registries?: readonly BootRegistry[]
  /** proxies that are believed about who asks: none when left out */
  isTrusted?: IsTrusted
  /** images of upstreams, and ISO images by URL: none when left out */
  cache?: Pick<ImageCache, 'openPath' | 'openUrl'>
  /** ISO images with kernel arguments put in: those that Hardware names, with HookOS's placeholder, when left out */
  iso?: IsoSettings
  /** HTTPS when given */
  tls?: { certPem: string; keyPem: string }
  /** shared by several servers of one process */
  downloads?: Downloads
  /** by which disk images are sent; without any all go at once, as fast as they are read */
  budget?: ImageBudget
  /** 4096 connections in all, 512 of one client, 64 requests that wait on one connection when left out */
  most?: Most
}

export type Most = { connections: number; ofClient: number; waiting: number }

export type IsoSettings = {
  /** URL, or a name in the folder of images; empty: none but those that Hardware names */
  source: string
  placeholder: Placeholder
  staticIpam: boolean
}

export type House = BootHttpDeps & { say: Say; downloads: Downloads; isTrusted: IsTrusted }

/** Says in a line why there is no more than that. */
export const refuse = (reply: FastifyReply, status: number, text: string) =>
  reply.code(status).header('cache-control', 'no-store').type('text/plain; charset=utf-8').send(`${text}\n`)

export const notFound = (reply: FastifyReply) => reply.code(404).type('text/plain').send('not found\n')

/** The IPv4 address of who asks, behind trusted proxies. */
export function clientOf({ isTrusted }: Pick<House, 'isTrusted'>, { raw }: FastifyRequest): Ip4 | undefined {
  const header = raw.headers['x-forwarded-for']
  const forwardedFor = Array.isArray(header) ? header.join(',') : header
  return parseIp4(clientAddress(raw.socket.remoteAddress ?? '', forwardedFor, isTrusted) ?? '')
}
