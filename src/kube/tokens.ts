import { AppError } from '../model/error.ts'
import type { Fault } from '../model/error.ts'
import { isRole, roles } from '../model/role.ts'
import type { Role } from '../model/role.ts'
import type { TokenEntry, TokenWish } from '../model/token.ts'
import type { KubeApp, Request } from './app.ts'
import { isJson } from './validate.ts'

export type Tokens = {
  /** `token` is shown this once */
  create(wish: TokenWish): Promise<{ entry: TokenEntry; token: string }>
  /** oldest first */
  list(): readonly TokenEntry[]
  /** @returns `undefined` when there is no such token */
  revoke(id: string): Promise<TokenEntry | undefined>
  isLive(id: string): boolean
}

export type CertificateWish = { user: string; role: Role; ttlMs: number }

/** Issues a client certificate with a key of its own. PEM texts; `expiresAt` is epoch ms. */
export type IssueCertificate = (
  wish: CertificateWish,
) => Promise<{ certPem: string; keyPem: string; expiresAt: number }>

export type TokenRouteDeps = {
  tokens?: Tokens
  issueCertificate?: IssueCertificate
  /** called after a token was revoked */
  onRevoked: () => void
}

const day = 86_400_000
/** Longest validity, ms. A certificate cannot be revoked, so it ends soon. */
const longest = { token: 3650 * day, certificate: 30 * day }

/** Credentials: made, listed, revoked. Who may do that is decided before. */
export function tokenRoutes(app: KubeApp, { tokens, issueCertificate, onRevoked }: TokenRouteDeps): void {
  const url = '/ironwake/v1/tokens'
  if (tokens) {
    app.get(url, async () => ({ tokens: tokens.list() }))
    app.post(url, async (request, reply) => {
      const { name, ...wish } = wishOf(request, longest.token)
      const { entry, token } = await tokens.create({ ...wish, ...(name === '' ? {} : { name }) })
      void reply.code(201).header('cache-control', 'no-store')
      return { ...entry, token }
    })
    app.delete(`${url}/:id`, async (request) => {
      const { id } = request.params as { id: string }
      const entry = await tokens.revoke(id)
      if (!entry) throw new AppError('NotFound', `there is no token "${id.slice(0, 100)}"`)
      onRevoked()
      return entry
    })
  }
  if (issueCertificate)
    app.post('/ironwake/v1/certificates', async (request, reply) => {
      const { name, ...wish } = wishOf(request, longest.certificate)
      const user = name === '' ? `${wish.role}-certificate` : name
      const pair = await issueCertificate({ ...wish, user })
      void reply.code(201).header('cache-control', 'no-store')
      return { user, ...pair }
    })
}

/** Names that would read like the admin of the data directory, or like something of Kubernetes, are not given away. */
const namePattern = /^(?!admin$|system:)[A-Za-z0-9]([A-Za-z0-9.:@_-]{0,61}[A-Za-z0-9])?$/

function wishOf(request: Request, longestMs: number): { name: string; role: Role; ttlMs: number } {
  const body = isJson(request.body) ? request.body : {}
  const { name = '', role, ttlSeconds, ...others } = body
  const faults: Fault[] = Object.keys(others).map((path) => ({ path, message: 'no such field' }))
  const fault = (path: string, message: string) => faults.push({ path, message })
  if (!isRole(role)) fault('role', `expected one of ${roles.join(', ')}`)
  if (name !== '' && (typeof name !== 'string' || !namePattern.test(name)))
    fault('name', 'expected at most 63 letters, digits and .:@_-, and not "admin" or "system:"')
  const ttlMs = Number.isSafeInteger(ttlSeconds) ? Number(ttlSeconds) * 1000 : 0
  if (ttlMs < 1000 || ttlMs > longestMs)
    fault('ttlSeconds', `expected a whole number from 1 to ${longestMs / 1000}`)
  if (faults.length === 0) return { name: name as string, role: role as Role, ttlMs }
  const list = faults.map(({ path, message }) => `${path}: ${message}`).join('; ')
  throw new AppError('Invalid', list, { faults })
}
