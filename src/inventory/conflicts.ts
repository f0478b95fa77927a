import type { Hardware } from '../model/hardware.ts'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Machine } from '../model/machine.ts'
import type { CsvFault } from './fault.ts'
import { ownedChanges } from './owned.ts'
import type { Row } from './row.ts'
import { idOf } from './seen.ts'

/** What is known of the machines that are stored. */
export type Known = {
  hardware(namespace: string, name: string): Hardware | undefined
  machineByMac(mac: Mac): Machine | undefined
  machineByIp(ip: Ip4): Machine | undefined
}

/** A value of a row that another Hardware has; if the file gives that one another value, all is well. */
type Claimed = { fault: CsvFault; namespace: string; name: string; isFirstInterface: boolean }

export type ConflictCheck = {
  /** faults that are certain already */
  add(row: Row): CsvFault[]
  /**
   * What is left when the whole file is known.
   * @param hasRow whether the file has a row about this Hardware
   */
  finish(hasRow: (namespace: string, name: string) => boolean): CsvFault[]
}

/**
 * Rows against the inventory: a MAC or address that another Hardware, or another interface of their own, has; a change
 * of what an owned machine stands on.
 */
export function createConflictCheck(known: Known): ConflictCheck {
  const claims: Claimed[] = []

  function claimed(row: Row, column: 'mac' | 'ip_address', machine: Machine | undefined): Claimed[] {
    if (!machine) return []
    const { namespace, name } = machine
    const value = column === 'mac' ? row.mac : row.ip
    const first = known.hardware(namespace, name)?.spec?.interfaces?.[0]?.dhcp
    const isFirstInterface =
      column === 'mac' ? parseMac(first?.mac ?? '') === value : first?.ip?.address === value
    const expected = `a value of its own: Hardware ${idOf(namespace, name)} has it`
    return [{ fault: { line: row.line, column, value, expected }, namespace, name, isFirstInterface }]
  }

  return {
    add(row) {
      const found = [
        ...claimed(row, 'mac', known.machineByMac(row.mac)),
        ...claimed(row, 'ip_address', known.machineByIp(row.ip)),
      ]
      const isOwn = ({ namespace, name }: Claimed) => namespace === row.namespace && name === row.hostname
      const certain = found.filter(({ isFirstInterface }) => !isFirstInterface)
      claims.push(...found.filter((claim) => claim.isFirstInterface && !isOwn(claim)))
      const hardware = known.hardware(row.namespace, row.hostname)
      return [...certain.map(({ fault }) => fault), ...(hardware ? ownedChanges(hardware, row) : [])]
    },
    finish: (hasRow) =>
      claims.filter(({ namespace, name }) => !hasRow(namespace, name)).map(({ fault }) => fault),
  }
}
