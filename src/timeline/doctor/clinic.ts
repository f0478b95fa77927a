import type { Clock } from '../../model/clock.ts'
import type { Hardware } from '../../model/hardware.ts'
import type { Mac } from '../../model/mac.ts'
import { machinesOf } from '../../model/machine.ts'
import type { Machine } from '../../model/machine.ts'
import type { Workflow } from '../../model/workflow.ts'
import type { TimelineEntry } from '../stage.ts'
import { unknownMachines } from '../unknown.ts'
import type { UnknownMachine } from '../unknown.ts'
import type { Case, Listed, Seen, ServerState } from './case.ts'
import { diagnose } from './diagnose.ts'
import type { Diagnosis } from './diagnose.ts'

type Deps = {
  clock: Pick<Clock, 'now'>
  timeline: {
    macs(): Mac[]
    entries(mac: Mac): readonly TimelineEntry[]
    subscribe(mac: undefined, listener: (mac: Mac, entry: TimelineEntry) => void): () => void
  }
  lookup: {
    machineByMac(mac: Mac): Machine | undefined
    listed(): Iterable<{ namespace: string; name: string; macs: readonly Mac[] }>
    hardware(namespace: string, name: string): Hardware | undefined
    workflowsForHardware(namespace: string, name: string): readonly Workflow[]
  }
  /** what of the server a boot depends on, as it is now */
  server(): Promise<Omit<ServerState, 'dhcpHeardAt'>>
}

export type Clinic = {
  /** @param macs one, or all of a Hardware */
  diagnose(macs: readonly Mac[], hardware: string | null): Promise<Diagnosis>
  unknown(): UnknownMachine[]
}

/** Gathers what a diagnosis depends on. */
export function createClinic({ clock, timeline, lookup, server }: Deps): Clinic {
  let dhcpHeardAt = lastDhcp(timeline)
  timeline.subscribe(undefined, (_mac, { stage, lastAt }) => {
    if (stage.startsWith('dhcp-')) dhcpHeardAt = lastAt
  })
  const unknown = () => unknownMachines({ timeline, lookup })

  async function caseOf(macs: readonly Mac[], title: string | null): Promise<Case> {
    const [namespace = '', name = ''] = (title ?? '').split('/')
    const hardware = title === null ? undefined : lookup.hardware(namespace, name)
    const machines = hardware ? machinesOf(hardware).filter(({ mac }) => macs.includes(mac)) : []
    const isLone = macs.every((mac) => timeline.entries(mac).length === 0) || machines.length === 0
    const strangers = isLone
      ? unknown().filter(({ mac }) => hardware !== undefined || macs.includes(mac))
      : []
    return {
      now: clock.now(),
      macs,
      seen: macs
        .flatMap((mac) => timeline.entries(mac).map((entry): Seen => ({ ...entry, mac })))
        .toSorted((a, b) => a.at - b.at),
      hardware,
      machines,
      workflows: hardware ? lookup.workflowsForHardware(namespace, name) : [],
      inventory: machines.length === 0 ? inventory(strangers) : [],
      strangers,
      server: { ...(await server()), ...(dhcpHeardAt !== undefined && { dhcpHeardAt }) },
    }
  }

  /** UUIDs are looked for only where they can tell something: a timeline for each machine is much to read. */
  function inventory(strangers: readonly UnknownMachine[]): Listed[] {
    const isTold = strangers.some(({ uuid }) => uuid !== undefined)
    return [...lookup.listed()].flatMap(({ namespace, name, macs }) =>
      macs.map((mac) => {
        const uuid = isTold ? uuidOf(timeline.entries(mac)) : undefined
        return { mac, hardware: `${namespace}/${name}`, ...(uuid !== undefined && { uuid }) }
      }),
    )
  }

  return { diagnose: async (macs, hardware) => diagnose(await caseOf(macs, hardware)), unknown }
}

/** machines heard last that are looked at for what earlier runs heard */
const recent = 100

function lastDhcp({ macs, entries }: Deps['timeline']): number | undefined {
  const heard = macs()
    .slice(-recent)
    .flatMap((mac) =>
      entries(mac).flatMap(({ stage, lastAt }) => (stage.startsWith('dhcp-') ? [lastAt] : [])),
    )
  return heard.length > 0 ? Math.max(...heard) : undefined
}

function uuidOf(entries: readonly TimelineEntry[]): string | undefined {
  const named = entries.findLast(({ facts }) => typeof facts['uuid'] === 'string')
  return named && String(named.facts['uuid'])
}
