import ipaddr from 'ipaddr.js'

/** Whether an address is that of a proxy whose word about its clients counts. */
export type IsTrusted = (address: string) => boolean

/** @returns `undefined` when `text` is neither an address nor `address/prefix`, IPv4 or IPv6 */
function parseNetwork(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] | undefined {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text)
  const address = parseAddress(text)
  return address && [address, address.kind() === 'ipv4' ? 32 : 128]
}

/** IPv4 in IPv6's spelling (`::ffff:192.0.2.1`) is IPv4. Odd spellings of IPv4 (`0177.1`) are refused. */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text)
  return ipaddr.IPv6.isValid(text) ? ipaddr.process(text) : undefined
}

/** Whether `text` names an address or a network in CIDR notation. */
export const isNetwork = (text: string): boolean => parseNetwork(text) !== undefined

/** @param networks addresses and networks; those that are neither are nobody's */
export function trustOf(networks: readonly string[]): IsTrusted {
  const known = networks.flatMap((text) => {
    const network = parseNetwork(text)
    return network ? [network] : []
  })
  return (text) => {
    const address = parseAddress(text)
    if (!address) return false
    return known.some(
      ([network, prefix]) => network.kind() === address.kind() && address.match(network, prefix),
    )
  }
}

/**
 * Who asks. The header counts only when it comes from a trusted proxy; each proxy has added who it was asked by at its
 * right end, so the first that is no trusted proxy, from the right, is the client, and what stands before it is a claim.
 * @param peer address at the other end of the connection
 * @param forwardedFor X-Forwarded-For, several joined with commas
 * @returns `undefined` when a trusted proxy says something that is no address
 */
export function clientAddress(
  peer: string,
  forwardedFor: string | undefined,
  isTrusted: IsTrusted,
): string | undefined {
  const direct = parseAddress(peer)?.toString()
  if (direct === undefined || forwardedFor === undefined || !isTrusted(direct)) return direct
  const hops = forwardedFor.split(',').map((hop) => parseAddress(withoutPort(hop.trim()))?.toString())
  const unknown = hops.findLastIndex((hop) => hop === undefined || !isTrusted(hop))
  return unknown === -1 ? hops[0] : hops[unknown]
}

/** Some proxies write `192.0.2.1:4711` and `[2001:db8::1]:4711`. */
function withoutPort(hop: string): string {
  return /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(hop)?.[1] ?? hop
}
