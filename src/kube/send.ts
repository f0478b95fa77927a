import type { Reply } from './app.ts'
import type { Status } from './status.ts'

/** Answers with a failure; a time to wait also goes into its header. */
export function sendStatus(reply: Reply, status: Status & { code: number }): Reply {
  const { retryAfterSeconds } = status.details ?? {}
  if (retryAfterSeconds !== undefined) void reply.header('retry-after', String(retryAfterSeconds))
  return reply.code(status.code).header('content-type', 'application/json').send(status)
}
