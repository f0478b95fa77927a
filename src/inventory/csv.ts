import { isVerbatim } from './columns.ts'
import type { Column } from './columns.ts'
import { createBounded } from './fault.ts'
import type { Bounded, CsvFault } from './fault.ts'
import { readHeader } from './header.ts'
import type { Header } from './header.ts'
import { createRecordReader } from './records.ts'
import type { CsvRecord } from './records.ts'
import { createRowReader, silentNameservers } from './row.ts'
import type { Cells, Row } from './row.ts'
import { createSeen } from './seen.ts'
import type { Seen } from './seen.ts'
import { createTextReader } from './text.ts'

/** A hardware.csv while it arrives. */
export type CsvReader = {
  /**
   * The rows that these bytes complete, a batch at a time so that the caller can do other things between two. A row
   * with a fault is left out.
   */
  read(bytes: Uint8Array, isLast: boolean): Generator<Row[]>
  readonly faults: Bounded<CsvFault>
  readonly warnings: Bounded<string>
  /** the rest of the file cannot be read */
  readonly isStopped: boolean
  /** rows below the header, sound or not */
  readonly rows: number
  readonly seen: Seen
  has(column: Column): boolean
}

/** Faults and warnings that are told; of the others only the count. */
const mostFaults = 500
const mostWarnings = 100
const mostRows = 500_000
/** Bytes between two batches. */
const pieceSize = 16 * 1024

/**
 * Reads hardware.csv as EKS Anywhere does: columns by header name in any order, unknown ones left out. Unlike it, every
 * fault of every row is reported, and a netmask has to be one.
 * @param namespace of rows that name none
 */
export function createCsvReader(namespace: string): CsvReader {
  const text = createTextReader()
  const records = createRecordReader()
  const faults = createBounded<CsvFault>(mostFaults)
  const warnings = createBounded<string>(mostWarnings)
  const seen = createSeen()
  const readRow = createRowReader(namespace, faults.add)
  let header: Header | undefined
  let headerLine = 1
  let isStopped = false
  let rows = 0

  const stop = (fault: CsvFault) => {
    isStopped = true
    faults.add(fault)
  }

  function begin(record: CsvRecord): void {
    const result = readHeader(record)
    headerLine = record.line
    for (const warning of result.warnings) warnings.add(warning)
    for (const fault of result.faults) faults.add(fault)
    header = result.header
    if (!header) isStopped = true
  }

  function rowOf({ line, fields, fault }: CsvRecord, { width, columns }: Header): Row | undefined {
    rows++
    const refused = misshapen(fields, fault, width)
    if (refused) {
      faults.add({ line, column: '', ...refused })
      return undefined
    }
    const { read, row } = readRow(cellsOf(fields, columns), line)
    for (const repeated of seen.add(read, line)) faults.add(repeated)
    if (!row) return undefined
    for (const server of silentNameservers(row))
      warnings.add(`line ${line}: nameserver "${server}" is no IPv4 address and is not offered`)
    return row
  }

  function batch(found: readonly CsvRecord[]): Row[] {
    const sound: Row[] = []
    for (const record of found) {
      if (isStopped) break
      if (!header) begin(record)
      else if (rows === mostRows) stop({ line: record.line, column: '', value: '', expected: tooMany })
      else {
        const row = rowOf(record, header)
        if (row) sound.push(row)
      }
    }
    return sound
  }

  function end(): void {
    if (isStopped) return
    if (!header)
      faults.add({ line: 1, column: '', value: '', expected: 'a header line and a row per machine' })
    else if (rows === 0)
      faults.add({
        line: headerLine + 1,
        column: '',
        value: '',
        expected: 'at least one row below the header',
      })
  }

  return {
    faults,
    warnings,
    seen,
    has: (column) => header?.has(column) ?? false,
    get isStopped() {
      return isStopped
    },
    get rows() {
      return rows
    },
    *read(bytes, isLast) {
      for (let at = 0; at === 0 || at < bytes.length; at += pieceSize) {
        if (isStopped) return
        const isEnd = isLast && at + pieceSize >= bytes.length
        const piece = text.read(bytes.subarray(at, at + pieceSize), isEnd)
        if (typeof piece !== 'string') return stop(piece)
        yield batch(records.read(piece, isEnd))
        const stopped = records.stopped()
        if (stopped && !isStopped) stop({ column: '', value: '', ...stopped })
      }
      if (isLast) end()
    },
  }
}

const tooMany = `at most ${mostRows} rows in one file`

function misshapen(fields: readonly string[], fault: string | undefined, width: number) {
  if (fault !== undefined) return { value: '', expected: `well-formed CSV: ${fault}` }
  if (fields.length === width) return undefined
  return { value: `${fields.length} fields`, expected: `${width} fields, as in the header` }
}

function cellsOf(fields: readonly string[], columns: Header['columns']): Cells {
  const cells: Partial<Record<Column, string>> = {}
  for (const { column, at } of columns) {
    const field = fields[at]!
    cells[column] = isVerbatim(column) ? field : field.trim()
  }
  return cells
}
