import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import { agentKey } from './catalog.ts'
import type { AgentLink } from './link.ts'

/** The agents that are connected, one link per machine, and when each was last heard. */
export type Agents = {
  /** @returns the link of the same machine that `link` takes the place of */
  add(link: AgentLink, now: number): AgentLink | undefined
  /** @returns whether it was the machine's current link */
  remove(link: AgentLink): boolean
  isCurrent(link: AgentLink): boolean
  heard(link: AgentLink, now: number): void
  /** the link of the agent that tasks call `agentId` */
  linkOf(agentId: string): AgentLink | undefined
  /** everything that a task may call this agent */
  namesOf(link: AgentLink): string[]
  all(): AgentLink[]
  /** notes that the machine is expected back */
  miss(link: AgentLink, now: number): void
  /** takes away those not heard for `silenceMs`: links, and machines that were missed */
  takeLost(now: number): Lost[]
  /** when the next one counts as lost, epoch ms */
  nextLoss(): number | undefined
}

/** `link` is `undefined` when it was gone before; `names` as in `namesOf` */
export type Lost = { mac: Mac; link: AgentLink | undefined; names: readonly string[]; silentMs: number }

type Deps = { machineByAgent(agentId: string): Machine | undefined; silenceMs: number }
type Entry = { link: AgentLink; heardAt: number }

export function createAgents({ machineByAgent, silenceMs }: Deps): Agents {
  const entries = new Map<string, Entry>()
  const missed = new Map<Mac, { link: AgentLink; since: number }>()
  const byName = new Map<string, AgentLink>()
  const keyOf = (name: string) => machineByAgent(name)?.macs[0] ?? agentKey(name)
  const entryOf = (link: AgentLink) => [...candidates(link)].find(([, entry]) => entry.link === link)

  const unname = (link: AgentLink) => {
    if (byName.get(agentKey(link.agentId)) === link) byName.delete(agentKey(link.agentId))
  }

  const namesOf = (link: AgentLink) => {
    const machine = machineByAgent(link.mac) ?? machineByAgent(link.agentId)
    const names = [link.agentId, link.mac, ...(machine ? [machine.agentId, ...machine.macs] : [])]
    return [...new Set(names.map(agentKey))]
  }

  // The Hardware may have changed since the link came: its key is then another one.
  function* candidates(link: AgentLink): Iterable<[string, Entry]> {
    const key = keyOf(link.mac)
    const entry = entries.get(key)
    if (entry?.link === link) yield [key, entry]
    else yield* entries
  }

  return {
    add: (link, now) => {
      const key = keyOf(link.mac)
      const old = entries.get(key)?.link
      entries.set(key, { link, heardAt: now })
      byName.set(agentKey(link.agentId), link)
      missed.delete(link.mac)
      return old
    },
    remove: (link) => {
      const found = entryOf(link)
      if (found) entries.delete(found[0])
      unname(link)
      return found !== undefined
    },
    isCurrent: (link) => entryOf(link) !== undefined,
    heard: (link, now) => {
      const found = entryOf(link)
      if (found) found[1].heardAt = now
    },
    linkOf: (agentId) => entries.get(keyOf(agentId))?.link ?? byName.get(agentKey(agentId)),
    namesOf,
    all: () => [...entries.values()].map(({ link }) => link),
    miss: (link, now) => missed.set(link.mac, { link, since: now }),
    takeLost: (now) => {
      const lost: Lost[] = []
      for (const [key, entry] of entries) {
        const { link, heardAt } = entry
        if (now < heardAt + silenceMs) continue
        if (link.calls?.isAlive() === true) {
          entry.heardAt = now
          continue
        }
        const names = namesOf(link)
        entries.delete(key)
        unname(link)
        lost.push({ mac: link.mac, link, names, silentMs: now - heardAt })
      }
      for (const [mac, { link, since }] of missed) {
        if (now < since + silenceMs) continue
        missed.delete(mac)
        lost.push({ mac, link: undefined, names: namesOf(link), silentMs: now - since })
      }
      return lost
    },
    nextLoss: () => {
      let first = Number.POSITIVE_INFINITY
      for (const { heardAt } of entries.values()) first = Math.min(first, heardAt)
      for (const { since } of missed.values()) first = Math.min(first, since)
      return first === Number.POSITIVE_INFINITY ? undefined : first + silenceMs
    },
  }
}
