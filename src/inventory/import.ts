import type { Logger } from '../log.ts'
import { AppError, isCode } from '../model/error.ts'
import { applyStage } from './apply.ts'
import type { ApplyDeps } from './apply.ts'
import { namespaceOf } from './cells.ts'
import { checkFile } from './check.ts'
import type { FileNotes, ImportFaults, Inventory, SayProgress } from './check.ts'
import type { Change } from './diff.ts'
import { createForesight } from './foresee.ts'
import type { ImportCounts } from './foresee.ts'
import { dropStage, nextSealed, openStage } from './stage.ts'

export type ImportDeps = ApplyDeps & { inventory: Inventory; log: Logger }

/** `reading`: `done` and `total` are bytes, 0 = not known; `storing`: rows. */
export type ImportProgress = { phase: 'reading' | 'storing'; rows: number; done: number; total: number }

export type ImportOptions = {
  /** of rows that name none */
  namespace: string
  /** say what would change, store nothing */
  dryRun: boolean
  /** size of the body, bytes */
  totalBytes?: number
  onProgress?: (progress: ImportProgress) => void
}

export type ImportResult = ImportCounts &
  FileNotes & {
    /** of a dry run: what would change, the first of them */
    changes?: readonly Change[]
    /** how many there are besides */
    moreChanges?: number
  }

export type ImportReport = ImportResult | ImportFaults

/** Between two reports of progress, ms. */
const progressMs = 100

/**
 * Imports hardware.csv while it arrives: the whole file is checked, also against the inventory, and put aside on disk;
 * then it is applied. A crash before the end of the check leaves nothing, one after it what `resumeImports` finishes.
 * Nothing is written when there is any fault.
 * @throws AppError Unavailable while the inventory is being loaded; BadRequest for a bad namespace; what `body` throws
 */
export async function importCsv(
  deps: ImportDeps,
  body: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImportReport> {
  if (!deps.inventory.ready())
    throw new AppError('Unavailable', 'the inventory is still being loaded: try again in a moment')
  const named = namespaceOf(options.namespace)
  if (!named.ok)
    throw new AppError('BadRequest', `namespace "${options.namespace}": expected ${named.expected}`)
  const say = sometimes(deps, options.onProgress)
  const file = { body, namespace: options.namespace, totalBytes: options.totalBytes ?? 0, say }
  if (!options.dryRun) return importFile(deps, file)
  const foresight = createForesight(deps)
  const checked = await checkFile(deps, { ...file, take: foresight.add })
  return 'faults' in checked ? checked : { ...checked.notes, ...foresight.result() }
}

type File = { body: AsyncIterable<Uint8Array>; namespace: string; totalBytes: number; say: SayProgress }

async function importFile(deps: ImportDeps, file: File): Promise<ImportReport> {
  const id = deps.newUid()
  const stage = await openStage(deps.side, id)
  let canFinish = false
  try {
    const checked = await checkFile(deps, { ...file, take: stage.add })
    if ('faults' in checked) return checked
    const { rows, notes } = checked
    await stage.seal()
    canFinish = true
    const { warnings, ...counts } = await applyStage(deps, id, (done) =>
      file.say({ phase: 'storing', rows, done, total: rows }),
    )
    deps.log.info({ ...counts, id }, 'hardware imported')
    return { ...counts, ...notes, warnings: [...notes.warnings, ...warnings] }
  } catch (error) {
    canFinish &&= isCode(error, 'Unavailable')
    throw error
  } finally {
    if (!canFinish) await stage.drop().catch((err: unknown) => deps.log.error({ err, id }, notDropped))
  }
}

const notDropped = 'a file that was not imported could not be removed; the next start does it'

/**
 * Finishes imports that were being applied when the process ended.
 * @throws AppError Unavailable when the disk refuses
 */
export async function resumeImports(deps: Omit<ImportDeps, 'inventory'>): Promise<void> {
  for (;;) {
    const id = await nextSealed(deps.side)
    if (id === undefined) return
    try {
      const { warnings, ...counts } = await applyStage(deps, id)
      for (const warning of warnings)
        deps.log.warn({ id, warning }, 'hardware import finished with a warning')
      deps.log.info({ ...counts, id }, 'hardware import finished after a restart')
    } catch (err) {
      if (isCode(err, 'Unavailable')) throw err
      deps.log.error({ err, id }, 'a hardware import cannot be finished and is given up')
      await dropStage(deps.side, id)
    }
  }
}

function sometimes({ clock }: ImportDeps, onProgress: ImportOptions['onProgress']): SayProgress {
  if (!onProgress) return () => {}
  let last = -Infinity
  return (progress) => {
    const isEnd = progress.phase === 'storing' && progress.done === progress.total
    if (clock.now() - last < progressMs && !isEnd) return
    last = clock.now()
    onProgress(progress)
  }
}
