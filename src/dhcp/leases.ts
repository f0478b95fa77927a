import { ip4FromNumber, ip4ToNumber } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import type { PoolRange } from './range.ts'

/**
 * `probing`: held for a client while the link is asked whether somebody has it; `offered`: held until the client takes
 * it; `bound`: the client's; `released`: given back; `declined`: a client found somebody else there; `in-use`: we did.
 */
export type LeaseState = 'probing' | 'offered' | 'bound' | 'released' | 'declined' | 'in-use'

/** One address of the pool and who it is, or was, with. Times are epoch ms. */
export type Lease = {
  ip: Ip4
  mac: Mac
  state: LeaseState
  /** from then on others may have it */
  until: number
  /** of its first binding to this client */
  since: number
  hostname?: string
}

/** What a decision wants done to a lease of the client that asked. */
export type LeaseChange =
  | { kind: 'offer'; ip: Ip4; isNew: boolean }
  | { kind: 'bind'; ip: Ip4; isNew: boolean; hostname: string | undefined }
  | { kind: 'release' | 'decline'; ip: Ip4 }

/** Who is asking, for what, and which addresses are out of question whatever the table says. */
export type Wish = { mac: Mac; wanted: Ip4 | undefined; now: number; isReserved(ip: Ip4): boolean }

/** The leases of one pool; at most one for each of its addresses. */
export type Leases = {
  /** the lease that is, or was last, this client's */
  of(mac: Mac): Lease | undefined
  at(ip: Ip4): Lease | undefined
  /** whether the pool has such an address */
  includes(ip: Ip4): boolean
  /** whether this client may have the address */
  isFree(ip: Ip4, mac: Mac, now: number): boolean
  /** The address for this client: the one it had, the one it asks for, one that nobody had, or the longest unused. */
  choose(wish: Wish): Ip4 | undefined
  /** Keeps `lease`. A client has one address: @returns the one that it had before, if that was another. */
  put(lease: Lease): Lease | undefined
  remove(ip: Ip4): void
  all(): Iterable<Lease>
}

/** how long it is not looked again for an address when there was none, ms */
const fullMs = 1000
const unusedMs = 60_000

const ended = { state: 'released', until: 0 } as const
const isHeldState = (state: LeaseState) => state === 'probing' || state === 'offered' || state === 'bound'

export function createLeases(range: PoolRange): Leases {
  const [first, last] = [ip4ToNumber(range.first), ip4ToNumber(range.last)]
  // in the order of their last change, so that those that ran out first are found first
  const byIp = new Map<Ip4, Lease>()
  const ipOf = new Map<Mac, Ip4>()
  let cursor = first
  let allUsedUntil = 0
  let fullUntil = 0

  const includes = (ip: Ip4) => {
    const number = ip4ToNumber(ip)
    return number >= first && number <= last
  }
  const of = (mac: Mac) => byIp.get(ipOf.get(mac) ?? ('' as Ip4))
  const isFree = (ip: Ip4, mac: Mac, now: number) => {
    const lease = byIp.get(ip)
    if (!lease) return includes(ip)
    const isOwn = lease.mac === mac && lease.state !== 'declined' && lease.state !== 'in-use'
    return isOwn || lease.until <= now
  }

  function unused({ now, isReserved }: Wish): Ip4 | undefined {
    if (now < allUsedUntil) return undefined
    for (let step = 0; step <= last - first; step += 1) {
      const ip = ip4FromNumber(cursor)
      if (!byIp.has(ip) && !isReserved(ip)) return ip
      cursor = cursor === last ? first : cursor + 1
    }
    allUsedUntil = now + unusedMs
    return undefined
  }

  function ranOut({ now, isReserved }: Wish): Ip4 | undefined {
    if (now < fullUntil) return undefined
    for (const { ip, until } of byIp.values()) if (until <= now && !isReserved(ip)) return ip
    fullUntil = now + fullMs
    return undefined
  }

  function remove(ip: Ip4) {
    const lease = byIp.get(ip)
    if (!lease) return
    byIp.delete(ip)
    if (ipOf.get(lease.mac) === ip) ipOf.delete(lease.mac)
    allUsedUntil = 0
  }

  return {
    of,
    at: (ip) => byIp.get(ip),
    includes,
    isFree,
    choose(wish) {
      const { mac, wanted, now, isReserved } = wish
      const fits = (ip: Ip4 | undefined) => ip !== undefined && isFree(ip, mac, now) && !isReserved(ip)
      const own = of(mac)?.ip
      if (fits(own)) return own
      return fits(wanted) ? wanted : (unused(wish) ?? ranOut(wish))
    },
    put(lease) {
      const before = byIp.get(lease.ip)
      if (before && before.mac !== lease.mac && ipOf.get(before.mac) === lease.ip) ipOf.delete(before.mac)
      const old = of(lease.mac)
      byIp.delete(lease.ip)
      byIp.set(lease.ip, lease)
      ipOf.set(lease.mac, lease.ip)
      if (lease.state === 'released') fullUntil = 0
      const left = old && old.ip !== lease.ip && isHeldState(old.state) ? { ...old, ...ended } : undefined
      if (left) byIp.set(left.ip, left)
      return left
    },
    remove,
    all: () => byIp.values(),
  }
}
