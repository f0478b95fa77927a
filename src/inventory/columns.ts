/** Columns of EKS Anywhere's hardware.csv. Order in the file is free. */
export const requiredColumns = [
  'hostname',
  'ip_address',
  'netmask',
  'gateway',
  'nameservers',
  'mac',
  'disk',
  'labels',
] as const

export const bmcColumns = ['bmc_ip', 'bmc_username', 'bmc_password'] as const

/** Columns of ours, which EKS Anywhere leaves out. An empty cell of one leaves what is stored as it is. */
export const extraColumns = [
  'namespace',
  'arch',
  'uefi',
  'user_data',
  'vendor_data',
  'bmc_port',
  'bmc_insecure_tls',
  'bmc_providers',
] as const

/** A row with any of these filled has a BMC. */
export const allBmcColumns = [...bmcColumns, 'bmc_port', 'bmc_insecure_tls', 'bmc_providers'] as const

const known = [...requiredColumns, ...bmcColumns, 'vlan_id', ...extraColumns] as const

export type Column = (typeof known)[number]

export const isColumn = (name: string): name is Column => (known as readonly string[]).includes(name)

/** The order in which rows are written: that of EKS Anywhere, then ours. */
export const writtenColumns = [
  'hostname',
  'mac',
  'ip_address',
  'netmask',
  'gateway',
  'nameservers',
  'labels',
  'disk',
  'vlan_id',
  'namespace',
  'arch',
  'uefi',
] as const satisfies readonly Column[]

/** Written only when they are asked for. */
export const secretColumns = [
  ...allBmcColumns,
  'user_data',
  'vendor_data',
] as const satisfies readonly Column[]

/** Cells that no fault, diff or log repeats. */
export const isSecret = (column: string): boolean =>
  column === 'bmc_password' || column === 'user_data' || column === 'vendor_data'

/** Cells that are taken as they are, spaces at their ends included. */
export const isVerbatim = (column: string): boolean => isSecret(column) || column === 'bmc_username'
