import { ip4ToNumber } from '../model/ip4.ts'
import { macToNumber } from '../model/mac.ts'
import { createManyKeys } from '../model/many-keys.ts'
import type { ManyKeys } from '../model/many-keys.ts'
import type { CsvFault } from './fault.ts'
import type { Row } from './row.ts'

/** What a file has said so far of values that only one row may have. */
export type Seen = {
  /** remembers what could be read of a row; values that an earlier row has are faults */
  add(read: Partial<Row>, line: number): CsvFault[]
  /** line of the row about this Hardware */
  lineOf(namespace: string, hostname: string): number | undefined
  /** namespaces of all rows */
  readonly namespaces: ReadonlySet<string>
}

/** Addresses are kept as numbers: a large file has many. */
export function createSeen(): Seen {
  const hostnames = createManyKeys<string, number>()
  const macs = createManyKeys<number, number>()
  const ips = createManyKeys<number, number>()
  const bmcIps = createManyKeys<number, number>()
  const namespaces = new Set<string>()
  return {
    namespaces,
    lineOf: (namespace, hostname) => hostnames.get(idOf(namespace, hostname)),
    add({ namespace, hostname, mac, ip, bmc }, line) {
      const faults: CsvFault[] = []
      const once = <K>(lines: ManyKeys<K, number>, key: K, column: string, value: string) => {
        const first = lines.get(key)
        if (first === undefined) lines.set(key, line)
        else faults.push({ line, column, value, expected: `a value of its own: line ${first} has it too` })
      }
      if (namespace) namespaces.add(namespace)
      if (hostname && namespace) once(hostnames, idOf(namespace, hostname), 'hostname', hostname)
      if (mac) once(macs, macToNumber(mac), 'mac', mac)
      if (ip) once(ips, ip4ToNumber(ip), 'ip_address', ip)
      if (bmc?.ip) once(bmcIps, ip4ToNumber(bmc.ip), 'bmc_ip', bmc.ip)
      return faults
    },
  }
}

export const idOf = (namespace: string, name: string): string => `${namespace}/${name}`
