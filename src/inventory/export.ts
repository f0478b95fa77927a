import type { BmcMachine } from '../model/bmc-machine.ts'
import type { Clock } from '../model/clock.ts'
import type { Hardware } from '../model/hardware.ts'
import type { KubeObject } from '../model/object.ts'
import type { Secret } from '../model/secret.ts'
import type { Store } from '../store/store.ts'
import { createBounded } from './fault.ts'
import { createTurns } from './turns.ts'
import { cellsOf, columnsOf, csvLine } from './written.ts'
import type { Written } from './written.ts'

export type ExportDeps = {
  store: Pick<Store, 'get'>
  inventory: {
    allHardware(): Iterable<Hardware>
    hardware(namespace: string, name: string): Hardware | undefined
  }
  clock: Pick<Clock, 'now'>
}

export type ExportOptions = {
  /** all when absent */
  namespace?: string
  selects(object: KubeObject): boolean
  /** also BMC credentials, user-data and vendor-data */
  withSecrets: boolean
}

/** The text comes in pieces; `leftOut` are machines, or parts of them, that no row can hold. */
export type CsvExport = {
  pieces: AsyncGenerator<string>
  leftOut: { count: number; items: readonly string[] }
}

const mostLeftOut = 100
/** Machines between two turns of the event loop, if they take no longer than usual. */
const sliceSize = 50

/** The inventory as hardware.csv, ordered by namespace and name: an import of it changes nothing. */
export async function exportCsv(deps: ExportDeps, options: ExportOptions): Promise<CsvExport> {
  const turn = createTurns(deps.clock)
  const places = await placesOf(deps, options, turn)
  const leftOut = createBounded<string>(mostLeftOut)
  for (const [at, place] of places.entries()) {
    if (at % sliceSize === 0) await turn()
    const written = await writtenOf(deps, place, options)
    const found = written && cellsOf(written, options.withSecrets).leftOut
    if (found !== undefined) leftOut.add(`${titleOf(place)} (${found})`)
  }
  return { pieces: pieces(deps, places, options, turn), leftOut }
}

type Place = { namespace: string; name: string }

const titleOf = ({ namespace, name }: Place) => `${namespace}/${name}`

async function* pieces(
  deps: ExportDeps,
  places: readonly Place[],
  options: ExportOptions,
  turn: () => Promise<void>,
): AsyncGenerator<string> {
  const columns = columnsOf(options.withSecrets)
  yield `${columns.join(',')}\n`
  for (let at = 0; at < places.length; at += sliceSize) {
    let piece = ''
    for (const place of places.slice(at, at + sliceSize)) {
      const written = await writtenOf(deps, place, options)
      const cells = written && cellsOf(written, options.withSecrets).cells
      if (cells) piece += `${csvLine(columns, cells)}\n`
    }
    if (piece !== '') yield piece
    await turn()
  }
}

async function writtenOf(
  { store, inventory }: ExportDeps,
  { namespace, name }: Place,
  { withSecrets }: ExportOptions,
): Promise<Written | undefined> {
  const hardware = inventory.hardware(namespace, name)
  const bmcName = hardware?.spec?.bmcRef?.name
  if (!hardware || !withSecrets || !bmcName) return hardware && { hardware }
  const machine = (await store.get({ kind: 'Machine', namespace, name: bmcName })) as BmcMachine | undefined
  const at = machine?.spec?.connection?.authSecretRef
  if (!at?.name) return { hardware, bmc: { machine, secret: undefined } }
  const key = { kind: 'Secret', namespace: at.namespace || namespace, name: at.name } as const
  return { hardware, bmc: { machine, secret: (await store.get(key)) as Secret | undefined } }
}

/** Which machines, in order; sorted in slices, since a large inventory takes long. */
async function placesOf(
  { inventory }: ExportDeps,
  { namespace, selects }: ExportOptions,
  turn: () => Promise<void>,
): Promise<Place[]> {
  const runs: Place[][] = []
  let run: Place[] = []
  for (const hardware of inventory.allHardware()) {
    const { metadata } = hardware
    if (namespace !== undefined && metadata.namespace !== namespace) continue
    if (!selects(hardware)) continue
    run.push({ namespace: metadata.namespace, name: metadata.name })
    if (run.length < runSize) continue
    runs.push(run.sort(byPlace))
    run = []
    await turn()
  }
  runs.push(run.sort(byPlace))
  while (runs.length > 1) runs.push(await mergedRuns(runs.shift()!, runs.shift()!, turn))
  return runs[0]!
}

const runSize = 1000

const byPlace = (a: Place, b: Place) =>
  a.namespace < b.namespace || (a.namespace === b.namespace && a.name < b.name) ? -1 : 1

async function mergedRuns(
  left: readonly Place[],
  right: readonly Place[],
  turn: () => Promise<void>,
): Promise<Place[]> {
  const merged: Place[] = []
  let [l, r] = [0, 0]
  while (l < left.length || r < right.length) {
    const fromLeft = r === right.length || (l < left.length && byPlace(left[l]!, right[r]!) < 0)
    merged.push(fromLeft ? left[l++]! : right[r++]!)
    if (merged.length % runSize === 0) await turn()
  }
  return merged
}
