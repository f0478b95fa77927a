import type { Machine } from '../model/machine.ts'
import type { Admission } from './admit.ts'

/** What becomes of machines that no Hardware is known for, and of what Tinkerbell's agents say of theirs. */
export type Discoverer = {
  /** @param agent that is not admitted; @returns the machine that it is after all, or that is made of it */
  unknown(agent: {
    agentId: string
    address: string
    attributes: unknown
    admission: Admission
  }): Promise<Machine | undefined>
  /** @param attributes of the call, as decoded; null and undefined: none */
  seen(machine: Machine, attributes: unknown): Promise<void>
  /** why there is no action, when that is for want of a rule set */
  whyNone(machine: Machine): string | undefined
}
