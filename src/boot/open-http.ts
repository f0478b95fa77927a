import type { FastifyInstance } from 'fastify'
import { readFile } from 'node:fs/promises'
import type { Clock } from '../model/clock.ts'
import { AppError, messageOf } from '../model/error.ts'
import { trustOf } from '../model/forwarded.ts'
import type { Logger } from '../log.ts'
import { openImageCache } from './cache.ts'
import { createImageBudget } from './budget.ts'
import type { ImageBudget } from './budget.ts'
import type { ImageCache } from './cache.ts'
import type { BootSettings } from './config.ts'
import type { BootHttpDeps } from './house.ts'
import { bootHttp } from './http.ts'
import { listImages } from './image-list.ts'
import type { ListedImage } from './image-list.ts'
import { hookPlaceholder, literalPlaceholder } from './iso.ts'
import { parseRegistry } from './registries.ts'
import type { BootRegistry } from './registries.ts'
import type { BootSite } from './script.ts'
import { newDownloads } from './send.ts'
import { parseUpstream } from './upstreams.ts'

type Given = Omit<
  BootHttpDeps,
  'cache' | 'iso' | 'isTrusted' | 'registries' | 'unknownMachines' | 'downloads' | 'budget' | 'site' | 'tls'
> & {
  site: Pick<BootSite, 'baseUrl' | 'grpcAuthority' | 'syslogHost'>
  /** folder of images */
  imageDir: string
  /** folder of pulled images */
  cacheDir: string
  /** whether unknown machines are told to boot at all */
  isAutoProxy: boolean
  /** of the HTTPS port */
  tls: { certPem: string; keyPem: string }
  clock: Clock
  log: Logger
}

/** The boot services over HTTP and HTTPS as they are configured; `images` is to be closed after them. */
export type OpenBootHttp = {
  http: FastifyInstance
  https: FastifyInstance | undefined
  images: ImageCache
  budget: ImageBudget
  /** images of the folder and of the cache */
  listImages(): Promise<ListedImage[]>
}

const gib = 1024 ** 3
/** bytes a second of a Mbit/s */
const mbit = 125_000

export async function openBootHttp(config: BootSettings, given: Given): Promise<OpenBootHttp> {
  const { boot, http, images, iso } = config
  const { tls, imageDir, cacheDir, isAutoProxy, ...rest } = given
  const cache = await openImageCache({
    directory: cacheDir,
    upstreams: images.upstreams.map(parseUpstream).filter((upstream) => typeof upstream !== 'string'),
    maxBytes: images.cacheGiB * gib,
    freshMs: images.freshSeconds * 1000,
    checksums: images.checksums,
    clock: given.clock,
    log: given.log,
  })
  const budget = createImageBudget(
    {
      places: images.maxTransfers,
      ofMachine: images.maxTransfersPerMachine,
      perSecond: { total: images.mbitPerSecond * mbit, ofMachine: images.mbitPerSecondPerMachine * mbit },
    },
    given.clock,
  )
  const auto = isAutoProxy ? 'netboot-os' : 'disk'
  const deps: BootHttpDeps = {
    ...rest,
    site: { ...given.site, tls: false, insecureTls: false, ...siteOf(boot) },
    cache,
    iso: {
      source: iso.source,
      placeholder: iso.placeholder === '' ? hookPlaceholder : literalPlaceholder(iso.placeholder),
      staticIpam: iso.staticIpam,
    },
    isTrusted: trustOf(http.trustedProxies),
    registries: await registriesOf(boot),
    unknownMachines: boot.unknownMachines === 'auto' ? auto : boot.unknownMachines,
    downloads: newDownloads(),
    budget,
  }
  return {
    http: bootHttp(deps),
    https: http.httpsPort === 0 ? undefined : bootHttp({ ...deps, tls }),
    images: cache,
    budget,
    listImages: () => listImages(imageDir, given.files, cache),
  }
}

/** @throws AppError Invalid when the CAs cannot be read */
async function registriesOf({ registries, registryCa }: BootSettings['boot']): Promise<BootRegistry[]> {
  const ca = registryCa === '' ? '' : await readCa(registryCa)
  return registries.map((text) => parseRegistry(text, ca)).filter((registry) => typeof registry !== 'string')
}

async function readCa(path: string): Promise<string> {
  const pem = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new AppError('Invalid', `boot.registryCa: ${messageOf(cause)}`, { cause })
  })
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem
  throw new AppError('Invalid', `boot.registryCa: ${path} holds no certificate in PEM`)
}

const siteOf = ({
  kernelArgs,
  osUrl,
  kernelName,
  initrdName,
  tries,
  retrySeconds,
}: BootSettings['boot']) => ({
  kernelArgs,
  osUrl,
  kernelName,
  initrdName,
  tries,
  retrySeconds,
})
