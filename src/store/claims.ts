import { createManyKeys } from '../model/many-keys.ts'

/** Names of one object, and when it was made: `creationTimestamp`, which sorts as text. */
export type Dated = { namespace: string; name: string; created: string }

/** Told once for each object that claims `key` in vain. */
export type ReportLoser<K, T> = (key: K, winner: T, loser: T) => void

/** Who has a key: of several claims the one of the oldest object counts, and the others wait behind it. */
export type Claims<K, T> = {
  /** the oldest */
  first(key: K): T | undefined
  /** the oldest first */
  all(key: K): readonly T[]
  add(key: K, claimant: T): void
  /** forgets the claim of the object with this name */
  remove(key: K, claimant: T): void
}

const nobody: readonly never[] = []

export function createClaims<K extends string | number, T extends Dated>(
  report: ReportLoser<K, T>,
): Claims<K, T> {
  // Nearly every key is claimed once: a list for each would be most of what a large inventory takes.
  const claims = createManyKeys<K, T | T[]>()
  const reported = new Map<K, { winner: string; loser: string }[]>()

  function reportLosers(key: K, [winner, ...losers]: readonly T[]) {
    if (!winner) return
    const told = reported.get(key) ?? []
    reported.set(key, told)
    for (const loser of losers) {
      const pair = { winner: titleOf(winner), loser: titleOf(loser) }
      if (told.some((known) => known.winner === pair.winner && known.loser === pair.loser)) continue
      told.push(pair)
      report(key, winner, loser)
    }
  }

  function forgetReports(key: K, claimant: T) {
    const title = titleOf(claimant)
    const told = (reported.get(key) ?? []).filter(({ winner, loser }) => winner !== title && loser !== title)
    if (told.length > 0) reported.set(key, told)
    else reported.delete(key)
  }

  const all = (key: K): readonly T[] => {
    const found = claims.get(key)
    if (found === undefined) return nobody
    return Array.isArray(found) ? found : [found]
  }

  function put(key: K, left: readonly T[]) {
    const [only] = left
    if (!only) claims.delete(key)
    else claims.set(key, left.length === 1 ? only : [...left])
  }

  return {
    first(key) {
      const found = claims.get(key)
      return Array.isArray(found) ? found[0] : found
    },
    all,
    add(key, claimant) {
      if (claims.get(key) === undefined) return claims.set(key, claimant)
      const others = all(key).filter((other) => !isSame(other, claimant))
      if (others.length === 0) return claims.set(key, claimant)
      const sorted = [...others, claimant].sort(compareAge)
      put(key, sorted)
      reportLosers(key, sorted)
    },
    remove(key, claimant) {
      put(
        key,
        all(key).filter((other) => !isSame(other, claimant)),
      )
      if (reported.size > 0) forgetReports(key, claimant)
    },
  }
}

/** Older first; of the same second, by namespace and name. */
export function compareAge(a: Dated, b: Dated): number {
  return compare(a.created, b.created) || compare(a.namespace, b.namespace) || compare(a.name, b.name)
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** `namespace/name`, which no two objects of a kind share. */
export const titleOf = ({ namespace, name }: { namespace: string; name: string }): string =>
  `${namespace}/${name}`

const isSame = (a: Dated, b: Dated): boolean => a.name === b.name && a.namespace === b.namespace
