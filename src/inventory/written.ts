import type { BmcMachine } from '../model/bmc-machine.ts'
import type { Hardware } from '../model/hardware.ts'
import type { Secret } from '../model/secret.ts'
import { fromBase64 } from './bmc-resources.ts'
import { archOf, claimPrefix } from './cells.ts'
import { isVerbatim, secretColumns, writtenColumns } from './columns.ts'
import type { Column } from './columns.ts'
import { createRowReader } from './row.ts'
import type { Cells } from './row.ts'

/** A Hardware, and its BMC when that is to be written too. */
export type Written = {
  hardware: Hardware
  bmc?: { machine: BmcMachine | undefined; secret: Secret | undefined } | undefined
}

export const columnsOf = (withSecrets: boolean): readonly Column[] =>
  withSecrets ? [...writtenColumns, ...secretColumns] : writtenColumns

export const csvLine = (columns: readonly Column[], cells: Cells): string =>
  columns.map((column) => quoted(cells[column] ?? '')).join(',')

const quoted = (text: string) => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/**
 * The cells of one machine, such that an import of them changes nothing.
 * @returns `leftOut` says what a row cannot hold: all of the machine when there are no cells
 */
export function cellsOf(written: Written, withSecrets: boolean): { cells?: Cells; leftOut?: string } {
  const cells = { ...plainCells(written.hardware), ...(withSecrets ? secretCells(written) : {}) }
  const faults = faultsIn(cells)
  if (faults.length === 0) return { cells }
  const leftOut = faults.map(({ column, expected }) => `${column}: expected ${expected}`).join('; ')
  const isSecretOnly = faults.every(({ column }) => (secretColumns as readonly string[]).includes(column))
  if (!isSecretOnly) return { leftOut }
  return { cells: plainCells(written.hardware), leftOut }
}

function faultsIn(cells: Cells): { column: string; expected: string }[] {
  const faults: { column: string; expected: string }[] = []
  createRowReader('', (fault) => void faults.push(fault))(cells, 0)
  for (const [column, text] of Object.entries(cells)) {
    if (text.includes('\r') || text.includes('\0'))
      faults.push({ column, expected: 'no carriage return or NUL' })
    else if (!isVerbatim(column) && text !== text.trim())
      faults.push({ column, expected: 'no spaces around it' })
  }
  return faults
}

function plainCells({ metadata, spec }: Hardware): Cells {
  const dhcp = spec?.interfaces?.[0]?.dhcp
  const labels = Object.entries(metadata.labels ?? {}).filter(([key]) => !key.startsWith(claimPrefix))
  return {
    hostname: metadata.name,
    mac: dhcp?.mac ?? '',
    ip_address: dhcp?.ip?.address ?? '',
    netmask: dhcp?.ip?.netmask ?? '',
    gateway: dhcp?.ip?.gateway ?? '',
    nameservers: dhcp?.name_servers?.join('|') ?? '',
    labels: labels.map(([key, value]) => `${key}=${value}`).join('|'),
    disk: spec?.disks?.[0]?.device ?? '',
    vlan_id: dhcp?.vlan_id ?? '',
    namespace: metadata.namespace,
    // An empty cell keeps what is stored, also a name that no row may have.
    arch: archOf(dhcp?.arch ?? '').ok ? dhcp!.arch! : '',
    uefi: dhcp?.uefi === undefined ? '' : String(dhcp.uefi),
  }
}

function secretCells({ hardware, bmc }: Written): Cells {
  const { userData, vendorData } = hardware.spec ?? {}
  const data = { user_data: userData ?? '', vendor_data: vendorData ?? '' }
  const connection = bmc?.machine?.spec?.connection
  if (!connection) return data
  const { host, port, insecureTLS, providerOptions } = connection
  return {
    ...data,
    bmc_ip: host,
    bmc_username: fromBase64(bmc.secret?.data?.['username'] ?? ''),
    bmc_password: fromBase64(bmc.secret?.data?.['password'] ?? ''),
    bmc_port: port ? String(port) : '',
    bmc_insecure_tls: insecureTLS === undefined ? '' : String(insecureTLS),
    bmc_providers: providerOptions?.preferredOrder?.join('|') ?? '',
  }
}
