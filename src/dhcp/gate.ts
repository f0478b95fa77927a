/** Lets through so many messages of each client, and no more. Bounded in memory whatever clients come. */
export type Gate = { allow(client: string, now: number): boolean }

export type GateRules = {
  /** messages a second that a client may send all the time; 0: any number */
  perSecond: number
  /** messages that it may send at once */
  burst: number
  /** clients that are remembered; the oldest are forgotten first, and begin anew */
  maxClients: number
}

export function createGate({ perSecond, burst, maxClients }: GateRules): Gate {
  if (perSecond === 0) return { allow: () => true }
  const buckets = new Map<string, { left: number; at: number }>()
  return {
    allow(client, now) {
      const bucket = buckets.get(client)
      if (!bucket) {
        buckets.set(client, { left: burst - 1, at: now })
        const oldest = buckets.size > maxClients ? buckets.keys().next().value : undefined
        if (oldest !== undefined) buckets.delete(oldest)
        return true
      }
      // a clock that was set back fills nothing
      const passed = Math.max(0, now - bucket.at)
      bucket.left = Math.min(burst, bucket.left + (passed * perSecond) / 1000)
      bucket.at = now
      if (bucket.left < 1) return false
      bucket.left -= 1
      return true
    },
  }
}
