import type { Clock } from '../model/clock.ts'
import { createConflictCheck } from './conflicts.ts'
import type { Known } from './conflicts.ts'
import { createCsvReader } from './csv.ts'
import type { CsvReader } from './csv.ts'
import type { CsvFault } from './fault.ts'
import { createNames, findGone, namesIn } from './leftovers.ts'
import type { Names, Stock } from './leftovers.ts'
import type { Row } from './row.ts'
import { idOf } from './seen.ts'
import { createTurns } from './turns.ts'

/** Machines as the lookup knows them. */
export type Inventory = Known & Stock & { ready(): boolean }

/** What a sound file gives cause to say. */
export type FileNotes = {
  warnings: readonly string[]
  /** Hardware of earlier imports that the file does not have; it is left alone */
  gone: Names
  /** Hardware with a BMC whose rows have none any more; the BMC is left alone */
  bmcKept: Names
}

export type ImportFaults = {
  /** the first ones, by line */
  faults: readonly CsvFault[]
  /** how many there are besides */
  moreFaults: number
  warnings: readonly string[]
}

export type SayProgress = (progress: {
  phase: 'reading' | 'storing'
  rows: number
  done: number
  total: number
}) => void

export type FileToCheck = {
  body: AsyncIterable<Uint8Array>
  namespace: string
  /** 0 = not known */
  totalBytes: number
  say: SayProgress
  /** is given the sound rows, as long as there is no fault */
  take(rows: readonly Row[]): Promise<void>
}

type Deps = { inventory: Inventory; clock: Pick<Clock, 'now'> }

/** Rows that are looked at before others get their turn. */
const batchSize = 20

/** Checks a whole file as it arrives, each row for itself, against the others and against the inventory. */
export async function checkFile(
  deps: Deps,
  file: FileToCheck,
): Promise<{ rows: number; notes: FileNotes } | ImportFaults> {
  const reader = createCsvReader(file.namespace)
  const rules = createRules(deps.inventory, reader)
  const turn = createTurns(deps.clock)
  let bytes = 0

  async function read(chunk: Uint8Array, isLast: boolean): Promise<void> {
    bytes += chunk.length
    for (const found of reader.read(chunk, isLast)) {
      for (let at = 0; at < found.length; at += batchSize) {
        const rows = found.slice(at, at + batchSize)
        for (const row of rows) rules.add(row)
        if (reader.faults.count === 0) await file.take(rows)
        await turn()
      }
      file.say({ phase: 'reading', rows: reader.rows, done: bytes, total: file.totalBytes })
      await turn()
    }
  }

  for await (const chunk of file.body) {
    await read(chunk, false)
    if (reader.isStopped) break
  }
  await read(new Uint8Array(), true)
  rules.finish()
  const { faults, warnings } = reader
  if (faults.count > 0) {
    const moreFaults = faults.count - faults.items.length
    return { faults: byLine(faults.items), moreFaults, warnings: told(warnings) }
  }
  const gone = await findGone(deps.inventory, reader.seen, turn)
  return { rows: reader.rows, notes: { warnings: told(warnings), gone, bmcKept: rules.bmcKept() } }
}

const byLine = (faults: readonly CsvFault[]) => faults.toSorted((a, b) => a.line - b.line)

function told({ items, count }: CsvReader['warnings']): string[] {
  const more = count - items.length
  return more > 0 ? [...items, `${more} more warnings`] : [...items]
}

/** What the inventory says to each row. */
function createRules(inventory: Inventory, reader: CsvReader) {
  const conflicts = createConflictCheck(inventory)
  const bmcKept = createNames()
  return {
    add(row: Row): void {
      for (const fault of conflicts.add(row)) reader.faults.add(fault)
      const { namespace, hostname } = row
      if (row.bmc || !reader.has('bmc_ip')) return
      if (inventory.hardware(namespace, hostname)?.spec?.bmcRef) bmcKept.add(idOf(namespace, hostname))
    },
    finish(): void {
      const hasRow = (namespace: string, name: string) => reader.seen.lineOf(namespace, name) !== undefined
      for (const fault of conflicts.finish(hasRow)) reader.faults.add(fault)
    },
    bmcKept: () => namesIn(bmcKept),
  }
}
