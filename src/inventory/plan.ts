import type { BmcMachine } from '../model/bmc-machine.ts'
import type { Hardware } from '../model/hardware.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import type { Secret } from '../model/secret.ts'
import { holds, machineOf, mergedMachine, mergedSecret, secretNameOf, secretOf } from './bmc-resources.ts'
import { bmcRefOf, hardwareOf, importedAnnotation, merged } from './resources.ts'
import type { Row } from './row.ts'
import { ownedChanges } from './owned.ts'

/** What is stored of a row's machine. */
export type Stored = {
  hardware?: Hardware | undefined
  machine?: BmcMachine | undefined
  /** the Secret that the Machine names */
  secret?: Secret | undefined
  /** the Secret that carries the row's name */
  ownSecret?: Secret | undefined
}

/** One object to be written; without `before` it is new. */
export type Write = { before?: KubeObject; after: NewObject }

/** @returns the writes in their order, credentials first; or why the row may not be carried out */
export function planRow(row: Row, stored: Stored): Write[] | { refused: string } {
  const { hardware } = stored
  const [owned] = hardware ? ownedChanges(hardware, row) : []
  if (owned) return { refused: owned.expected }
  const bmcWrites = planBmc(row, stored)
  if ('refused' in bmcWrites) return bmcWrites
  if (!hardware) return [...bmcWrites, { after: hardwareOf(row) }]
  return [...bmcWrites, ...changed(hardware, merged(hardware, row), marked)]
}

function planBmc(row: Row, stored: Stored): Write[] | { refused: string } {
  const { bmc } = row
  if (!bmc) return []
  const { machine, secret, ownSecret } = stored
  const writes: Write[] = []
  // A Secret of another name may serve other machines too: it is left alone, and this machine gets its own.
  const needsOwn = !holds(secret, bmc)
  if (needsOwn && ownSecret) writes.push(...changed(ownSecret, mergedSecret(ownSecret, bmc)))
  else if (needsOwn) writes.push({ after: secretOf(row, bmc) })
  if (ownSecret?.immutable && writes.length > 0)
    return { refused: `its Secret ${ownSecret.metadata.name} is immutable` }
  if (!machine) writes.push({ after: machineOf(row, bmc, machineNameOf(row, stored.hardware)) })
  else writes.push(...changed(machine, mergedMachine(machine, row, bmc, needsOwn)))
  return writes
}

/** Name of the BMC Machine of a row: the one that its Hardware has, else the usual one. */
export const machineNameOf = (row: Row, hardware: Hardware | undefined): string =>
  hardware?.spec?.bmcRef?.name || bmcRefOf(row).name

/** Where the credentials of a BMC Machine are. */
export function secretPlaceOf(
  row: Row,
  machine: BmcMachine | undefined,
): { namespace: string; name: string } {
  const { namespace, name } = machine?.spec?.connection?.authSecretRef ?? {}
  return { namespace: namespace || row.namespace, name: name || secretNameOf(row) }
}

function changed<T extends KubeObject>(
  before: T,
  after: T,
  last: (object: T) => T = (object) => object,
): Write[] {
  return sameJson(before, after) ? [] : [{ before, after: last(after) }]
}

const marked = (hardware: Hardware): Hardware => {
  const annotations = { ...hardware.metadata.annotations, [importedAnnotation]: 'csv' }
  return { ...hardware, metadata: { ...hardware.metadata, annotations } }
}

/** Whether two documents say the same as JSON, where a field that is `undefined` is not there. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  for (const key of Object.keys(left)) if (!sameJson(left[key], right[key])) return false
  for (const key of Object.keys(right)) if (right[key] !== undefined && !(key in left)) return false
  return true
}
