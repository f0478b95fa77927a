import type { Role } from './role.ts'

/** A token as it can be listed: never with its secret. Times are epoch ms. */
export type TokenEntry = {
  id: string
  name: string
  role: Role
  createdAt: number
  expiresAt: number
  /** kept to the minute across a restart */
  lastUsedAt?: number
}

export type TokenWish = { name?: string; role: Role; ttlMs: number }
