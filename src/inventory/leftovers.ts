import type { Hardware } from '../model/hardware.ts'
import { createBounded } from './fault.ts'
import type { Bounded } from './fault.ts'
import { importedAnnotation } from './resources.ts'
import { idOf } from './seen.ts'
import type { Seen } from './seen.ts'

/** Names of Hardware, `namespace/name`: the first ones, and how many there are in all. */
export type Names = { count: number; names: readonly string[] }

/** Names that are told. */
const mostNames = 1000

export const createNames = (): Bounded<string> => createBounded(mostNames)

export const namesIn = ({ count, items }: Bounded<string>): Names => ({ count, names: items.toSorted() })

/** The inventory, by name and whole. */
export type Stock = {
  listed(): Iterable<{ namespace: string; name: string }>
  hardware(namespace: string, name: string): Hardware | undefined
}

/**
 * Hardware of earlier imports that the file no longer has, in the namespaces that it speaks of.
 * @param turn called between two machines
 */
export async function findGone(
  { listed, hardware }: Stock,
  seen: Seen,
  turn: () => Promise<void>,
): Promise<Names> {
  const gone = createNames()
  let count = 0
  for (const { namespace, name } of listed()) {
    if (++count % 100 === 0) await turn()
    if (!seen.namespaces.has(namespace) || seen.lineOf(namespace, name) !== undefined) continue
    const { annotations } = hardware(namespace, name)?.metadata ?? {}
    if (annotations?.[importedAnnotation] !== undefined) gone.add(idOf(namespace, name))
  }
  return namesIn(gone)
}
