declare const brand: unique symbol

/** An IPv4 address in dotted decimal without leading zeros. Made only by `parseIp4` and `ip4FromNumber`. */
export type Ip4 = string & { readonly [brand]: 'Ip4' }

const octetText = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
const dotted = new RegExp(`^${octetText}\\.${octetText}\\.${octetText}\\.${octetText}$`)

/** @returns `undefined` when `text` is not four decimal octets */
export function parseIp4(text: string): Ip4 | undefined {
  return dotted.test(text) ? (text as Ip4) : undefined
}

const [zero, dot] = ['0'.charCodeAt(0), '.'.charCodeAt(0)]

/** @returns the address as an unsigned 32-bit number, host order */
export function ip4ToNumber(ip: Ip4): number {
  let [sum, octet] = [0, 0]
  for (let at = 0; at < ip.length; at++) {
    const digit = ip.charCodeAt(at)
    if (digit === dot) [sum, octet] = [(sum + octet) * 256, 0]
    else octet = octet * 10 + (digit - zero)
  }
  return sum + octet
}

/** @param value unsigned 32-bit number, host order */
export function ip4FromNumber(value: number): Ip4 {
  return `${(value >>> 24) & 255}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` as Ip4
}

/** @returns prefix length 0–32 of a contiguous netmask; `undefined` when its ones are not contiguous */
export function prefixLength(netmask: Ip4): number | undefined {
  const inverse = ~ip4ToNumber(netmask) >>> 0
  return (inverse & (inverse + 1)) === 0 ? 32 - Math.log2(inverse + 1) : undefined
}

/** Address of the subnet's broadcast (host bits all ones). */
export function broadcastOf(ip: Ip4, netmask: Ip4): Ip4 {
  return ip4FromNumber((ip4ToNumber(ip) | ~ip4ToNumber(netmask)) >>> 0)
}
