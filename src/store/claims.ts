import type { Hardware } from '../model/hardware.ts'

/** One Hardware that says "this MAC (IP, agent id) is mine"; `nic`: which of its machines has it. */
export type Claim = { hardware: Hardware; nic: number }

/** Told once for each Hardware that claims `key` in vain. */
export type ReportLoser = (key: string, winner: Hardware, loser: Hardware) => void

/** Who has a key: of several claims the one of the oldest Hardware counts, and the others wait behind it. */
export type Claims = {
  winner(key: string): Claim | undefined
  add(key: string, claim: Claim): void
  remove(key: string, hardware: Hardware): void
}

export function createClaims(report: ReportLoser): Claims {
  // Nearly every key is claimed once: a list for each would be most of what a large inventory takes.
  const claims = new Map<string, Claim | Claim[]>()
  const reported = new Map<string, { winner: string; loser: string }[]>()

  function reportLosers(key: string, [winner, ...losers]: readonly Claim[]) {
    if (!winner || losers.length === 0) return
    const told = reported.get(key) ?? []
    reported.set(key, told)
    for (const { hardware } of losers) {
      const pair = { winner: titleOf(winner.hardware), loser: titleOf(hardware) }
      if (told.some((known) => known.winner === pair.winner && known.loser === pair.loser)) continue
      told.push(pair)
      report(key, winner.hardware, hardware)
    }
  }

  function forgetReports(key: string, hardware: Hardware) {
    const title = titleOf(hardware)
    const told = (reported.get(key) ?? []).filter(({ winner, loser }) => winner !== title && loser !== title)
    if (told.length > 0) reported.set(key, told)
    else reported.delete(key)
  }

  const all = (key: string): Claim[] => {
    const found = claims.get(key) ?? []
    return Array.isArray(found) ? found : [found]
  }

  function put(key: string, left: Claim[]) {
    const [only] = left
    if (!only) claims.delete(key)
    else claims.set(key, left.length === 1 ? only : left)
  }

  return {
    winner: (key) => {
      const found = claims.get(key)
      return Array.isArray(found) ? found[0] : found
    },
    add(key, claim) {
      if (!claims.has(key)) return void claims.set(key, claim)
      const others = all(key).filter(({ hardware }) => !isSame(hardware, claim.hardware))
      const sorted = [...others, claim].sort((a, b) => compareAge(a.hardware, b.hardware))
      put(key, sorted)
      reportLosers(key, sorted)
    },
    remove(key, hardware) {
      put(
        key,
        all(key).filter((claim) => !isSame(claim.hardware, hardware)),
      )
      forgetReports(key, hardware)
    },
  }
}

type Dated = { metadata: { creationTimestamp: string; namespace: string; name: string } }

/** Older first; of the same second, by namespace and name. */
export function compareAge({ metadata: a }: Dated, { metadata: b }: Dated): number {
  const pairs = [
    [a.creationTimestamp, b.creationTimestamp],
    [a.namespace, b.namespace],
    [a.name, b.name],
  ] as const
  const differing = pairs.find(([left, right]) => left !== right)
  if (!differing) return 0
  return differing[0] < differing[1] ? -1 : 1
}

/** `namespace/name`, which no two objects of a kind share. */
export function titleOf({ metadata }: Dated): string {
  return `${metadata.namespace}/${metadata.name}`
}

function isSame(a: Hardware, b: Hardware): boolean {
  return titleOf(a) === titleOf(b)
}
