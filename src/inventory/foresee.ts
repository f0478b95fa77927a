import type { Hardware } from '../model/hardware.ts'
import type { Store } from '../store/store.ts'
import { fieldChanges } from './diff.ts'
import type { Change } from './diff.ts'
import { createBounded } from './fault.ts'
import { planRow } from './plan.ts'
import type { Row } from './row.ts'
import { idOf } from './seen.ts'
import { storedOf } from './stored.ts'

export type ImportCounts = { created: number; updated: number; unchanged: number }

/** What a dry run says: `changes` are the first ones, `moreChanges` how many there are besides. */
export type Foreseen = ImportCounts & { changes: readonly Change[]; moreChanges: number }

type Deps = {
  store: Pick<Store, 'get'>
  inventory: { hardware(namespace: string, name: string): Hardware | undefined }
}

/** Changes that are told. */
const mostChanges = 2000

/** What applying rows would do, without doing it. */
export function createForesight({ store, inventory }: Deps) {
  const counts: ImportCounts = { created: 0, updated: 0, unchanged: 0 }
  const changes = createBounded<Change>(mostChanges)

  async function foresee(row: Row): Promise<void> {
    const { line, namespace, hostname } = row
    const hardware = inventory.hardware(namespace, hostname)
    const writes = planRow(row, await storedOf(store, row, hardware))
    if ('refused' in writes || writes.length === 0) {
      counts.unchanged++
      return
    }
    counts[hardware ? 'updated' : 'created']++
    const fields = hardware ? fieldChanges(writes) : []
    changes.add({ line, name: idOf(namespace, hostname), action: hardware ? 'changed' : 'added', fields })
  }

  return {
    async add(rows: readonly Row[]): Promise<void> {
      for (const row of rows) await foresee(row)
    },
    result: (): Foreseen => ({
      ...counts,
      changes: changes.items,
      moreChanges: changes.count - changes.items.length,
    }),
  }
}
