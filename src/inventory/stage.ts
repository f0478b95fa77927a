import type { SideStore } from '../store/side.ts'
import type { Row } from './row.ts'

/** A file on its way into the inventory: a head, and its rows in parts. */
export type Stage = {
  add(rows: readonly Row[]): Promise<void>
  /** From here on the file will be applied, also after a crash. */
  seal(): Promise<void>
  drop(): Promise<void>
}

type Head = { parts: number; isSealed: boolean }

/** Rows of one part: as many are in memory at a time, and share a flush to disk. */
const partSize = 100
const digits = 8

const partKey = (id: string, part: number) => `${id}/${String(part).padStart(digits, '0')}`

/** Everything about one file: `/` sorts before `0`. */
export const dropStage = (side: SideStore, id: string) => side.deleteRange('import', id, `${id}0`)

export async function openStage(side: SideStore, id: string): Promise<Stage> {
  const putHead = (head: Head) => side.put('import', id, head)
  await putHead({ parts: 0, isSealed: false })
  let parts = 0
  const waiting: Row[] = []
  const putPart = (rows: readonly Row[]) => side.put('import', partKey(id, ++parts), rows)
  return {
    async add(rows) {
      waiting.push(...rows)
      if (waiting.length >= partSize) await putPart(waiting.splice(0))
    },
    async seal() {
      if (waiting.length > 0) await putPart(waiting.splice(0))
      await putHead({ parts, isSealed: true })
    },
    drop: () => dropStage(side, id),
  }
}

/** The rows of a sealed file, part by part; the file is forgotten part by part as the caller comes for the next. */
export async function* stagedParts(side: SideStore, id: string): AsyncGenerator<Row[]> {
  const { parts } = (await side.get('import', id)) as Head
  const [first] = await side.list('import', `${id}/`, 1)
  let forgotten: Promise<unknown> = Promise.resolve()
  for (let part = Number(first?.key.slice(-digits) ?? parts + 1); part <= parts; part++) {
    const rows = await side.get('import', partKey(id, part))
    if (rows) yield rows as Row[]
    await forgotten
    // Joins the transaction of the next part's rows; a failure is seen one part later.
    forgotten = side.delete('import', partKey(id, part))
    forgotten.catch(() => {})
  }
  await forgotten
  await dropStage(side, id)
}

/** The next file that was sealed and not finished; those that were never sealed are dropped. */
export async function nextSealed(side: SideStore): Promise<string | undefined> {
  for (;;) {
    const [found] = await side.list('import', '', 1)
    if (!found) return undefined
    const id = found.key.split('/')[0]!
    const head = (await side.get('import', id)) as Head | undefined
    if (head?.isSealed) return id
    await dropStage(side, id)
  }
}
