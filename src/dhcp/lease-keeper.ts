import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import type { Ip4 } from '../model/ip4.ts'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import type { Logger } from '../log.ts'
import type { SideStore } from '../store/side.ts'
import type { FindHost } from './conflict.ts'
import { createLeases } from './leases.ts'
import type { Lease, LeaseChange, Leases, LeaseState } from './leases.ts'
import type { PoolRange } from './range.ts'
import type { Reply } from './reply.ts'

/** A lease as it is shown: `expired` ones are remembered for their clients until others need the address. */
export type LeaseView = Omit<Lease, 'state' | 'until' | 'since'> & {
  state: LeaseState | 'expired'
  /** ISO 8601, UTC */
  until: string
  since: string
}

export type LeaseKeeper = {
  readonly leases: Leases
  readonly range: PoolRange
  /** Reads the leases of earlier runs. */
  load(): Promise<void>
  /**
   * Does what `reply` wants done to a lease, then answers.
   * @param again decides anew, when somebody else was found at the address
   */
  carryOut(mac: Mac, reply: Reply, again: () => Reply, answer: (reply: Reply) => void): void
  /** by address */
  list(): LeaseView[]
  /** Writes now what would be written within a second. */
  flush(): Promise<void>
}

export type LeaseKeeperDeps = {
  side: SideStore
  clock: Clock
  log: Logger
  range: PoolRange
  leaseSeconds: number
  /** without it addresses are offered unseen */
  findHost?: FindHost | undefined
}

/** how long an address is kept: for a client that was offered it; from all, when somebody else was found there. ms */
// A host that has just gone may still be in the kernel's table: 8 s after it was asked for, it is not any more.
const holdMs = { probing: 10_000, offered: 60_000, declined: 900_000, inUse: 9_000 }
const flushMs = 1000
/** at the same time; a client that is not looked after comes again */
const maxProbes = 64
const maxTries = 4
const table = 'lease'

/**
 * The leases of the pool, in memory and on disk. A new lease is on disk before its client hears of it (RFC 2131 §4.3.2
 * speaks of committing it); renewals are gathered for up to a second, since forgetting one harms nobody: the client
 * keeps asking for its address.
 */
export function createLeaseKeeper(deps: LeaseKeeperDeps): LeaseKeeper {
  const { side, clock, log, range, findHost } = deps
  const leases = createLeases(range)
  const unsaved = new Map<Ip4, Lease>()
  let timer: AbortController | undefined
  let probes = 0

  async function write(): Promise<void> {
    const entries = [...unsaved]
    unsaved.clear()
    const results = await Promise.allSettled(entries.map(([ip, lease]) => side.put(table, keyOf(ip), lease)))
    const failed = results.find((result) => result.status === 'rejected')
    if (!failed) return
    for (const [ip, lease] of entries) if (!unsaved.has(ip)) unsaved.set(ip, lease)
    log.warn({ why: messageOf(failed.reason) }, 'dhcp leases not written: tried again with the next one')
  }

  function writeSoon(): void {
    if (timer) return
    const own = (timer = new AbortController())
    void clock.sleep(flushMs, own.signal).then(() => {
      if (timer === own) timer = undefined
      return write()
    })
  }

  function flush(): Promise<void> {
    timer?.abort()
    timer = undefined
    return write()
  }

  /** Offers are not written: a client that takes one after a restart is believed. */
  function put(lease: Lease): void {
    const left = leases.put(lease)
    if (left) unsaved.set(left.ip, left)
    const isPassing = lease.state === 'offered' || lease.state === 'probing'
    if (!isPassing) unsaved.set(lease.ip, lease)
    if (unsaved.size > 0) writeSoon()
  }

  function hold(ip: Ip4, mac: Mac, state: LeaseState, ms: number): void {
    const now = clock.now()
    put({ ip, mac, state, until: now + ms, since: now })
  }

  function bind(mac: Mac, { ip, hostname }: LeaseChange & { kind: 'bind' }): void {
    const now = clock.now()
    const before = leases.at(ip)
    const since = before?.mac === mac && before.state === 'bound' ? before.since : now
    const until = now + deps.leaseSeconds * 1000
    put({ ip, mac, state: 'bound', until, since, ...(hostname !== undefined && { hostname }) })
  }

  async function offer(mac: Mac, reply: Reply, again: () => Reply, triesLeft: number): Promise<Reply> {
    const { change } = reply as { change?: LeaseChange }
    if (change?.kind !== 'offer') return reply
    const { ip } = change
    if (!change.isNew || !findHost) {
      if (change.isNew) hold(ip, mac, 'offered', holdMs.offered)
      return reply
    }
    hold(ip, mac, 'probing', holdMs.probing)
    const host = await findHost(ip)
    if (host === undefined || host === mac) {
      hold(ip, mac, 'offered', holdMs.offered)
      return reply
    }
    log.warn({ ip, host, mac }, 'an address of the pool is in use: it is not offered')
    hold(ip, mac, 'in-use', holdMs.inUse)
    return triesLeft > 0
      ? offer(mac, again(), again, triesLeft - 1)
      : { kind: 'silent', why: 'pool-exhausted' }
  }

  async function offerProbed(mac: Mac, reply: Reply, again: () => Reply): Promise<Reply> {
    if (probes >= maxProbes) return { kind: 'silent', why: 'probing' }
    probes += 1
    try {
      return await offer(mac, reply, again, maxTries)
    } finally {
      probes -= 1
    }
  }

  return {
    leases,
    range,
    list: () => [...leases.all()].map((lease) => viewOf(lease, clock.now())).toSorted(byAddress),
    flush,
    async load() {
      for (const { key, value } of await side.list(table, '')) {
        const lease = readLease(value)
        if (lease && leases.includes(lease.ip)) leases.put(lease)
        else await side.delete(table, key)
      }
    },
    carryOut(mac, reply, again, answer) {
      const { change } = reply as { change?: LeaseChange }
      const failed = (error: unknown) => log.error({ mac, why: messageOf(error) }, 'a dhcp lease failed')
      if (change?.kind === 'offer') {
        if (!change.isNew) return answer(reply)
        return void offerProbed(mac, reply, again).then(answer).catch(failed)
      }
      if (change?.kind === 'bind') {
        bind(mac, change)
        if (!change.isNew) return answer(reply)
        return void flush()
          .then(() => answer(reply))
          .catch(failed)
      }
      if (change?.kind === 'release') hold(change.ip, mac, 'released', 0)
      if (change?.kind === 'decline') hold(change.ip, mac, 'declined', holdMs.declined)
      answer(reply)
    },
  }
}

/** `192.168.077.009`: in the order of addresses */
const keyOf = (ip: Ip4): string =>
  ip
    .split('.')
    .map((part) => part.padStart(3, '0'))
    .join('.')

const byAddress = (a: { ip: Ip4 }, b: { ip: Ip4 }): number => (keyOf(a.ip) < keyOf(b.ip) ? -1 : 1)

function viewOf({ until, since, ...lease }: Lease, now: number): LeaseView {
  const isOver = until <= now && lease.state !== 'released'
  const times = { until: new Date(until).toISOString(), since: new Date(since).toISOString() }
  return { ...lease, state: isOver ? 'expired' : lease.state, ...times }
}

function readLease(value: unknown): Lease | undefined {
  const { mac, ip, until, since, state } = (value ?? {}) as Partial<Lease>
  const isWhole = typeof ip === 'string' && Number.isFinite(until) && Number.isFinite(since) && state
  return isWhole && parseMac(String(mac)) ? (value as Lease) : undefined
}
