import type { Mac } from '../model/mac.ts'
import type { TimelineEntry } from './stage.ts'

/** A machine that was heard and is in no Hardware, and what it said of itself. Times are epoch ms. */
export type UnknownMachine = {
  mac: Mac
  firstSeen: number
  lastSeen: number
  /** how often it asked for an address */
  count: number
  /** DHCP option 60 */
  vendor?: string
  /** DHCP option 93, several separated by commas */
  arch?: string
  /** DHCP option 97 */
  uuid?: string
  serial?: string
  hostname?: string
  /** which program asked: firmware, http, ipxe, os */
  client?: string
  /** address of the relay that it asked through */
  relay?: string
}

/** Where machines are told of, and which of them are known. */
export type UnknownDeps = {
  timeline: { macs(): Mac[]; entries(mac: Mac): readonly TimelineEntry[] }
  lookup: { machineByMac(mac: Mac): unknown }
}

/** machines in one answer */
const most = 1000

/** The unknown machines heard last, newest first. They are told from the timeline: its bounds are theirs. */
export function unknownMachines({ timeline, lookup }: UnknownDeps, limit = most): UnknownMachine[] {
  const found: UnknownMachine[] = []
  for (const mac of timeline.macs().toReversed()) {
    if (found.length === limit) break
    if (!lookup.machineByMac(mac)) found.push(...describeUnknown(mac, timeline.entries(mac)))
  }
  return found.toSorted((a, b) => b.lastSeen - a.lastSeen)
}

const said = ['vendor', 'arch', 'uuid', 'serial', 'hostname', 'client', 'relay'] as const

/** @returns nothing for a MAC of which only other things than DHCP are known */
export function describeUnknown(mac: Mac, entries: readonly TimelineEntry[]): UnknownMachine[] {
  const asked = entries.filter(({ stage }) => stage === 'dhcp-discover' || stage === 'dhcp-request')
  if (asked.length === 0) return []
  const machine: UnknownMachine = {
    mac,
    firstSeen: Math.min(...asked.map(({ at }) => at)),
    lastSeen: Math.max(...asked.map(({ lastAt }) => lastAt)),
    count: asked.reduce((sum, { count }) => sum + count, 0),
  }
  const byTime = asked.toSorted((a, b) => a.lastAt - b.lastAt)
  for (const { facts } of byTime)
    for (const name of said) if (facts[name] !== undefined) machine[name] = String(facts[name])
  return [machine]
}
