import { createCsvReader } from '../../src/inventory/csv.ts'
import type { Row } from '../../src/inventory/row.ts'

/** A whole file at once; `pieces`: cut into pieces of this many bytes. */
export function parseCsv(text: string | Uint8Array, pieces = Infinity) {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
  const reader = createCsvReader('eksa-system')
  const rows: Row[] = []
  for (let at = 0; at < bytes.length; at += pieces)
    for (const found of reader.read(bytes.subarray(at, at + pieces), false)) rows.push(...found)
  for (const found of reader.read(new Uint8Array(), true)) rows.push(...found)
  const { faults, warnings } = reader
  return {
    rows: faults.count === 0 ? rows : [],
    faults: faults.items,
    faultCount: faults.count,
    warnings: warnings.items,
  }
}
