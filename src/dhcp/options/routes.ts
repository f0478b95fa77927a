import { ip4FromNumber, ip4ToNumber, parseIp4 } from '../../model/ip4.ts'
import type { Ip4 } from '../../model/ip4.ts'
import { ip, readIp4 } from './codec.ts'
import type { Codec } from './codec.ts'

/** `destination` is a network in CIDR notation, `10.0.0.0/8`; `0.0.0.0/0` is the default route. */
export type Route = { destination: string; router: Ip4 }

/** Classless static routes (RFC 3442). A route whose destination is no IPv4 network is left out on encoding. */
export const classlessRoutes: Codec<readonly Route[]> = {
  encode: (routes) => Uint8Array.from(routes.flatMap(wireRoute)),
  decode: (bytes) => {
    const routes: Route[] = []
    for (let offset = 0; offset < bytes.length;) {
      const prefix = bytes[offset]!
      const octets = Math.ceil(prefix / 8)
      if (prefix > 32 || offset + 5 + octets > bytes.length) return undefined
      const network = Array.from({ length: 4 }, (_, index) =>
        index < octets ? bytes[offset + 1 + index]! : 0,
      )
      routes.push({
        destination: `${readIp4(Uint8Array.from(network), 0)}/${prefix}`,
        router: readIp4(bytes, offset + 1 + octets),
      })
      offset += 5 + octets
    }
    return routes.length > 0 ? routes : undefined
  },
}

/** @returns the network with its host bits cleared, or `undefined` when `destination` is not `a.b.c.d/0–32` */
export function parseNetwork(destination: string): { network: Ip4; prefix: number } | undefined {
  const [, address = '', digits = ''] = /^([0-9.]+)\/([0-9]{1,2})$/.exec(destination.trim()) ?? []
  const network = parseIp4(address)
  const prefix = Number(digits)
  if (!network || prefix > 32) return undefined
  const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0
  return { network: ip4FromNumber((ip4ToNumber(network) & mask) >>> 0), prefix }
}

function wireRoute({ destination, router }: Route): number[] {
  const parsed = parseNetwork(destination)
  if (!parsed) return []
  const significant = ip.encode(parsed.network).slice(0, Math.ceil(parsed.prefix / 8))
  return [parsed.prefix, ...significant, ...ip.encode(router)]
}
