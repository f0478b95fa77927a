import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { Caller } from './caller.ts'

type Response = ServerResponse | Http2ServerResponse

export type Streams = {
  /** ends `response` when the credentials of `caller` no longer hold */
  add(response: Response, caller: Caller): void
  /** ends what runs on credentials that have expired or been revoked */
  sweep(now: number): void
}

/** A stream that the client does not let go of is cut after this long, ms. */
const graceMs = 5000

/** Responses that still run, so that a watch does not outlive the credentials that opened it. */
export function createStreams(isLive: (tokenId: string) => boolean): Streams {
  const running = new Map<Response, Caller>()
  return {
    add: (response, caller) => {
      if (caller.tokenId === undefined && caller.expiresAt === undefined) return
      running.set(response, caller)
      response.once('close', () => running.delete(response))
    },
    sweep: (now) => {
      for (const [response, { tokenId, expiresAt }] of running) {
        const holds = (expiresAt ?? now + 1) > now && (tokenId === undefined || isLive(tokenId))
        // A plain answer is under way already; only what stays open is ended.
        if (holds || !response.headersSent) continue
        running.delete(response)
        ;(response as ServerResponse).end()
        setTimeout(() => response.destroy(), graceMs).unref()
      }
    },
  }
}
