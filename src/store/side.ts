/**
 * What is not an object: boot timelines, boot sessions, staged imports, action logs, progress, API tokens and DHCP leases.
 * No versions, no watch; each user keeps its table bounded. Keys sort as plain text (pad numbers).
 */
export type SideTable = 'timeline' | 'bootSession' | 'import' | 'actionLog' | 'progress' | 'token' | 'lease'

export type SideStore = {
  get(table: SideTable, key: string): Promise<unknown>
  /** entries whose key starts with `prefix`, in key order, at most `limit` */
  list(table: SideTable, prefix: string, limit?: number): Promise<{ key: string; value: unknown }[]>
  /** Writes are gathered into one transaction; the promise resolves when it is on disk. */
  put(table: SideTable, key: string, value: unknown): Promise<void>
  delete(table: SideTable, key: string): Promise<void>
  /** removes keys from `from` up to, not including, `to` */
  deleteRange(table: SideTable, from: string, to: string): Promise<void>
}
