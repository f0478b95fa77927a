import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { isCode, messageOf } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import { machinesOf } from '../model/machine.ts'
import { createObject, modifyObject } from '../store/resource.ts'
import type { SideStore } from '../store/side.ts'
import type { Store } from '../store/store.ts'
import { parseCsv } from './csv.ts'
import type { CsvFault, Row } from './csv.ts'
import { hardwareOf, merged } from './resources.ts'

export type ImportDeps = { store: Store; side: SideStore; clock: Clock; newUid(): string; log: Logger }
export type ImportOptions = { namespace: string; dryRun: boolean }
export type ImportCounts = { created: number; updated: number; unchanged: number }
export type ImportReport =
  | (ImportCounts & { warnings: readonly string[] })
  | { faults: readonly CsvFault[]; warnings: readonly string[] }

/** A file that was found sound and is being applied. */
type Staged = { namespace: string; rows: Row[] }

/** Objects between two turns of the event loop, so that packets and agents are served meanwhile. */
const sliceSize = 50

/**
 * Imports hardware.csv: the whole file is checked, also against the inventory; then it is staged on disk and applied.
 * A crash in between leaves the stage, which `resumeImports` finishes. Nothing is written when there is any fault.
 */
export async function importCsv(
  deps: ImportDeps,
  text: string,
  options: ImportOptions,
): Promise<ImportReport> {
  const { rows, faults, warnings } = parseCsv(text)
  if (faults.length > 0) return { faults, warnings }
  const { items } = await deps.store.list('Hardware')
  const clashes = findClashes(rows, items as Hardware[], options.namespace)
  if (clashes.length > 0) return { faults: clashes, warnings }
  const withBmc = rows.filter((row) => row.bmc).length
  if (withBmc > 0)
    warnings.push(
      `BMC fields of ${withBmc} row(s) are sound, but BMC credentials are not stored by this version`,
    )
  if (options.dryRun) return { ...foresee(rows, items as Hardware[], options.namespace), warnings }
  const id = deps.newUid()
  const staged: Staged = { namespace: options.namespace, rows: rows.map(withoutSecrets) }
  await deps.side.put('import', id, staged)
  const counts = await apply(deps, staged)
  await deps.side.delete('import', id)
  deps.log.info({ ...counts, namespace: options.namespace }, 'hardware imported')
  return { ...counts, warnings }
}

/** Finishes imports that were being applied when the process ended. */
export async function resumeImports(deps: ImportDeps): Promise<void> {
  for (const { key, value } of await deps.side.list('import', '')) {
    const counts = await apply(deps, value as Staged)
    await deps.side.delete('import', key)
    deps.log.info({ ...counts, id: key }, 'hardware import finished after a restart')
  }
}

const withoutSecrets = (row: Row): Row =>
  row.bmc ? { ...row, bmc: { ...row.bmc, username: '', password: '' } } : row

const idOf = (namespace: string, name: string) => `${namespace}/${name}`

/** Rows whose MAC or IP belongs to another Hardware, or to another interface of their own. */
function findClashes(rows: readonly Row[], stored: readonly Hardware[], namespace: string): CsvFault[] {
  const macs = new Map<string, string>()
  const ips = new Map<string, string>()
  const replaced = new Set(rows.map((row) => idOf(namespace, row.hostname)))
  for (const hardware of stored) {
    const id = idOf(hardware.metadata.namespace, hardware.metadata.name)
    // A row sets the first interface of its Hardware: what that one has now is free for any row of the file.
    const [first, ...others] = hardware.spec?.interfaces ?? []
    const kept = replaced.has(id) || !first ? others : [first, ...others]
    for (const { mac, ip } of machinesOf({ ...hardware, spec: { ...hardware.spec, interfaces: kept } })) {
      macs.set(mac, id)
      if (ip) ips.set(ip, id)
    }
  }
  return rows.flatMap((row) => {
    const taken = (column: string, value: string, owner: string | undefined): CsvFault[] =>
      owner === undefined
        ? []
        : [{ line: row.line, column, value, expected: `a value of its own: Hardware ${owner} has it` }]
    return [...taken('mac', row.mac, macs.get(row.mac)), ...taken('ip_address', row.ip, ips.get(row.ip))]
  })
}

function foresee(rows: readonly Row[], stored: readonly Hardware[], namespace: string): ImportCounts {
  const known = new Map(
    stored.map((hardware) => [idOf(hardware.metadata.namespace, hardware.metadata.name), hardware]),
  )
  const counts = { created: 0, updated: 0, unchanged: 0 }
  for (const row of rows) {
    const before = known.get(idOf(namespace, row.hostname))
    if (!before) counts.created++
    else if (JSON.stringify(sorted(merged(before, row))) === JSON.stringify(sorted(before)))
      counts.unchanged++
    else counts.updated++
  }
  return counts
}

/** The same value with keys in order, for comparison as text. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]),
  )
}

async function apply(deps: ImportDeps, { namespace, rows }: Staged): Promise<ImportCounts> {
  const counts: ImportCounts = { created: 0, updated: 0, unchanged: 0 }
  for (let at = 0; at < rows.length; at += sliceSize) {
    const slice = rows.slice(at, at + sliceSize)
    for (const outcome of await Promise.all(slice.map((row) => applyRow(deps, row, namespace))))
      counts[outcome]++
    await new Promise((resolve) => setImmediate(resolve))
  }
  return counts
}

async function applyRow(deps: ImportDeps, row: Row, namespace: string): Promise<keyof ImportCounts> {
  try {
    await createObject(deps.store, hardwareOf(row, namespace), deps)
    return 'created'
  } catch (error) {
    if (!isCode(error, 'AlreadyExists')) throw error
  }
  const key = { kind: 'Hardware', namespace, name: row.hostname } as const
  try {
    let before = ''
    const after = await modifyObject(deps.store, key, (current) => {
      before = current.metadata.resourceVersion
      return merged(current as Hardware, row)
    })
    return after.metadata.resourceVersion === before ? 'unchanged' : 'updated'
  } catch (error) {
    // Deleted between the two: it is the next import's to create.
    if (!isCode(error, 'NotFound')) throw error
    deps.log.warn({ name: row.hostname, why: messageOf(error) }, 'hardware vanished while it was imported')
    return 'unchanged'
  }
}
