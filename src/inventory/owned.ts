import { ownerNameLabel, ownerNamespaceLabel } from '../model/hardware.ts'
import type { Hardware } from '../model/hardware.ts'
import { parseMac } from '../model/mac.ts'
import type { CsvFault } from './fault.ts'
import type { Row } from './row.ts'

/** Who has claimed a Hardware, `namespace/name`. */
export function ownerOf({ metadata: { labels } }: Hardware): string | undefined {
  const name = labels?.[ownerNameLabel]
  if (!name) return undefined
  const namespace = labels?.[ownerNamespaceLabel]
  return namespace ? `${namespace}/${name}` : name
}

/** What a row would change under the feet of the one who owns the machine. */
export function ownedChanges(hardware: Hardware, row: Row): CsvFault[] {
  const owner = ownerOf(hardware)
  if (owner === undefined) return []
  const { interfaces, disks, userData } = hardware.spec ?? {}
  const dhcp = interfaces?.[0]?.dhcp
  const now = { mac: parseMac(dhcp?.mac ?? ''), ip: dhcp?.ip?.address, disk: disks?.[0]?.device }
  const fault = (column: string, value: string, expected: string): CsvFault => ({
    line: row.line,
    column,
    value,
    expected: `${expected}: the machine is owned by ${owner}`,
  })
  const changed = (column: string, from: string | undefined, to: string) =>
    from === undefined || from === to ? [] : [fault(column, to, `${from}, as it is`)]
  return [
    ...changed('mac', now.mac, row.mac),
    ...changed('ip_address', now.ip, row.ip),
    ...changed('disk', now.disk, row.disk),
    ...(row.userData === undefined || row.userData === (userData ?? '')
      ? []
      : [fault('user_data', '***', 'what is stored, or nothing')]),
  ]
}
