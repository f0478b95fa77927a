import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import { isHost } from './link.ts'
import { dhcpOption } from './options/table.ts'
import type { Query } from './query.ts'
import { isForUs, wantedIps } from './reply.ts'

/** Addresses that other DHCP servers gave, as far as clients say so where we hear it. Nobody proves anything here. */
export type Elsewhere = {
  /** Remembers the address that a REQUEST takes from another server. @param isKnown whether a Hardware has this MAC */
  hear(query: Query, isKnown: boolean, now: number): void
  /** who took this address last */
  holderOf(ip: Ip4, now: number): Mac | undefined
}

export type ElsewhereRules = {
  serverIp: Ip4
  /** addresses of machines of the inventory, and of others, which take no room from the former */
  most?: { known: number; others: number }
  /** so long after it was last heard an address counts; the other server's lease is not known */
  keepMs?: number
}

type Taken = { mac: Mac; at: number }

export function createElsewhere({ serverIp, most, keepMs = 86_400_000 }: ElsewhereRules): Elsewhere {
  const { known, others } = most ?? { known: 65_536, others: 1024 }
  const shelves = { known: createShelf(known), others: createShelf(others) }
  return {
    hear(query, isKnown, now) {
      const ip = takenElsewhere(query, serverIp)
      if (ip) shelves[isKnown ? 'known' : 'others'].put(ip, { mac: query.mac, at: now })
    },
    holderOf(ip, now) {
      const found = [shelves.known.at(ip), shelves.others.at(ip)].filter((taken) => taken !== undefined)
      const latest = found.toSorted((a, b) => b.at - a.at)[0]
      return latest && now - latest.at < keepMs ? latest.mac : undefined
    },
  }
}

/** The address that a REQUEST takes (option 50) or renews (`ciaddr`) from the server it names, which is not ours. */
export function takenElsewhere(query: Query, serverIp: Ip4): Ip4 | undefined {
  if (query.type !== 'request' || !query.packet.options.has(dhcpOption.serverId.code)) return undefined
  if (isForUs(query, { serverIp })) return undefined
  const [ip] = wantedIps(query)
  return ip && ip !== serverIp && isHost(ip) ? ip : undefined
}

/** One address for each MAC, one MAC for each address; those heard longest ago leave. */
function createShelf(most: number) {
  const byIp = new Map<Ip4, Taken>()
  const ipOf = new Map<Mac, Ip4>()
  const remove = (ip: Ip4) => {
    const taken = byIp.get(ip)
    byIp.delete(ip)
    if (taken) ipOf.delete(taken.mac)
  }
  return {
    at: (ip: Ip4) => byIp.get(ip),
    put(ip: Ip4, taken: Taken) {
      const before = ipOf.get(taken.mac)
      if (before) remove(before)
      remove(ip)
      byIp.set(ip, taken)
      ipOf.set(taken.mac, ip)
      const oldest = byIp.size > most ? byIp.keys().next().value : undefined
      if (oldest) remove(oldest)
    },
  }
}
