import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'

const longest = 63

/**
 * Name of an object made for an agent: `prefix`, then the id in lower case, with `-` for each run of other characters; at
 * most 63 characters.
 */
export function nameFor(prefix: 'discovery-' | 'enrollment-', agentId: string): string {
  const plain = `${prefix}${agentId}`.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  return plain.slice(0, longest).replace(/-+$/, '')
}

/** What an unknown agent may call itself: it gets into names, Templates and logs. */
export const isPlainId = (agentId: string): boolean => /^[A-Za-z0-9][A-Za-z0-9:._-]{0,62}$/.test(agentId)

/** A MAC that tells one machine from another: no group's, and not all zeros. */
export function machineMac(text: string | undefined): Mac | undefined {
  const mac = parseMac(text ?? '')
  if (!mac || mac === '00:00:00:00:00:00') return undefined
  return Number.parseInt(mac.slice(0, 2), 16) % 2 === 0 ? mac : undefined
}
