import type { Ip4 } from '../model/ip4.ts'
import { parseIp4 } from '../model/ip4.ts'
import { parseMac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'

/**
 * Whom a Tinkerbell agent, which has no credentials, is taken for: nobody; the machine that has its address, if the id
 * is one of that machine's; or the machine that it says it is.
 */
export type Admission = 'off' | 'address' | 'id'

/** The machines by what agents show of themselves. */
export type Roster = {
  machineByIp(ip: Ip4): Machine | undefined
  /** @param agentId spec.agentID of a Hardware, or one of its MACs */
  machineByAgent(agentId: string): Machine | undefined
}

/** `why`: as in the timeline of `of`, the machine that it said it was, or else the one that has its address */
export type NotAdmitted = {
  refused: string
  why: 'not-admitted' | 'address-mismatch' | 'agent-id-mismatch'
  of: Machine | undefined
}
export type Admitted = { machine: Machine } | NotAdmitted

/**
 * @param agentId as the agent says it; `undefined` when the call has no place for it
 * @param address that the call came from
 */
export function admit(
  how: Admission,
  { machineByIp, machineByAgent }: Roster,
  agentId: string | undefined,
  address: string,
): Admitted {
  const claimed = agentId === undefined ? undefined : machineByAgent(agentId)
  const ip = parseIp4(address.replace(/^::ffff:/, ''))
  const there = ip && machineByIp(ip)
  if (how === 'off') {
    const refused = 'agents of Tinkerbell are not admitted: grpc.tinkerbellAgents is off'
    return { refused, why: 'not-admitted', of: there }
  }
  if (how === 'id' && claimed) return { machine: claimed }
  if (how === 'address' && there && (agentId === undefined || isOf(there, agentId))) return { machine: there }
  if (how === 'id' || (there && !claimed)) {
    const refused = `no Hardware has the agent id ${quoted(agentId)}`
    return { refused, why: 'agent-id-mismatch', of: there }
  }
  const refused = there
    ? `${address} is the address of Hardware ${there.namespace}/${there.name}, which has not the agent id ${quoted(agentId)}`
    : `no Hardware has the address ${address}, from which agent ${quoted(agentId)} calls`
  return { refused, why: 'address-mismatch', of: claimed }
}

function isOf(machine: Machine, agentId: string): boolean {
  const mac = parseMac(agentId)
  return machine.agentId === agentId || (mac !== undefined && machine.macs.includes(mac))
}

const quoted = (id: string | undefined) => JSON.stringify((id ?? '').slice(0, 64))
