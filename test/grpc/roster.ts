import { parseMac } from '../../src/model/mac.ts'
import { machinesOf } from '../../src/model/machine.ts'
import type { Machine } from '../../src/model/machine.ts'
import type { Hardware } from '../../src/model/hardware.ts'
import type { Store } from '../../src/store/store.ts'
import type { Roster } from '../../src/grpc/admit.ts'

/** The Hardware as it is now, by address and agent id. */
export async function rosterOf(store: Pick<Store, 'list'>): Promise<Roster> {
  const { items } = await store.list('Hardware')
  const machines = (items as Hardware[]).flatMap(machinesOf)
  const byAgent = (id: string) => (machine: Machine) =>
    machine.agentId === id || machine.mac === (parseMac(id) ?? id)
  return {
    machineByIp: (ip) => machines.find((machine) => machine.ip === ip),
    machineByAgent: (id) => machines.find(byAgent(id)),
  }
}
