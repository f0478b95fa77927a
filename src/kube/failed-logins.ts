/** Counts wrong credentials by source address. Bounded in memory whatever addresses come. */
export type FailedLogins = {
  /**
   * Counts one failure.
   * @returns seconds until the next try is judged again; 0 while there are tries left
   */
  failed(address: string, now: number): number
}

export type FailedLoginRules = {
  /** failures in one window that are answered as such */
  tries: number
  windowMs: number
  /** addresses that are remembered; those that failed longest ago are forgotten first */
  maxAddresses: number
}

/** Right credentials are never held up: whoever shares an address with a guesser keeps working. */
export function createFailedLogins(
  rules: FailedLoginRules = { tries: 10, windowMs: 60_000, maxAddresses: 10_000 },
): FailedLogins {
  const windows = new Map<string, { start: number; count: number }>()
  return {
    failed: (address, now) => {
      const source = sourceOf(address)
      const known = windows.get(source)
      const isOver = known === undefined || now - known.start >= rules.windowMs || now < known.start
      const window = isOver ? { start: now, count: 1 } : { start: known.start, count: known.count + 1 }
      windows.delete(source)
      windows.set(source, window)
      const oldest = windows.size > rules.maxAddresses ? windows.keys().next().value : undefined
      if (oldest !== undefined) windows.delete(oldest)
      if (window.count <= rules.tries) return 0
      return Math.max(1, Math.ceil((window.start + rules.windowMs - now) / 1000))
    },
  }
}

/** One network for IPv6, where a single host has a /64 of addresses to come from. */
export function sourceOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('%')[0]!.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0')
  const groups = [...first, ...zeros, ...last].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
