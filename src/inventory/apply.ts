import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../model/clock.ts'
import { AppError, isCode } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import { createObject, createObjects, updateObject } from '../store/resource.ts'
import type { SideStore } from '../store/side.ts'
import type { Store } from '../store/store.ts'
import { createBounded } from './fault.ts'
import type { ImportCounts } from './foresee.ts'
import { planRow } from './plan.ts'
import type { Write } from './plan.ts'
import type { Row } from './row.ts'
import { idOf } from './seen.ts'
import { stagedParts } from './stage.ts'
import { storedOf } from './stored.ts'

export type ApplyDeps = { store: Store; side: SideStore; clock: Clock; newUid(): string }

export type Applied = ImportCounts & { warnings: readonly string[] }

/** Times that a row is tried against newer and newer objects. */
const maxAttempts = 20
const mostWarnings = 100
/** Objects that are written in one turn of the event loop: a few milliseconds of work. */
const sliceSize = 60
/** Slices on their way to the disk: the next is made ready while the last is flushed. */
const mostInFlight = 4

/**
 * Carries out a sealed file, in slices small enough for packets and agents to be served in between. May be called again
 * for a file that was carried out in part.
 * @param onRows called with the number of rows done so far
 */
export async function applyStage(
  deps: ApplyDeps,
  id: string,
  onRows: (done: number) => void = () => {},
): Promise<Applied> {
  const counts: ImportCounts = { created: 0, updated: 0, unchanged: 0 }
  const warnings = createBounded<string>(mostWarnings)
  let done = 0

  async function apply(slice: readonly Row[]): Promise<void> {
    const made = await createObjects(deps.store, slice.map(objectsOf), deps)
    const left = slice.filter((_, at) => !made[at])
    counts.created += slice.length - left.length
    for (const outcome of await Promise.all(left.map((row) => applyRow(deps, row)))) {
      counts[outcome.did]++
      if (outcome.warning) warnings.add(outcome.warning)
    }
    onRows((done += slice.length))
  }

  for await (const rows of stagedParts(deps.side, id)) await eachSlice(rows, apply)
  return { ...counts, warnings: warnings.items }
}

/** What a row makes where nothing of it exists. */
const objectsOf = (row: Row): NewObject[] => {
  const writes = planRow(row, {})
  return 'refused' in writes ? [] : writes.map(({ after }) => after)
}

/**
 * Works on slices of `rows`, a few at a time, each begun in a turn of its own. All have ended when it does.
 * @throws what the first slice that failed threw; no further one is begun then
 */
async function eachSlice(
  rows: readonly Row[],
  work: (slice: readonly Row[]) => Promise<void>,
): Promise<void> {
  const inFlight = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  for (let at = 0; at < rows.length && !failure;) {
    const slice = sliceOf(rows, at)
    at += slice.length
    const one = work(slice)
      .catch((error: unknown) => void (failure ??= { error }))
      .finally(() => inFlight.delete(one))
    inFlight.add(one)
    await nextTurn()
    if (inFlight.size >= mostInFlight) await Promise.race(inFlight)
  }
  await Promise.all(inFlight)
  if (failure) throw failure.error
}

/** The rows from `at` on that make so many objects; one at least. */
function sliceOf(rows: readonly Row[], at: number): Row[] {
  let end = at
  for (let objects = 0; end < rows.length && objects < sliceSize; end++) objects += rows[end]!.bmc ? 3 : 1
  return rows.slice(at, end)
}

type Outcome = { did: keyof ImportCounts; warning?: string }

async function applyRow(deps: ApplyDeps, row: Row): Promise<Outcome> {
  const key = { kind: 'Hardware', namespace: row.namespace, name: row.hostname } as const
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const hardware = (await deps.store.get(key)) as Hardware | undefined
    const writes = planRow(row, await storedOf(deps.store, row, hardware))
    if ('refused' in writes) {
      const warning = `line ${row.line}: ${idOf(row.namespace, row.hostname)} was left as it is: ${writes.refused}`
      return { did: 'unchanged', warning }
    }
    if (writes.length === 0) return { did: 'unchanged' }
    if (await wrote(deps, writes)) return { did: hardware ? 'updated' : 'created' }
  }
  throw new AppError('Conflict', `${idOf(row.namespace, row.hostname)} is changed by others all the time`)
}

/** @returns false when an object has changed since it was read */
async function wrote(deps: ApplyDeps, writes: readonly Write[]): Promise<boolean> {
  const results = await Promise.allSettled(writes.map((write) => carryOut(deps, write)))
  for (const result of results) {
    if (result.status === 'fulfilled') continue
    if (!isCode(result.reason, 'Conflict', 'AlreadyExists', 'NotFound')) throw result.reason
    return false
  }
  return true
}

const carryOut = (deps: ApplyDeps, { before, after }: Write): Promise<KubeObject> =>
  before
    ? updateObject(deps.store, after as KubeObject, before.metadata.resourceVersion)
    : createObject(deps.store, after, deps)
