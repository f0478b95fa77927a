import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { Fault } from '../model/error.ts'
import { isNetwork } from '../model/forwarded.ts'
import { overlapsItself } from './iso.ts'
import { registryFaults } from './registries.ts'
import { parseUpstream } from './upstreams.ts'

const strict = { additionalProperties: false } as const
const port = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65535, default: value, description })
const text = (value: string, description: string) => Type.String({ default: value, description })
const whole = (value: number, [minimum, maximum]: [number, number], description: string) =>
  Type.Integer({ minimum, maximum, default: value, description })
const fileName = (value: string, description: string) =>
  Type.String({ default: value, pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$', description })

/** The settings of HTTP, below `http`. */
export const HttpConfig = Type.Object(
  {
    port: port(7171, 'TCP port of boot files, iPXE scripts, images'),
    httpsPort: port(0, 'TCP port of the same over HTTPS; 0: none'),
    tls: Type.Object(
      {
        cert: text('', 'certificate of http.httpsPort with its chain, PEM file; default: one of our own CA'),
        key: text('', 'key of http.tls.cert, PEM file; both are read again when they change'),
      },
      strict,
    ),
    trustedProxies: Type.Array(Type.String(), {
      default: [],
      description:
        'proxies whose X-Forwarded-For says who asks for boot files and metadata: addresses or networks in ' +
        'CIDR notation, comma-separated; default: nobody is believed',
    }),
  },
  strict,
)

/** The settings of what machines boot, below `boot`. */
export const BootConfig = Type.Object(
  {
    kernelArgs: Type.Array(Type.String(), {
      default: [],
      // console=ttyS1,115200n8 is one argument
      separator: ' ',
      description: 'more kernel arguments for the netboot OS of every machine, separated by blanks',
    }),
    unknownMachines: Type.Union([Type.Literal('auto'), Type.Literal('disk'), Type.Literal('netboot-os')], {
      default: 'auto',
      description:
        'what machines boot that are in no Hardware: disk, netboot-os, or auto: the netboot OS with dhcp.mode ' +
        'auto-proxy or a pool, else their disk',
    }),
    osUrl: text('', 'URL of the folder with kernel and initramfs; default: osDir of this server'),
    kernelName: fileName('vmlinuz', 'name of the kernel, before -x86_64 or -aarch64'),
    initrdName: fileName('initramfs', 'name of the initramfs, before -x86_64 or -aarch64'),
    tries: whole(5, [1, 1000], 'how often iPXE tries to load each file of the netboot OS'),
    retrySeconds: whole(3, [0, 3600], 'pause between these tries'),
    registries: Type.Array(Type.String(), {
      default: [],
      description:
        'registries of images of actions that machines log in to, or that speak plain HTTP, comma-separated: ' +
        'https://user:password@host:port, http://host:port',
    }),
    registryCa: text('', 'PEM file of CAs that the certificates of boot.registries may be signed by'),
  },
  strict,
)

/** The settings of images that are pulled from elsewhere, below `images`. */
export const ImagesConfig = Type.Object(
  {
    upstreams: Type.Array(Type.String(), {
      default: [],
      description:
        'where /images/cache/<name>/… is pulled from, such as debian=https://cloud.debian.org/images/cloud/, ' +
        'comma-separated; a URL without a slash at its end is one file, /images/cache/<name>',
    }),
    cacheDir: text('', 'where pulled images are kept; default: image-cache in the data directory'),
    cacheGiB: whole(100, [1, 1_000_000], 'most GiB of them; those used longest ago leave'),
    freshSeconds: whole(
      300,
      [0, 31_536_000],
      'for so long a pulled image is given without asking its upstream',
    ),
    checksums: Type.Boolean({
      default: true,
      description: 'compare pulled images with <URL>.sha256, where their upstream has that',
    }),
    maxTransfers: whole(
      512,
      [1, 65_535],
      'images that are sent at once; machines beyond that wait their turn',
    ),
    maxTransfersPerMachine: whole(64, [1, 65_535], 'of these, to one machine'),
    mbitPerSecond: whole(
      0,
      [0, 10_000_000],
      'Mbit/s for sending images, shared out fairly among machines; 0: no limit',
    ),
    mbitPerSecondPerMachine: whole(
      0,
      [0, 10_000_000],
      'Mbit/s for sending images to one machine; 0: no limit',
    ),
  },
  strict,
)

/** The settings of ISO images, below `iso`. */
export const IsoConfig = Type.Object(
  {
    source: text(
      '',
      'ISO image for /iso/<mac>/<any>.iso: URL, or a name in the folder of images; default: only those that Hardware names',
    ),
    placeholder: text('', 'text in it that the kernel arguments take the place of; default: that of HookOS'),
    staticIpam: Type.Boolean({
      default: false,
      description: 'give the address of the machine as the kernel argument ipam=, for networks without DHCP',
    }),
  },
  strict,
)

export type HttpConfig = Static<typeof HttpConfig>
export type BootConfig = Static<typeof BootConfig>
export type ImagesConfig = Static<typeof ImagesConfig>
export type IsoConfig = Static<typeof IsoConfig>
export type BootSettings = { http: HttpConfig; boot: BootConfig; images: ImagesConfig; iso: IsoConfig }

const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [])

/** What is wrong with settings that are well formed one by one. */
export function bootFaults({ http, images, iso, boot }: Partial<BootSettings>): Fault[] {
  const proxies = textsOf(http?.trustedProxies)
    .filter((proxy) => !isNetwork(proxy))
    .map((proxy) => ({
      path: 'http.trustedProxies',
      message: `"${proxy}" is neither an address nor a network`,
    }))
  const { cert, key } = http?.tls ?? {}
  const lonely = Boolean(cert) === Boolean(key) ? [] : [`http.tls.${cert ? 'key' : 'cert'}`]
  const tls = lonely.map((path) => ({ path, message: 'missing: certificate and key belong together' }))
  const registries = registryFaults(textsOf(boot?.registries)).map((message) => ({
    path: 'boot.registries',
    message,
  }))
  const upstreams = upstreamFaults(textsOf(images?.upstreams))
  return [...proxies, ...tls, ...upstreams, ...isoFaults(iso), ...registries]
}

function upstreamFaults(texts: readonly string[]): Fault[] {
  const parsed = texts.map(parseUpstream)
  const wrong = parsed.filter((upstream) => typeof upstream === 'string')
  const names = parsed.flatMap((upstream) => (typeof upstream === 'string' ? [] : upstream.name))
  const twice = names
    .filter((name, index) => names.indexOf(name) !== index)
    .map((name) => `${name}: named twice`)
  return [...wrong, ...twice].map((message) => ({ path: 'images.upstreams', message }))
}

function isoFaults(iso: Partial<IsoConfig> | undefined): Fault[] {
  const placeholder = String(iso?.placeholder ?? '')
  if (placeholder === '') return []
  const path = 'iso.placeholder'
  if (!/^[\x21-\x7e]{16,65536}$/.test(placeholder))
    return [{ path, message: 'expected 16 to 65536 printable characters without blanks' }]
  return overlapsItself(placeholder)
    ? [{ path, message: 'ends as it begins, so that it is not clear where a copy of it is' }]
    : []
}
