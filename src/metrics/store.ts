import type { Registry } from 'prom-client'
import { AppError } from '../model/error.ts'
import type { Store } from '../store/store.ts'
import { createCounter, createHistogram } from './figures.ts'

/** The methods of a store that write. */
export type Writes = Pick<Store, 'create' | 'createAll' | 'update' | 'delete'>

/** s */
const bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]

/** Counts and times the writes of a store; reads pass as they are. */
export function createStoreFigures(registry: Registry): <S extends Writes>(store: S) => S {
  const writes = createCounter(registry, {
    name: 'ironwake_store_writes_total',
    help: 'Writes to the store, by operation and outcome: ok, or the code of the error.',
    labels: ['operation', 'outcome'],
  })
  const durations = createHistogram(
    registry,
    {
      name: 'ironwake_store_write_duration_seconds',
      help: 'Time from a write to its being on disk, by operation.',
      labels: ['operation'],
    },
    bounds,
  )
  async function timed<Result>(operation: string, write: Promise<Result>): Promise<Result> {
    const start = performance.now()
    let outcome = 'ok'
    try {
      return await write
    } catch (error) {
      outcome = error instanceof AppError ? error.code : 'error'
      throw error
    } finally {
      writes.add([operation, outcome])
      durations.observe([operation], (performance.now() - start) / 1000)
    }
  }
  return (store) => ({
    ...store,
    create: (object) => timed('create', store.create(object)),
    createAll: (groups) => timed('create-all', store.createAll(groups)),
    update: (object, expected) => timed('update', store.update(object, expected)),
    delete: (key, expected) => timed('delete', store.delete(key, expected)),
  })
}
