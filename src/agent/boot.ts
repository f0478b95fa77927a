import { AppError } from '../model/error.ts'
import type { Fault } from '../model/error.ts'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import { parseRegistries } from './oci/settings.ts'
import type { RegistrySettings } from './oci/settings.ts'

/** What the server put into the second initrd of this boot (`etc/ironwake/boot.json`). */
export type BootIdentity = {
  agentId: string
  mac: Mac
  /** exchanged once for a session key */
  token: string
  /** host:port of the agents' gRPC service */
  grpc: string
  /** PEM of the one CA whose server certificates are trusted */
  ca: string
  /** registries that images of actions are pulled from */
  registries: RegistrySettings[]
}

const textKeys = ['agentId', 'mac', 'token', 'grpc', 'ca'] as const

/**
 * @param text JSON `{ agentId, mac, token, grpc, ca, api: 1 }`, and `registries` (see RegistrySettings)
 * @throws AppError Invalid with every fault of the file
 */
export function parseBootFile(text: string): BootIdentity {
  const value = objectOf(text)
  const faults: Fault[] = []
  for (const key of textKeys) {
    if (typeof value[key] !== 'string' || value[key] === '')
      faults.push({ path: key, message: 'text expected' })
  }
  if (value['api'] !== 1)
    faults.push({ path: 'api', message: `1 expected, found ${JSON.stringify(value['api'])}` })
  const registries = parseRegistries(value['registries'])
  if (typeof registries === 'string') faults.push({ path: 'registries', message: registries })
  const mac = parseMac(String(value['mac']))
  if (!mac) faults.push({ path: 'mac', message: 'a MAC address expected' })
  if (faults.length || !mac || typeof registries === 'string') {
    const list = faults.map((fault) => `${fault.path}: ${fault.message}`).join('; ')
    throw new AppError('Invalid', `boot identity is not usable: ${list}`, { faults })
  }
  const read = (key: (typeof textKeys)[number]) => String(value[key])
  return {
    agentId: read('agentId'),
    mac,
    token: read('token'),
    grpc: read('grpc'),
    ca: read('ca'),
    registries,
  }
}

function objectOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch (cause) {
    throw new AppError('Invalid', 'boot identity is not JSON', { cause })
  }
  throw new AppError('Invalid', 'boot identity is not a JSON object')
}

/** Key=value words of a kernel command line; the last one wins. Words without `=` have the value ''. */
export function parseCommandLine(text: string): Record<string, string> {
  const words = text.trim().split(/\s+/).filter(Boolean)
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=')
      return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)]
    }),
  )
}

/** Why a machine without a boot identity can do nothing, in lines for its console. */
export function explainMissingIdentity(file: string, commandLine: string): string[] {
  const words = parseCommandLine(commandLine)
  return [
    `${file} is missing: the boot script did not load the identity initrd, so this boot has no token.`,
    `worker_id=${words['worker_id'] ?? '(unset)'} grpc_authority=${words['grpc_authority'] ?? '(unset)'} are on the`,
    'kernel command line, but a name alone is not accepted as an identity.',
    'Boot this machine from the network again; the script must come from the address that DHCP gave it.',
  ]
}
