import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
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
  const hostnames = createLines<string>(textShard)
  const macs = createLines<number>(numberShard)
  const ips = createLines<number>(numberShard)
  const bmcIps = createLines<number>(numberShard)
  const namespaces = new Set<string>()
  return {
    namespaces,
    lineOf: (namespace, hostname) => hostnames.get(idOf(namespace, hostname)),
    add({ namespace, hostname, mac, ip, bmc }, line) {
      const faults: CsvFault[] = []
      const once = <K>(lines: Lines<K>, key: K, column: string, value: string) => {
        const first = lines.get(key)
        if (first === undefined) lines.set(key, line)
        else faults.push({ line, column, value, expected: `a value of its own: line ${first} has it too` })
      }
      if (namespace) namespaces.add(namespace)
      if (hostname && namespace) once(hostnames, idOf(namespace, hostname), 'hostname', hostname)
      if (mac) once(macs, macNumber(mac), 'mac', mac)
      if (ip) once(ips, ipNumber(ip), 'ip_address', ip)
      if (bmc?.ip) once(bmcIps, ipNumber(bmc.ip), 'bmc_ip', bmc.ip)
      return faults
    },
  }
}

type Lines<K> = { get(key: K): number | undefined; set(key: K, line: number): void }

const shards = 64

/** Many small maps: a large one stops everything for a while each time it grows. */
function createLines<K>(shardOf: (key: K) => number): Lines<K> {
  const maps = Array.from({ length: shards }, () => new Map<K, number>())
  const mapOf = (key: K) => maps[shardOf(key) % shards]!
  return { get: (key) => mapOf(key).get(key), set: (key, line) => void mapOf(key).set(key, line) }
}

const numberShard = (key: number) => key

const textShard = (key: string) =>
  key.charCodeAt(key.length - 1) * 7 + key.charCodeAt(key.length >> 1) * 31 + key.length

const code = (character: string) => character.charCodeAt(0)
const [zero, nine, dot, letterA, colon] = [code('0'), code('9'), code('.'), code('a'), code(':')]

/** The 48 bits of a MAC. Digit by digit: a large file has many. */
function macNumber(mac: Mac): number {
  let sum = 0
  for (let at = 0; at < mac.length; at++) {
    const digit = mac.charCodeAt(at)
    if (digit !== colon) sum = sum * 16 + (digit <= nine ? digit - zero : digit - letterA + 10)
  }
  return sum
}

function ipNumber(ip: Ip4): number {
  let [sum, octet] = [0, 0]
  for (let at = 0; at < ip.length; at++) {
    const digit = ip.charCodeAt(at)
    if (digit === dot) [sum, octet] = [(sum + octet) * 256, 0]
    else octet = octet * 10 + (digit - zero)
  }
  return sum + octet
}

export const idOf = (namespace: string, name: string): string => `${namespace}/${name}`
