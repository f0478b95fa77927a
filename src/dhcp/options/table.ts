import { userClasses } from './classes.ts'
import { ip, ips, octets, text, uint16, uint16s, uint32, uint8 } from './codec.ts'
import type { Codec } from './codec.ts'
import { subOptions } from './encapsulated.ts'
import { domainSearch } from './names.ts'
import { classlessRoutes } from './routes.ts'

/** Values of options by number, in the order in which they go on the wire; repeated ones joined (RFC 3396). */
export type Options = ReadonlyMap<number, Uint8Array>

export type Option<T> = { code: number; codec: Codec<T> }

const option = <T>(code: number, codec: Codec<T>): Option<T> => ({ code, codec })

/** The options that this server reads or writes: IANA "BOOTP Vendor Extensions and DHCP Options", RFC 2132 unless noted. */
export const dhcpOption = {
  subnetMask: option(1, ip),
  routers: option(3, ips),
  nameServers: option(6, ips),
  logServers: option(7, ips),
  hostname: option(12, text),
  domainName: option(15, text),
  broadcast: option(28, ip),
  timeServers: option(42, ips),
  /** PXE 2.1 table 2-1 */
  vendorSpecific: option(43, subOptions({ terminated: true, padded: true })),
  requestedIp: option(50, ip),
  /** seconds; 0xffffffff is for ever */
  leaseSeconds: option(51, uint32),
  overload: option(52, uint8),
  messageType: option(53, uint8),
  serverId: option(54, ip),
  /** option numbers that the client asks for */
  parameterList: option(55, octets),
  message: option(56, text),
  /** octets of the longest DHCP message that the client takes, IP and UDP headers included */
  maxMessageSize: option(57, uint16),
  renewSeconds: option(58, uint32),
  rebindSeconds: option(59, uint32),
  vendorClass: option(60, text),
  clientId: option(61, octets),
  tftpServerName: option(66, text),
  bootFileName: option(67, text),
  /** RFC 3004 */
  userClass: option(77, userClasses),
  /** RFC 3046; 11 is the server identifier override of RFC 5107 */
  relayAgent: option(82, subOptions({ terminated: false, padded: false })),
  /** RFC 4578 §2.1 */
  clientArch: option(93, uint16s),
  /** RFC 4578 §2.2 */
  clientInterface: option(94, octets),
  /** RFC 4578 §2.3 */
  clientMachineId: option(97, octets),
  /** RFC 3397 */
  domainSearch: option(119, domainSearch),
  /** RFC 3442 */
  classlessRoutes: option(121, classlessRoutes),
  /** RFC 5859 */
  tftpServers: option(150, ips),
  /** iPXE's own; sub-option 176 = 1 tells it not to wait for proxy DHCP offers */
  ipxe: option(175, subOptions({ terminated: false, padded: true })),
} as const

/** @returns the value, or `undefined` when it is absent or malformed */
export function getOption<T>(options: Options, { code, codec }: Option<T>): T | undefined {
  const bytes = options.get(code)
  return bytes && codec.decode(bytes)
}

/** Sets an option; one whose value is `undefined` or encodes to nothing is left out. */
export function setOption<T>(
  options: Map<number, Uint8Array>,
  { code, codec }: Option<T>,
  value: T | undefined,
) {
  if (value === undefined) return
  const bytes = codec.encode(value)
  if (bytes.length > 0) options.set(code, bytes)
}

/** RFC 2132 §9.6 */
export const messageTypes = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const

export type MessageType = keyof typeof messageTypes
