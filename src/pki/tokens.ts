import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { AppError } from '../model/error.ts'
import { isRole } from '../model/role.ts'
import type { Identity } from '../model/role.ts'
import type { TokenEntry, TokenWish } from '../model/token.ts'
import type { SideStore } from '../store/side.ts'
import { digest } from './token.ts'

export type TokenRegistry = {
  /** @returns whom `token` belongs to; `undefined` when it is unknown, revoked or expired */
  authenticate(token: string): Identity | undefined
  /** On disk when it resolves. @throws AppError FailedPrecondition when there are too many */
  create(wish: TokenWish): Promise<{ entry: TokenEntry; token: string }>
  /** oldest first */
  list(): readonly TokenEntry[]
  /** Holds from this moment on, on disk when it resolves. @returns `undefined` when there is no such token */
  revoke(id: string): Promise<TokenEntry | undefined>
  /** whether a token with this id still lets in */
  isLive(id: string): boolean
}

export type TokenDeps = {
  side: Pick<SideStore, 'list' | 'put' | 'delete'>
  clock: Pick<Clock, 'now'>
  log: Logger
  /** tokens that are kept at most; default 1000 */
  maxTokens?: number
}

type Stored = TokenEntry & { /** SHA-256 of the secret, base64url */ hash: string }

/** How far what is on disk may lag behind the last use, ms. */
const usedEveryMs = 60_000
/** An expired token is shown in lists for this long, ms. */
const expiredMs = 7 * 86_400_000
const none = Buffer.alloc(32)

const tokenPattern = /^iw_([a-z2-7]{10})_([A-Za-z0-9_-]{43})$/

/**
 * The tokens that were made for clients, `iw_<id>_<secret>`. The secret is not kept, only its hash; it is 256 random
 * bits, so that a fast hash does.
 */
export async function openTokens(deps: TokenDeps): Promise<TokenRegistry> {
  const { side, clock, log, maxTokens = 1000 } = deps
  const known = await load(deps)
  const written = new Map<string, number>()

  function touch(stored: Stored, now: number): void {
    stored.lastUsedAt = now
    if (now - (written.get(stored.id) ?? 0) < usedEveryMs) return
    written.set(stored.id, now)
    side.put('token', stored.id, stored).catch((err: unknown) => log.warn({ err }, 'last use not noted'))
  }

  async function remove(id: string): Promise<void> {
    // From here on nothing writes this entry again: a `touch` before is before the delete on disk, too.
    known.delete(id)
    written.delete(id)
    await side.delete('token', id)
  }

  return {
    authenticate: (token) => {
      const [, id = '', secret = ''] = tokenPattern.exec(token) ?? []
      const stored = known.get(id)
      const isRight = timingSafeEqual(digest(secret), stored ? hashOf(stored) : none)
      const now = clock.now()
      if (!stored || !isRight || stored.expiresAt <= now) return undefined
      touch(stored, now)
      const { name, role, expiresAt } = stored
      return { user: name, role, tokenId: id, expiresAt }
    },
    create: async ({ name, role, ttlMs }) => {
      const now = clock.now()
      for (const { id, expiresAt } of known.values()) if (expiresAt <= now - expiredMs) await remove(id)
      if (known.size >= maxTokens)
        throw new AppError('FailedPrecondition', `there are ${known.size} tokens: revoke those not needed`)
      const id = newId()
      const secret = randomBytes(32).toString('base64url')
      const times = { createdAt: now, expiresAt: now + ttlMs }
      const hash = digest(secret).toString('base64url')
      const stored: Stored = { id, name: name ?? `${role}-${id}`, role, ...times, hash }
      await side.put('token', id, stored)
      known.set(id, stored)
      log.info({ tokenId: id, name: stored.name, role, expiresAt: times.expiresAt }, 'token made')
      return { entry: entryOf(stored), token: `iw_${id}_${secret}` }
    },
    list: () => [...known.values()].map(entryOf).toSorted((a, b) => a.createdAt - b.createdAt),
    revoke: async (id) => {
      const stored = known.get(id)
      if (!stored) return undefined
      await remove(id)
      log.info({ tokenId: id, name: stored.name, role: stored.role }, 'token revoked')
      return entryOf(stored)
    },
    isLive: (id) => (known.get(id)?.expiresAt ?? 0) > clock.now(),
  }
}

const hashOf = ({ hash }: Stored) => Buffer.from(hash, 'base64url')

function entryOf(stored: Stored): TokenEntry {
  const { hash: _hash, ...entry } = stored
  return entry
}

/** 50 bits in the letters of base32. */
function newId(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz234567'
  return Array.from(randomBytes(10), (byte) => letters[byte & 31]).join('')
}

async function load({ side, log }: TokenDeps): Promise<Map<string, Stored>> {
  const known = new Map<string, Stored>()
  for (const { key, value } of await side.list('token', '')) {
    if (isStored(value) && value.id === key) known.set(key, value)
    else log.error({ tokenId: key }, 'a stored token is not readable: it does not let in')
  }
  return known
}

function isStored(value: unknown): value is Stored {
  if (typeof value !== 'object' || value === null) return false
  const { id, name, role, createdAt, expiresAt, hash } = value as Record<string, unknown>
  return (
    typeof id === 'string' &&
    typeof name === 'string' &&
    isRole(role) &&
    Number.isFinite(createdAt) &&
    Number.isFinite(expiresAt) &&
    typeof hash === 'string' &&
    Buffer.from(hash, 'base64url').length === 32
  )
}
