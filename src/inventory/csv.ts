import papaparse from 'papaparse'
import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import * as cell from './cells.ts'
import type { Parsed } from './cells.ts'
import { bmcColumns, optionalColumns, requiredColumns } from './columns.ts'
import type { Column } from './columns.ts'

/** One fault: `line` as in the file (the header is 1); `value` is empty for secrets. */
export type CsvFault = { line: number; column: string; value: string; expected: string }

export type Bmc = { ip: Ip4; username: string; password: string }

/** One machine of the file, parsed. */
export type Row = {
  line: number
  hostname: string
  mac: Mac
  ip: Ip4
  netmask: Ip4
  gateway: Ip4
  nameservers: string[]
  labels: Record<string, string>
  disk: string
  /** '' : untagged; `undefined`: the file does not say */
  vlanId: string | undefined
  bmc: Bmc | undefined
}

export type CsvResult = { rows: Row[]; faults: CsvFault[]; warnings: string[] }

type Fields = { line: number; fields: string[] }
type Cells = Readonly<Partial<Record<Column, string>>>

/**
 * Reads hardware.csv as EKS Anywhere does: columns by header name in any order, unknown ones left out. Unlike it, every
 * fault of every row is reported, and a netmask has to be one.
 * @returns rows only when there is no fault
 */
export function parseCsv(text: string): CsvResult {
  const { records, faults } = readRecords(text)
  const header = records[0]
  if (!header)
    return failed([{ line: 1, column: '', value: '', expected: 'a header line and a row per machine' }])
  const names = header.fields.map((name) => name.trim())
  const warnings = unknownColumns(names)
  const headerFaults = checkHeader(names, header.line)
  if (headerFaults.length > 0) return failed(headerFaults, warnings)
  if (records.length === 1)
    return failed(
      [{ line: header.line + 1, column: '', value: '', expected: 'at least one row below the header' }],
      warnings,
    )
  const rows: Row[] = []
  const seen = createSeen()
  for (const record of records.slice(1)) {
    const fault = (column: string, value: string, expected: string) =>
      void faults.push({ line: record.line, column, value: shown(column, value), expected })
    if (record.fields.length !== names.length) {
      fault('', `${record.fields.length} fields`, `${names.length} fields, as in the header`)
      continue
    }
    const row = readRow(cellsOf(names, record.fields), record.line, fault, seen)
    if (row) rows.push(row)
    for (const server of row?.nameservers ?? [])
      if (!parseIp4(server))
        warnings.push(`line ${record.line}: nameserver "${server}" is no IPv4 address and is not offered`)
  }
  if (faults.length === 0) return { rows, faults, warnings }
  return failed(
    faults.toSorted((a, b) => a.line - b.line),
    warnings,
  )
}

const failed = (faults: CsvFault[], warnings: string[] = []): CsvResult => ({ rows: [], faults, warnings })

/** Passwords are never repeated; long values are cut. */
function shown(column: string, value: string): string {
  if (column === 'bmc_password') return value === '' ? '' : '***'
  return value.length > 100 ? `${value.slice(0, 100)}…` : value
}

/** Records with the line they start on; blank lines are left out. A quoted field may span lines. */
function readRecords(text: string): { records: Fields[]; faults: CsvFault[] } {
  // The parser settles on the first line's end for the whole file.
  const content = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
  const records: Fields[] = []
  const faults: CsvFault[] = []
  let line = 1
  let read = 0
  papaparse.parse<string[]>(content, {
    delimiter: ',',
    newline: '\n',
    step: ({ data, errors, meta }) => {
      if (data.some((field) => field.trim() !== ''))
        records.push({ line, fields: data.map((field) => field.trim()) })
      for (const error of errors)
        faults.push({ line, column: '', value: '', expected: `well-formed CSV: ${error.message}` })
      line += linesIn(content, read, meta.cursor)
      read = meta.cursor
    },
  })
  return { records, faults }
}

function linesIn(text: string, from: number, to: number): number {
  let count = 0
  for (let at = from; at < to; at++) if (text.charCodeAt(at) === 10) count++
  return count
}

const known: readonly string[] = [...requiredColumns, ...optionalColumns]

function unknownColumns(names: readonly string[]): string[] {
  const unknown = names.filter((name) => !known.includes(name))
  return unknown.length > 0 ? [`unknown columns are left out: ${unknown.join(', ')}`] : []
}

function checkHeader(names: readonly string[], line: number): CsvFault[] {
  const missing = requiredColumns.filter((name) => !names.includes(name))
  const twice = new Set(names.filter((name, at) => known.includes(name) && names.indexOf(name) !== at))
  const faults = [...twice].map((column) => ({ line, column, value: column, expected: 'each column once' }))
  if (missing.length === 0) return faults
  const expected = `missing required columns in csv: ${missing.join(', ')}`
  return [{ line, column: missing.join(', '), value: '', expected }, ...faults]
}

function cellsOf(names: readonly string[], fields: readonly string[]): Cells {
  return Object.fromEntries(names.flatMap((name, at) => (known.includes(name) ? [[name, fields[at]!]] : [])))
}

type AddFault = (column: string, value: string, expected: string) => void

/** Lines on which values that must be unique were first seen. */
type Seen = Readonly<Record<'hostname' | 'mac' | 'ip_address' | 'bmc_ip', Map<string, number>>>
const createSeen = (): Seen => ({
  hostname: new Map(),
  mac: new Map(),
  ip_address: new Map(),
  bmc_ip: new Map(),
})

function readRow(cells: Cells, line: number, fault: AddFault, seen: Seen): Row | undefined {
  let sound = true
  const refuse: AddFault = (...details) => {
    sound = false
    fault(...details)
  }
  const read = <T>(column: Column, parse: (text: string) => Parsed<T>): T | undefined => {
    const text = cells[column] ?? ''
    const parsed = parse(text)
    if (parsed.ok) return parsed.value
    refuse(column, text, parsed.expected)
    return undefined
  }
  const once = <T extends string>(column: keyof Seen, value: T | undefined): T | undefined => {
    const first = value === undefined ? undefined : seen[column].get(value)
    if (first !== undefined) refuse(column, value!, `a value of its own: line ${first} has it too`)
    else if (value !== undefined) seen[column].set(value, line)
    return value
  }
  const row = {
    line,
    hostname: once('hostname', read('hostname', cell.hostnameOf))!,
    mac: once('mac', read('mac', cell.macOf))!,
    ip: once('ip_address', read('ip_address', cell.ipOf))!,
    netmask: read('netmask', cell.netmaskOf)!,
    gateway: read('gateway', cell.ipOf)!,
    nameservers: read('nameservers', cell.nameserversOf)!,
    labels: read('labels', cell.labelsOf)!,
    disk: read('disk', cell.diskOf)!,
    vlanId: cells.vlan_id === undefined ? undefined : read('vlan_id', cell.vlanOf)!,
    bmc: undefined as Bmc | undefined,
  }
  if (bmcColumns.some((column) => (cells[column] ?? '') !== '')) {
    row.bmc = {
      ip: once('bmc_ip', read('bmc_ip', cell.bmcIpOf))!,
      username: read('bmc_username', cell.filled('a user name, since the row has BMC fields'))!,
      password: read('bmc_password', cell.filled('a password, since the row has BMC fields'))!,
    }
  }
  return sound ? row : undefined
}
