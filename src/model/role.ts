/**
 * What a caller of the API may do, from most to least; `src/kube/roles.ts` has the details. `capt` is Cluster API
 * Provider Tinkerbell, `importer` a system that delivers hardware lists.
 */
export const roles = ['admin', 'operator', 'viewer', 'capt', 'importer'] as const

export type Role = (typeof roles)[number]

export const isRole = (text: unknown): text is Role => roles.includes(text as Role)

/** Whom credentials belong to. */
export type Identity = {
  user: string
  role: Role
  /** set when the credential is a token that can be revoked */
  tokenId?: string
  /** end of the credential's validity, epoch ms */
  expiresAt?: number
}
