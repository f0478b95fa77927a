import type { Hardware } from '../model/hardware.ts'
import type { Mac } from '../model/mac.ts'
import { machinesOf } from '../model/machine.ts'
import type { Machine } from '../model/machine.ts'
import type { BootContext } from './boot.ts'

/** A machine that no Hardware knows, for what is answered to all: nothing but its MAC is set. */
export function stranger(mac: Mac): Machine {
  const hardware = { metadata: { namespace: '', name: '' }, spec: { interfaces: [{ dhcp: { mac } }] } }
  return machinesOf(hardware as unknown as Hardware)[0]!
}

/** Boots a machine as one that nobody knows: its script is the one for discovery. */
export const asStranger = <Context extends BootContext>(context: Context): Context => ({
  ...context,
  scriptUrl: ({ mac }: Machine) => context.strangerUrl?.(mac) ?? '',
})
