import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { parse } from 'yaml'
import { BootConfig, HttpConfig, ImagesConfig, IsoConfig, bootFaults } from './boot/config.ts'
import { DiscoveryConfig } from './discovery/config.ts'
import { DhcpConfig, dhcpFaults } from './dhcp/config.ts'
import { MetricsConfig } from './metrics/config.ts'
import { AppError, messageOf } from './model/error.ts'
import type { Fault } from './model/error.ts'
import { faultsOf } from './model/validate.ts'
import { stateSpellings } from './model/workflow-state.ts'
import { TemplatesConfig } from './template/config.ts'
import { TftpConfig } from './tftp/config.ts'
import { OtlpConfig } from './trace/config.ts'

const port = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65535, default: value, description })
const text = (value: string, description: string) => Type.String({ default: value, description })
const strict = { additionalProperties: false } as const

/** Every setting: its default and what it means. Key, environment name and flag follow from its place. */
export const ConfigSchema = Type.Object(
  {
    dataDir: text('./data', 'data directory: SQLite file, CA and keys, admin.kubeconfig, boot files, images'),
    address: text('', 'IPv4 that machines reach, bound and advertised; default: that of the default route'),
    interface: Type.Array(Type.String(), {
      default: [],
      description: 'network interface(s) for DHCP, comma-separated',
    }),
    dhcp: DhcpConfig,
    tftp: TftpConfig,
    http: HttpConfig,
    metadata: Type.Object(
      {
        ports: Type.Array(Type.Integer({ minimum: 0, maximum: 65535 }), {
          default: [7172, 50061],
          description: 'TCP ports of the metadata service (EC2 dialect, phone-home), comma-separated',
        }),
        instanceEndpoint: Type.Boolean({
          default: false,
          description: 'also answer /tootles/instanceID/<id>/…, to whoever knows the id of an instance',
        }),
      },
      strict,
    ),
    grpc: Type.Object(
      {
        port: port(42113, 'TCP port for agents; TLS and plain are told apart by the first byte'),
        plain: Type.Boolean({ default: true, description: 'false refuses connections without TLS' }),
        tinkerbellAgents: Type.Union(
          (['address', 'id', 'off'] as const).map((how) => Type.Literal(how)),
          {
            default: 'address',
            description:
              'by what Tinkerbell’s own agents are told, which have no credentials: address (of their Hardware), id (as they say), off',
          },
        ),
      },
      strict,
    ),
    api: Type.Object(
      {
        port: port(7443, 'TCP port of the Kubernetes-style API and health, HTTPS'),
        tls: Type.Object(
          {
            cert: text('', 'certificate of the API with its chain, PEM file; default: one of our own CA'),
            key: text('', 'key of api.tls.cert, PEM file; both are read again when they change'),
            ca: text('', 'PEM file for kubeconfigs: what verifies api.tls.cert; default: system trust'),
          },
          strict,
        ),
        clientCa: text('', 'PEM file of CAs whose client certificates the API accepts, besides our own'),
        unrenderable: Type.Union([Type.Literal('reject'), Type.Literal('accept')], {
          default: 'reject',
          description: 'a Workflow that cannot be rendered is refused, or stored and tried again',
        }),
        workflowStates: Type.Union(
          stateSpellings.map((spelling) => Type.Literal(spelling)),
          {
            default: 'SUCCESS',
            description: 'how the API spells states of Workflows; STATE_SUCCESS is for CAPT 0.6.0 to 0.6.5',
          },
        ),
      },
      strict,
    ),
    discovery: DiscoveryConfig,
    templates: TemplatesConfig,
    syslog: Type.Object({ port: port(514, 'UDP port that hears what machines say by syslog') }, strict),
    store: Type.Union([Type.Literal('sqlite')], { default: 'sqlite', description: 'where objects are kept' }),
    osDir: text('', 'netboot kernel and initramfs; default: os in the data directory'),
    imageDir: text('', 'disk images to serve; default: images in the data directory'),
    ipxeDir: text('', 'iPXE binaries; default: ipxe in the data directory'),
    boot: BootConfig,
    images: ImagesConfig,
    iso: IsoConfig,
    metrics: MetricsConfig,
    otlp: OtlpConfig,
    log: Type.Object(
      {
        level: Type.Union(
          (['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const).map((level) => Type.Literal(level)),
          {
            default: 'info',
            description: 'least level that is logged: fatal, error, warn, info, debug, trace',
          },
        ),
      },
      strict,
    ),
  },
  strict,
)

export type Config = Static<typeof ConfigSchema>

/** One setting: `key` as in the file (`dhcp.mode`), `IRONWAKE_DHCP_MODE`, `--dhcp-mode`. */
export type Setting = { key: string; env: string; flag: string; schema: TSchema; description: string }

/** All settings, in the order of the schema. */
export const settings: readonly Setting[] = leaves(ConfigSchema, [])

function leaves(schema: TSchema, path: readonly string[]): Setting[] {
  const properties = (schema as { properties?: Record<string, TSchema> }).properties
  if (properties) return Object.entries(properties).flatMap(([name, inner]) => leaves(inner, [...path, name]))
  const dashed = path.map((part) => part.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)).join('-')
  const description = (schema as { description?: string }).description ?? ''
  const env = `IRONWAKE_${dashed.replaceAll('-', '_').toUpperCase()}`
  return [{ key: path.join('.'), env, flag: `--${dashed}`, schema, description }]
}

export type ConfigSources = {
  /** text of the configuration file (YAML, so JSON too) and its name for messages */
  file?: { name: string; text: string }
  env: Readonly<Record<string, string | undefined>>
  /** values of flags by setting key (`dhcp.mode`), as typed */
  flags: Readonly<Record<string, string>>
}

/**
 * Defaults < file < environment < flags.
 * @throws AppError Invalid with every fault and its path
 */
export function loadConfig(sources: ConfigSources): Config {
  const config = Value.Create(ConfigSchema) as Record<string, unknown>
  const faults: Fault[] = []
  if (sources.file) mergeFile(config, sources.file, faults)
  for (const setting of settings) {
    const fromEnv = sources.env[setting.env]
    if (fromEnv !== undefined) set(config, setting, fromEnv)
    const fromFlag = sources.flags[setting.key]
    if (fromFlag !== undefined) set(config, setting, fromFlag)
  }
  const known = new Set(settings.map((setting) => setting.env))
  for (const name of Object.keys(sources.env)) {
    if (name.startsWith('IRONWAKE_') && !known.has(name) && !otherEnv.has(name))
      faults.push({ path: name, message: 'no such field' })
  }
  faults.push(...faultsOf(ConfigSchema, config), ...combinationFaults(config))
  if (faults.length === 0) return config as Config
  const list = faults.map((fault) => `  ${fault.path}: ${fault.message}`).join('\n')
  throw new AppError('Invalid', `configuration has ${faults.length} fault(s)\n${list}`, { faults })
}

/** A copy for people to see: passwords in URLs are `***`. */
export function withoutSecrets(config: Config): Config {
  const text = JSON.stringify(config).replaceAll(/(:\/\/[^/@:\s"]*):[^/@\s"]*@/g, '$1:***@')
  return JSON.parse(text) as Config
}

/** Names that are ours without being settings of the server. */
const otherEnv = new Set([
  'IRONWAKE_CONFIG',
  'IRONWAKE_CACHE',
  'IRONWAKE_DEBUG',
  'IRONWAKE_NODE',
  'IRONWAKE_REFRESH',
  'IRONWAKE_DEBIAN_MIRROR',
  'IRONWAKE_DEBIAN_SECURITY_MIRROR',
  'IRONWAKE_ZSTD_LEVEL',
])

function mergeFile(
  config: Record<string, unknown>,
  file: { name: string; text: string },
  faults: Fault[],
): void {
  try {
    const content: unknown = parse(file.text) ?? {}
    if (typeof content !== 'object' || Array.isArray(content))
      faults.push({ path: file.name, message: 'expected a map of settings' })
    else merge(config, content as Record<string, unknown>)
  } catch (error) {
    faults.push({ path: file.name, message: `not readable as YAML: ${messageOf(error)}` })
  }
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function merge(into: Record<string, unknown>, from: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(from)) {
    const present = Object.hasOwn(into, key) ? into[key] : undefined
    if (isMap(present) && isMap(value)) merge(present, value)
    else if (key === 'interface' && typeof value === 'string') into[key] = [value]
    else Object.defineProperty(into, key, { value, enumerable: true, writable: true, configurable: true })
  }
}

function set(config: Record<string, unknown>, setting: Setting, typed: string): void {
  const path = setting.key.split('.')
  let place = config
  for (const part of path.slice(0, -1)) {
    if (!isMap(place[part])) place[part] = {}
    place = place[part] as Record<string, unknown>
  }
  place[path.at(-1)!] = fromText(setting.schema, typed)
}

/** The value that `typed` spells for `schema`; text that does not fit stays text, for the schema to refuse. */
function fromText(schema: TSchema, typed: string): unknown {
  const { type, items } = schema as { type?: string; items?: TSchema }
  if (type === 'integer') return /^-?\d+$/.test(typed) ? Number(typed) : typed
  if (type === 'boolean') return typed === 'true' ? true : typed === 'false' ? false : typed
  if (type === 'array') {
    const parts = typed.split((schema as { separator?: string }).separator ?? ',').map((part) => part.trim())
    return parts.filter((part) => part !== '').map((part) => fromText(items!, part))
  }
  return typed
}

function combinationFaults(config: Record<string, unknown>): Fault[] {
  const { dhcp, interface: interfaces } = config as Partial<Config>
  return [...portFaults(config), ...tlsFaults(config), ...dhcpFaults(dhcp, interfaces), ...bootFaults(config)]
}

function tlsFaults(config: Record<string, unknown>): Fault[] {
  const { cert, key, ca } = (config as Partial<Config>).api?.tls ?? {}
  if (Boolean(cert) !== Boolean(key))
    return [
      {
        path: cert ? 'api.tls.key' : 'api.tls.cert',
        message: 'missing: certificate and key belong together',
      },
    ]
  return ca && !cert ? [{ path: 'api.tls.ca', message: 'means nothing without api.tls.cert' }] : []
}

function portFaults(config: Record<string, unknown>): Fault[] {
  const ports = (config as Partial<Config>).metadata?.ports
  if (
    Array.isArray(ports) &&
    new Set(ports.filter((value) => value !== 0)).size < ports.filter((value) => value !== 0).length
  )
    return [{ path: 'metadata.ports', message: 'names a port twice' }]
  return []
}
