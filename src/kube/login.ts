import type { TLSSocket } from 'node:tls'
import type { Clock } from '../model/clock.ts'
import { createLimiter } from '../model/limiter.ts'
import type { Logger } from '../log.ts'
import type { Identity } from '../model/role.ts'
import type { Reply, Request } from './app.ts'
import { callerOf } from './caller.ts'
import type { Caller } from './caller.ts'
import { certificateIdentity } from './certificate.ts'
import { createFailedLogins } from './failed-logins.ts'
import { failure } from './status.ts'
import type { Status } from './status.ts'

export type LoginDeps = {
  /** whom a bearer token belongs to; must take the same time for right and wrong ones */
  authenticate(token: string): Identity | undefined
  log: Logger
  clock: Pick<Clock, 'now'>
}

type Refusal = Status & { code: number }

/** A caller, or the failure that answers the request. */
export type Login = (request: Request, reply: Reply) => Caller | Refusal

/**
 * Who asks: by bearer token when there is an Authorization header, else by client certificate. Wrong credentials are
 * answered 401, and 429 when one address has shown too many of them.
 */
export function createLogin({ authenticate, log, clock }: LoginDeps): Login {
  const failedLogins = createFailedLogins()
  const quiet = createLimiter({ everyMs: 60_000, perMinute: 60, maxKeys: 1000 })

  function refuse(request: Request, reply: Reply, why: string): Refusal {
    const from = request.ip
    const now = clock.now()
    if (quiet.allow(from, now)) log.warn({ from, why }, 'credentials refused')
    const retryAfterSeconds = failedLogins.failed(from, now)
    if (retryAfterSeconds === 0) return unauthorized(reply)
    const message = `too many failed logins from ${from}: try again in ${retryAfterSeconds} s`
    return failure(429, 'TooManyRequests', message, { retryAfterSeconds })
  }

  return (request, reply) => {
    const header = request.headers.authorization
    if (header !== undefined) {
      const token = /^Bearer +(\S+) *$/i.exec(header)?.[1]
      if (token === undefined) return refuse(request, reply, 'not a bearer token')
      const identity = authenticate(token)
      return identity ? callerOf(identity) : refuse(request, reply, 'unknown, revoked or expired token')
    }
    const socket = request.raw.socket as TLSSocket
    const found = certificateIdentity(socket, clock.now())
    if (found && 'role' in found) return callerOf(found)
    if (found) return failure(403, 'Forbidden', `forbidden: User "${found.user}": ${found.why}`, {})
    if (!socket.authorizationError || !hasCertificate(socket)) return unauthorized(reply)
    return refuse(request, reply, `client certificate: ${String(socket.authorizationError)}`)
  }
}

const hasCertificate = (socket: TLSSocket) => Object.keys(socket.getPeerCertificate()).length > 0

function unauthorized(reply: Reply): Refusal {
  void reply.header('www-authenticate', 'Bearer realm="ironwake"')
  return failure(401, 'Unauthorized', 'Unauthorized')
}
