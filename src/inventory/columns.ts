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
export const optionalColumns = ['bmc_ip', 'bmc_username', 'bmc_password', 'vlan_id'] as const

export type Column = (typeof requiredColumns)[number] | (typeof optionalColumns)[number]

/** The order in which rows are written. */
export const columns: readonly Column[] = [
  'hostname',
  'bmc_ip',
  'bmc_username',
  'bmc_password',
  'mac',
  'ip_address',
  'netmask',
  'gateway',
  'nameservers',
  'labels',
  'disk',
  'vlan_id',
]

export const bmcColumns = ['bmc_ip', 'bmc_username', 'bmc_password'] as const satisfies readonly Column[]
