import { pino } from 'pino'
import { exportCsv } from '../../src/inventory/export.ts'
import type { ExportDeps } from '../../src/inventory/export.ts'
import { importCsv, resumeImports } from '../../src/inventory/import.ts'
import type { ImportDeps, ImportOptions } from '../../src/inventory/import.ts'
import type { Hardware } from '../../src/model/hardware.ts'
import type { KindName } from '../../src/model/kinds.ts'
import type { KubeObject } from '../../src/model/object.ts'
import { createLookup, runLookup } from '../../src/store/lookup.ts'
import { openSqlite } from '../../src/store/sqlite.ts'

const encoder = new TextEncoder()

/** The bytes of a text, `size` at a time. */
export async function* bytesOf(text: string | Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  const bytes = typeof text === 'string' ? encoder.encode(text) : text
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** A store with its lookup, and what imports and exports need. */
export async function openInventory(path = ':memory:') {
  const clock = { now: Date.now, sleep: async () => {} }
  const opened = await openSqlite(path, { clock })
  const lookup = createLookup({ shelf: opened.shelf })
  const stop = new AbortController()
  const silent = pino({ level: 'silent' })
  const running = runLookup({ store: opened.store, lookup, log: silent }, stop.signal)
  while (!lookup.ready()) await new Promise((resolve) => setImmediate(resolve))
  let uid = 0
  const deps: ImportDeps & ExportDeps = {
    store: opened.store,
    side: opened.side,
    inventory: lookup,
    clock,
    newUid: () => `uid-${++uid}`,
    log: silent,
  }
  const options = { namespace: 'eksa-system', dryRun: false }
  return {
    deps,
    ...opened,
    lookup,
    load: (text: string | Uint8Array, more: Partial<ImportOptions> = {}) =>
      importCsv(deps, bytesOf(text), { ...options, ...more }),
    resume: () => resumeImports(deps),
    async dump(withSecrets = false, selects: (object: KubeObject) => boolean = () => true) {
      const { pieces, leftOut } = await exportCsv(deps, { selects, withSecrets })
      let text = ''
      for await (const piece of pieces) text += piece
      return { text, leftOut: leftOut.items }
    },
    names: async (kind: KindName = 'Hardware') =>
      (await opened.store.list(kind)).items.map((item) => item.metadata.name),
    hardware: async (name: string, namespace = 'eksa-system') =>
      (await opened.store.get({ kind: 'Hardware', namespace, name })) as Hardware,
    get: async (kind: KindName, name: string, namespace = 'eksa-system') =>
      (await opened.store.get({ kind, namespace, name })) as any,
    async close() {
      stop.abort()
      await running
      await opened.close()
    },
  }
}

export type OpenInventory = Awaited<ReturnType<typeof openInventory>>
