import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { BootSite } from './script.ts'
import { plainWords } from './words.ts'

/** The text in an ISO image that makes room for kernel arguments: how it begins and ends, and how long it is. */
export type Placeholder = { start: string; end: string; length: number }

/** The one of HookOS and CaptainOS: 1024 small letters and digits on the kernel command line of each boot loader. */
export const hookPlaceholder: Placeholder = {
  start: '464vn90e7rbj08xb',
  end: 'mjrwt260b0w',
  length: 1024,
}

/** A placeholder that is `text` itself. */
export const literalPlaceholder = (text: string): Placeholder => ({
  start: text,
  end: '',
  length: text.length,
})

/** Whether two copies of `text` could share bytes, so that it would not be clear which of them is one. */
export function overlapsItself(text: string): boolean {
  return Array.from(text, (_, index) => index).some(
    (index) => index > 0 && text.startsWith(text.slice(index)),
  )
}

/** Bytes that can be searched for text, as Node's buffers can. */
export type Searchable = Readonly<Uint8Array> & { indexOf(text: string, from?: number): number }

/**
 * Where placeholders begin in `bytes`, which a caller widens by `length - 1` on both sides of what it wants to know of.
 * They share no bytes with each other.
 */
export function findPlaceholders(bytes: Searchable, placeholder: Placeholder): number[] {
  const { start, length } = placeholder
  const found: number[] = []
  for (let at = bytes.indexOf(start); at !== -1 && at + length <= bytes.length;)
    if (isPlaceholder(bytes, at, placeholder)) {
      found.push(at)
      at = bytes.indexOf(start, at + length)
    } else at = bytes.indexOf(start, at + 1)
  return found
}

function isPlaceholder(
  bytes: Readonly<Uint8Array>,
  at: number,
  { start, end, length }: Placeholder,
): boolean {
  if (!holds(bytes, at, start) || !holds(bytes, at + length - end.length, end)) return false
  for (let index = at + start.length; index < at + length - end.length; index += 1)
    if (!isFilling(bytes[index]!) || holds(bytes, index, start)) return false
  return true
}

const holds = (bytes: Readonly<Uint8Array>, at: number, text: string): boolean => {
  for (let index = 0; index < text.length; index += 1)
    if (bytes[at + index] !== text.charCodeAt(index)) return false
  return true
}

const isFilling = (byte: number) => (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a)

/** What `/iso/…/<mac>/<any>.iso` asks for. `path` is decoded and has no slash in front. */
export function isoMac(path: string): Mac | undefined {
  const parts = path.split('/')
  return parts.length >= 2 && /.\.iso$/i.test(parts.at(-1)!) ? parseMac(parts.at(-2)!) : undefined
}

export type IsoLine = { text: string; refused: string[] }

/**
 * The kernel arguments of one machine that boots from an ISO image, in Tinkerbell's order, then the site's and the
 * Hardware's, of which the last wins. They stand in the configuration of a boot loader: a word that GRUB would take for
 * more than a word is left out.
 */
export function isoLine(site: BootSite, machine: Machine, options: { staticIpam: boolean }): IsoLine {
  const facility = machine.facilityCode
  const ipam = options.staticIpam ? ipamOf(machine) : undefined
  const { words, refused } = plainWords(
    [
      ...(facility ? [`facility=${facility}`] : []),
      ...(facility?.includes('console=') ? [] : consoles),
      ...(machine.vlanId ? [`vlan_id=${machine.vlanId}`] : []),
      `hw_addr=${machine.mac}`,
      `syslog_host=${site.syslogHost}`,
      `grpc_authority=${site.grpcAuthority}`,
      `tinkerbell_tls=${site.tls}`,
      `tinkerbell_insecure_tls=${site.insecureTls}`,
      `worker_id=${machine.agentId}`,
      ...site.kernelArgs,
      ...machine.osie.kernelParams,
      ...(ipam === undefined ? [] : [ipam]),
    ].join(' '),
  )
  const text = words.filter((word) => !grubReads.test(word)).join(' ')
  return { text, refused: [...refused, ...words.filter((word) => grubReads.test(word))] }
}

const grubReads = /[$;|&<>"'`\\]|^[{}]$/

const consoles = ['ttyAMA0', 'ttyS0', 'tty0', 'tty1', 'ttyS1'].map((name) => `console=${name}`)

/**
 * HookOS's static address: `ipam=<mac>:<vlan>:<ip>:<netmask>:<gateway>:<hostname>:<dns>:<search>:<ntp>`, lists joined with
 * commas. @returns `undefined` when one of those that HookOS insists on (address, netmask, DNS) is missing
 */
export function ipamOf(machine: Machine): string | undefined {
  const { mac, vlanId, ip, netmask, gateway, hostname, nameServers, domainName, timeServers } = machine
  if (!ip || !netmask || nameServers.length === 0) return undefined
  const fields = [
    mac.replaceAll(':', '-'),
    vlanId ?? '',
    ip,
    netmask,
    gateway ?? '',
    hostname ?? '',
    nameServers.join(','),
    domainName ?? '',
    timeServers.join(','),
  ]
  return `ipam=${fields.join(':')}`
}

/** @returns `line` filled up with blanks; `undefined` when it is longer than the room for it */
export function paddedLine(line: string, { length }: Placeholder): Uint8Array | undefined {
  return line.length > length ? undefined : new TextEncoder().encode(line.padEnd(length, ' '))
}

export type IsoSource =
  | { kind: 'image'; path: string }
  | { kind: 'url'; url: string; by: 'hardware' | 'site' }

/** Where a machine's ISO image comes from: the Hardware's own, else the site's; a name is one in the folder of images. */
export function isoSource(own: string | undefined, usual: string): IsoSource | undefined {
  if (own) return isWeb(own) ? { kind: 'url', url: own, by: 'hardware' } : undefined
  if (!usual) return undefined
  return isWeb(usual) ? { kind: 'url', url: usual, by: 'site' } : { kind: 'image', path: usual }
}

const isWeb = (text: string) => /^https?:\/\//i.test(text)
