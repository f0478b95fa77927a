import { X509Certificate } from 'node:crypto'
import type { Clock } from '../model/clock.ts'
import type { Role } from '../model/role.ts'
import type { KeyPair } from './certificate.ts'

export type ClientWish = { user: string; role: Role; ttlMs: number }

/** Issues client certificates: CN is the user, O is `ironwake:<role>`. They cannot be revoked: keep `ttlMs` short. */
export function clientIssuer(ca: KeyPair, clock: Pick<Clock, 'now'>) {
  return async ({ user, role, ttlMs }: ClientWish): Promise<KeyPair & { expiresAt: number }> => {
    const { issueClientCertificate } = await import('./certificate.ts')
    const subject = { commonName: user, organization: `ironwake:${role}` }
    const pair = await issueClientCertificate(ca, subject, { now: clock.now(), ttlMs })
    return { ...pair, expiresAt: Date.parse(new X509Certificate(pair.certPem).validTo) }
  }
}
