import { isColumn, requiredColumns } from './columns.ts'
import type { Column } from './columns.ts'
import type { CsvFault } from './fault.ts'
import type { CsvRecord } from './records.ts'

/** What the first line says: which column is where. */
export type Header = {
  columns: readonly { column: Column; at: number }[]
  has(column: Column): boolean
  /** fields that every row has */
  width: number
}

export type HeaderResult = { header?: Header; faults: CsvFault[]; warnings: string[] }

/** Names that a warning repeats. */
const mostNames = 20

/**
 * Columns are known by their exact names, as in EKS Anywhere (only spaces around a name do not count); unknown ones are
 * left out, and one warning names them.
 */
export function readHeader({ line, fields }: CsvRecord): HeaderResult {
  const names = fields.map((name) => name.trim())
  const unknown = names.filter((name) => !isColumn(name))
  const warnings = unknown.length > 0 ? [`unknown columns are left out: ${listed(unknown)}`] : []
  const faults = [...missing(names, line), ...repeated(names, line)]
  if (faults.length > 0) return { faults, warnings }
  const columns = names.flatMap((column, at) => (isColumn(column) ? [{ column, at }] : []))
  const has = (wanted: Column) => columns.some(({ column }) => column === wanted)
  return { header: { columns, has, width: names.length }, faults, warnings }
}

function missing(names: readonly string[], line: number): CsvFault[] {
  const absent = requiredColumns.filter((name) => !names.includes(name))
  if (absent.length === 0) return []
  const expected = `missing required columns in csv: ${absent.join(', ')}${hint(names, absent)}`
  return [{ line, column: absent.join(', '), value: '', expected }]
}

/** What is probably wrong when columns are missing. */
function hint(names: readonly string[], absent: readonly string[]): string {
  const [only = ''] = names
  const other = [
    { name: 'semicolons', mark: ';' },
    { name: 'tabs', mark: '\t' },
    { name: 'bars', mark: '|' },
  ].find(({ mark }) => only.split(mark).some((part) => requiredColumns.includes(part.trim() as never)))
  if (other && absent.length === requiredColumns.length)
    return `; the file has ${other.name} between its columns: save it with commas`
  const inWrongCase = names.filter(
    (name) => absent.includes(spelled(name) as never) && !absent.includes(name as never),
  )
  if (inWrongCase.length === 0) return ''
  return `; names are spelt exactly: "${spelled(inWrongCase[0]!)}", not "${inWrongCase[0]}"`
}

const spelled = (name: string) => name.toLowerCase().replaceAll(/[\s-]+/g, '_')

function repeated(names: readonly string[], line: number): CsvFault[] {
  const twice = new Set(names.filter((name, at) => isColumn(name) && names.indexOf(name) !== at))
  return [...twice].map((column) => ({ line, column, value: column, expected: 'each column once' }))
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, mostNames).map((name) => (name === '' ? '(no name)' : name.slice(0, 60)))
  const more = names.length - shown.length
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
}
