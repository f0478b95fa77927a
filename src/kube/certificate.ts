import type { TLSSocket } from 'node:tls'
import { isRole } from '../model/role.ts'
import type { Identity } from '../model/role.ts'
import { rolePrefix } from './caller.ts'

/** A verified client certificate that names no role, and why. */
export type Unusable = { user: string; why: string }

/**
 * Whom the client certificate of a connection belongs to: CN is the user, the O that reads `ironwake:<role>` the role.
 * @returns `undefined` when there is none, or none that one of the client CAs signed for the present time
 */
export function certificateIdentity(socket: TLSSocket, now: number): Identity | Unusable | undefined {
  if (!socket.authorized) return undefined
  const { subject, valid_from: from, valid_to: to } = socket.getPeerCertificate()
  if (!subject) return undefined
  const expiresAt = Date.parse(to)
  // The connection may be older than the end of the certificate.
  if (!(expiresAt > now && Date.parse(from) <= now)) return undefined
  const [user = '', ...more] = listOf(subject.CN)
  if (user === '' || more.length > 0) return { user, why: 'the client certificate must have one CN' }
  const named = listOf(subject.O).filter((organization) => organization.startsWith(rolePrefix))
  const [role, ...others] = new Set(named.map((organization) => organization.slice(rolePrefix.length)))
  if (isRole(role) && others.length === 0) return { user, role, expiresAt }
  return { user, why: 'the O of the client certificate must name one role, such as ironwake:viewer' }
}

const listOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value
