import type { AgentAttributes } from '../model/agent-attributes.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import { macsOf } from './hardware.ts'
import { isPlainId, nameFor } from './names.ts'

/** An agent that no Hardware is known for, and what is known otherwise. */
export type Stranger = {
  agentId: string
  attributes: AgentAttributes
  /** MAC that it was given its boot token for; none for an agent without credentials */
  mac?: Mac | undefined
  /** the MAC that the address it calls from was leased to, if any */
  leasedTo?: Mac | undefined
}

export type Known = {
  machineByMac(mac: Mac): Machine | undefined
  hasHardware(name: string): boolean
  /** Hardware that discovery has made */
  discovered: number
  mostDiscovered: number
}

/** `later`: it may be different when the agent tries again */
export type NotDiscovered = { refused: string; later: boolean }

/** Why no Hardware is made for an agent; `undefined` when one is. */
export function whyNotDiscovered(stranger: Stranger, known: Known): NotDiscovered | undefined {
  const { agentId, mac, leasedTo } = stranger
  const never = (refused: string): NotDiscovered => ({ refused, later: false })
  if (!isPlainId(agentId))
    return never(`${shown(agentId)} is no agent id: expected letters, digits and ":._-", at most 63`)
  const macs = macsOf(stranger)
  if (macs.length === 0) return never(`agent ${shown(agentId)} says no MAC of its machine`)
  if (mac !== undefined && macs[0] !== mac) return never(`agent ${shown(agentId)} is not ${mac}`)
  if (leasedTo !== undefined && !macs.includes(leasedTo))
    return never(`agent ${shown(agentId)} calls from the address of ${leasedTo}, which it does not have`)
  const taken = macs.map((one) => [one, known.machineByMac(one)] as const).find(([, machine]) => machine)
  if (taken) return never(`${taken[0]} is a MAC of Hardware ${taken[1]!.namespace}/${taken[1]!.name}`)
  const name = nameFor('discovery-', agentId)
  if (known.hasHardware(name)) return never(`Hardware ${name} is another machine's`)
  if (known.discovered >= known.mostDiscovered)
    return { refused: `discovery.maxMachines is reached: ${known.mostDiscovered}`, later: true }
  return undefined
}

const shown = (id: string) => JSON.stringify(id.slice(0, 64))
