import { parseIp4, prefixLength } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'

/** What a cell means, or what was expected in its place. */
export type Parsed<T> = { ok: true; value: T } | { ok: false; expected: string }

const fine = <T>(value: T): Parsed<T> => ({ ok: true, value })
const wrong = (expected: string): Parsed<never> => ({ ok: false, expected })

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const namePart = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/
/** Labels by which Cluster API Provider Tinkerbell claims a machine. */
export const claimPrefix = 'v1alpha1.tinkerbell.org/'
const diskPath = /^(\/dev\/[\w-]+)+$/

/** A DNS-1123 subdomain: it becomes the Hardware's name. */
export function hostnameOf(text: string): Parsed<string> {
  if (text === '') return wrong('a hostname')
  if (text.length <= 253 && subdomain.test(text)) return fine(text)
  return wrong('a DNS-1123 subdomain: lower case letters, digits, "-" and ".", at most 253 characters')
}

export function macOf(text: string): Parsed<Mac> {
  const mac = parseMac(text)
  return mac ? fine(mac) : wrong('a MAC address such as 00:1b:21:aa:bb:cc')
}

export function ipOf(text: string): Parsed<Ip4> {
  const ip = parseIp4(text)
  return ip ? fine(ip) : wrong('an IPv4 address such as 10.0.0.5')
}

export function netmaskOf(text: string): Parsed<Ip4> {
  const mask = parseIp4(text)
  return mask && prefixLength(mask) !== undefined
    ? fine(mask)
    : wrong('an IPv4 netmask such as 255.255.255.0')
}

/** Values between `|`; EKS Anywhere takes any text here, an empty one excepted. */
export function nameserversOf(text: string): Parsed<string[]> {
  const servers = text.split('|').map((part) => part.trim())
  return servers.every((server) => server !== '')
    ? fine(servers)
    : wrong('IPv4 addresses separated by "|", none empty')
}

/** `key=value` pairs between `|`; no pairs at all are allowed. */
export function labelsOf(text: string): Parsed<Record<string, string>> {
  if (text === '') return fine({})
  const pairs: [string, string][] = []
  for (const pair of text.split('|')) {
    const parts = pair.split('=').map((part) => part.trim())
    const [key, value] = parts
    if (parts.length !== 2 || key === undefined || value === undefined)
      return wrong(`pairs key=value separated by "|"; badly formatted key-value pair: ${pair.trim()}`)
    if (!isLabelKey(key)) return wrong(`label keys such as type or example.com/type, not "${key}"`)
    if (key.startsWith(claimPrefix))
      return wrong(`labels of the inventory; "${key}" is set by Cluster API when it claims a machine`)
    if (value.length > 63 || !labelValue.test(value))
      return wrong(`label values of at most 63 letters, digits, "-", "_" and ".", not "${value}"`)
    pairs.push([key, value])
  }
  return fine(Object.fromEntries(pairs))
}

/** Kubernetes' qualified name: an optional DNS prefix, a slash, and a name of at most 63 characters. */
function isLabelKey(key: string): boolean {
  const parts = key.split('/')
  const name = parts.pop()!
  const prefix = parts[0]
  if (parts.length > 1 || name.length > 63 || !namePart.test(name)) return false
  return prefix === undefined || (prefix.length <= 253 && subdomain.test(prefix))
}

export function diskOf(text: string): Parsed<string> {
  return diskPath.test(text) ? fine(text) : wrong('a device such as /dev/sda or /dev/nvme0n1')
}

/** Empty: untagged. */
export function vlanOf(text: string): Parsed<string> {
  if (text === '') return fine('')
  const id = /^\d{1,4}$/.test(text) ? Number(text) : 0
  return id >= 1 && id <= 4094 ? fine(String(id)) : wrong('a VLAN id from 1 to 4094')
}

export function bmcIpOf(text: string): Parsed<Ip4> {
  const ip = parseIp4(text)
  return ip ? fine(ip) : wrong('an IPv4 address, since the row has BMC fields; not a hostname')
}

export const filled =
  (expected: string) =>
  (text: string): Parsed<string> =>
    text.trim() === '' ? wrong(expected) : fine(text)

export const anything = (text: string): Parsed<string> => fine(text)

export const tooLong = (most: number) => (): Parsed<never> =>
  wrong(`at most ${most} characters, since the row has BMC fields`)

const namespaceName = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** A DNS-1123 label. */
export function namespaceOf(text: string): Parsed<string> {
  return namespaceName.test(text)
    ? fine(text)
    : wrong('a namespace: lower case letters, digits and "-", at most 63 characters')
}

const archs = ['x86_64', 'aarch64', 'amd64', 'arm64', 'x64']

export function archOf(text: string): Parsed<string> {
  return archs.includes(text) ? fine(text) : wrong('x86_64 or aarch64 (amd64, x64 and arm64 are understood)')
}

export function flagOf(text: string): Parsed<boolean> {
  const word = text.toLowerCase()
  return word === 'true' || word === 'false' ? fine(word === 'true') : wrong('true or false')
}

export function portOf(text: string): Parsed<number> {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? fine(port) : wrong('a port from 1 to 65535')
}

const providers = ['gofish', 'ipmitool', 'asrockrack', 'IntelAMT', 'dell', 'supermicro', 'openbmc', 'rpc']

/** Names of BMC protocols between `|`, the preferred one first. */
export function providersOf(text: string): Parsed<string[]> {
  const names = text.split('|').map((part) => part.trim())
  const isKnown = (name: string) => providers.some((known) => known.toLowerCase() === name.toLowerCase())
  return names.every(isKnown) && new Set(names).size === names.length
    ? fine(names)
    : wrong(`protocols separated by "|", each once, of ${providers.join(', ')} (gofish is Redfish)`)
}
