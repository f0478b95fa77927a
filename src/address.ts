import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { AppError } from './model/error.ts'
import { parseIp4 } from './model/ip4.ts'
import type { Ip4 } from './model/ip4.ts'

/** Name of the interface that the default route leaves by, from the text of `/proc/net/route`. */
export function defaultRouteInterface(table: string): string | undefined {
  const rows = table.split('\n').slice(1)
  return rows
    .map((row) => row.trim().split(/\s+/))
    .find((columns) => columns[1] === '00000000' && columns[7] === '00000000')?.[0]
}

/**
 * The IPv4 address to bind and to advertise: the one asked for, else that of the first DHCP interface, else that of the
 * default route, else the only one this host has.
 * @throws AppError Invalid when it is not an address of this host, or none can be told
 */
export function serverAddress(wanted: string, interfaces: readonly string[]): Ip4 {
  const own = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).flatMap((entry) => {
      const ip = entry.family === 'IPv4' ? parseIp4(entry.address) : undefined
      return ip ? [{ name, ip, internal: entry.internal }] : []
    }),
  )
  const listing = own.map(({ name, ip }) => `${ip} (${name})`).join(', ') || 'none'
  if (wanted !== '') {
    const found = own.find(({ ip }) => ip === wanted)
    if (found) return found.ip
    throw new AppError('Invalid', `address ${wanted} is not an IPv4 address of this host; it has ${listing}`)
  }
  for (const name of [...interfaces, defaultRouteInterface(routeTable())]) {
    const found = own.find((entry) => entry.name === name)
    if (found) return found.ip
  }
  const outer = own.filter(({ internal }) => !internal)
  if (outer.length === 1) return outer[0]!.ip
  throw new AppError(
    'Invalid',
    `cannot tell which address machines reach; set "address" to one of: ${listing}`,
  )
}

function routeTable(): string {
  try {
    return readFileSync('/proc/net/route', 'utf8')
  } catch {
    return ''
  }
}
