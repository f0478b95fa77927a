import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import * as cell from './cells.ts'
import type { Parsed } from './cells.ts'
import { allBmcColumns, isSecret } from './columns.ts'
import type { Column } from './columns.ts'
import { shownValue } from './fault.ts'
import type { CsvFault } from './fault.ts'

/** The BMC of a row; what is not there the file does not say. */
export type Bmc = {
  ip: Ip4
  username: string
  password: string
  port?: number
  insecureTls?: boolean
  /** protocols, the preferred one first */
  providers?: string[]
}

/** One machine of the file, parsed. It is staged as JSON: fields are added, never renamed. */
export type Row = {
  line: number
  namespace: string
  hostname: string
  mac: Mac
  ip: Ip4
  netmask: Ip4
  gateway: Ip4
  nameservers: string[]
  labels: Record<string, string>
  disk: string
  /** '': untagged; absent: the file does not say */
  vlanId?: string
  arch?: string
  uefi?: boolean
  userData?: string
  vendorData?: string
  bmc?: Bmc
}

export type Cells = Readonly<Partial<Record<Column, string>>>

/** With a BMC, `bmc-<hostname>-auth` has to be a name as well. */
const longestBmcHostname = 244

/** What could be read of a row, and the row when all of it could. */
export type Reading = { read: Partial<Row>; row: Row | undefined }

type Read = <T>(column: Column, parse: (text: string) => Parsed<T>) => T
type Said = <T>(column: Column, parse: (text: string) => Parsed<T>) => T | undefined

/**
 * A reader of the rows of one file: each cell is checked for itself.
 * @param namespace of rows that name none
 * @param refuse called with each fault
 */
export function createRowReader(
  namespace: string,
  refuse: (fault: CsvFault) => void,
): (cells: Cells, line: number) => Reading {
  const [netmaskOf, nameserversOf, labelsOf, diskOf] = [
    remembering(cell.netmaskOf),
    remembering(cell.nameserversOf),
    remembering(cell.labelsOf),
    remembering(cell.diskOf),
  ]
  let cells: Cells = {}
  let line = 0
  let isSound = true

  const read: Read = (column, parse) => {
    const text = cells[column] ?? ''
    const parsed = parse(text)
    if (parsed.ok) return parsed.value
    isSound = false
    refuse({ line, column, value: shownValue(text, isSecret(column)), expected: parsed.expected })
    return undefined as never
  }
  const said: Said = (column, parse) => ((cells[column] ?? '') === '' ? undefined : read(column, parse))

  return (nextCells, nextLine) => {
    ;[cells, line, isSound] = [nextCells, nextLine, true]
    const row: Row = {
      line,
      namespace: said('namespace', cell.namespaceOf) ?? namespace,
      hostname: read('hostname', cell.hostnameOf),
      mac: read('mac', cell.macOf),
      ip: read('ip_address', cell.ipOf),
      netmask: read('netmask', netmaskOf),
      gateway: read('gateway', cell.ipOf),
      nameservers: read('nameservers', nameserversOf),
      labels: read('labels', labelsOf),
      disk: read('disk', diskOf),
    }
    if (cells.vlan_id !== undefined) row.vlanId = read('vlan_id', cell.vlanOf)
    put(row, 'arch', said('arch', cell.archOf))
    put(row, 'uefi', said('uefi', cell.flagOf))
    put(row, 'userData', said('user_data', cell.anything))
    put(row, 'vendorData', said('vendor_data', cell.anything))
    if (allBmcColumns.some((column) => (nextCells[column] ?? '') !== '')) {
      row.bmc = readBmc(read, said)
      if (row.hostname?.length > longestBmcHostname) read('hostname', cell.tooLong(longestBmcHostname))
    }
    return { read: row, row: isSound ? row : undefined }
  }
}

function readBmc(read: Read, said: Said): Bmc {
  const bmc: Bmc = {
    ip: read('bmc_ip', cell.bmcIpOf),
    username: read('bmc_username', cell.filled('a user name, since the row has BMC fields')),
    password: read('bmc_password', cell.filled('a password, since the row has BMC fields')),
  }
  put(bmc, 'port', said('bmc_port', cell.portOf))
  put(bmc, 'insecureTls', said('bmc_insecure_tls', cell.flagOf))
  put(bmc, 'providers', said('bmc_providers', cell.providersOf))
  return bmc
}

/** Cells that a parser remembers. */
const mostRemembered = 5000

/** The same parser for cells that many rows share; what it returns is shared too. */
function remembering<T>(parse: (text: string) => Parsed<T>): (text: string) => Parsed<T> {
  const known = new Map<string, Parsed<T>>()
  return (text) => {
    const found = known.get(text)
    if (found) return found
    if (known.size >= mostRemembered) known.clear()
    const parsed = parse(text)
    known.set(text, parsed)
    return parsed
  }
}

function put<T, K extends keyof T>(target: T, key: K, value: T[K] | undefined): void {
  if (value !== undefined) target[key] = value
}

/** Name servers that are no IPv4 address: EKS Anywhere takes them, DHCP cannot say them. */
export function silentNameservers(row: Row): string[] {
  return row.nameservers.filter((server) => !parseIp4(server))
}
