import type { Identity, Role } from '../model/role.ts'

export type { Role } from '../model/role.ts'

/** Who makes a request: known once the credentials were accepted. */
export type Caller = {
  user: string
  /** groups as Kubernetes has them: `ironwake:<role>`, `system:authenticated` */
  groups: readonly string[]
  role: Role
  tokenId?: string
  /** end of the credentials' validity, epoch ms */
  expiresAt?: number
}

/** Begins the group, and the O of a client certificate, that stands for a role. */
export const rolePrefix = 'ironwake:'

export function callerOf(identity: Identity): Caller {
  return { ...identity, groups: [`${rolePrefix}${identity.role}`, 'system:authenticated'] }
}
