import type { Logger } from '../log.ts'
import type { Hardware } from '../model/hardware.ts'
import { ip4ToNumber, parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import { macFromNumber, macToNumber, parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import { machinesOf } from '../model/machine.ts'
import type { Machine } from '../model/machine.ts'
import { createManyKeys } from '../model/many-keys.ts'
import { compareAge, createClaims, titleOf } from './claims.ts'
import type { Dated } from './claims.ts'
import { createRecent } from './recent.ts'

/** Where whole Hardware is, so that the index need not keep it. Objects are shared: they must not be changed. */
export type Shelf = {
  get(namespace: string, name: string): Hardware | undefined
  /** in no particular order; it may change while it is walked through */
  all(): Iterable<Hardware>
}

/** What is kept of a Hardware: what it is found by. */
type Entry = Dated & {
  /** of each interface with a MAC, that and its address, once; as numbers, which take little room */
  keys: readonly number[]
  /** `spec.agentID` */
  agent: string | undefined
  /** `metadata.instance.id`, unless that is one of its MACs */
  instance: string | undefined
}

/** Machines that are held ready: those that were asked for last. */
const mostReady = 16_384

/** Behind the numbers of all MACs, which have 48 bits. */
const firstIp = 2 ** 48
const macKey = macToNumber
const ipKey = (ip: Ip4): number => firstIp + ip4ToNumber(ip)

export type HardwareIndex = ReturnType<typeof createHardwareIndex>

/**
 * Hardware by what machines say of themselves. It takes some 300 bytes for each; the machines themselves are made when
 * they are asked for: of a large inventory few are.
 */
export function createHardwareIndex(shelf: Shelf, log: Pick<Logger, 'warn'> | undefined) {
  const names = createManyKeys<string, Entry>()
  const interned = createInterner()
  const ready = createRecent<Entry, readonly Machine[]>(mostReady)
  const reportTwice = (what: string, key: string, winner: Entry, loser: Entry) =>
    log?.warn(
      { [what]: key, winner: titleOf(winner), loser: titleOf(loser) },
      `${what} claimed twice: the older hardware has it`,
    )
  const addresses = createClaims<number, Entry>((key, winner, loser) => {
    if (key >= firstIp) return reportTwice('ip', ipOf(key), winner, loser)
    const mac = macFromNumber(key)
    reportTwice('mac', mac, winner, loser)
    if (!winner.agent && !loser.agent) reportTwice('agentId', mac, winner, loser)
  })
  const agents = createClaims<string, Entry>((id, winner, loser) => reportTwice('agentId', id, winner, loser))
  const instances = createClaims<string, Entry>(() => {})

  function add(entry: Entry) {
    names.set(titleOf(entry), entry)
    for (const key of entry.keys) addresses.add(key, entry)
    if (entry.agent !== undefined) agents.add(entry.agent, entry)
    if (entry.instance !== undefined) instances.add(entry.instance, entry)
  }

  function drop(before: Entry, after: Entry | undefined) {
    for (const key of before.keys) if (!after?.keys.includes(key)) addresses.remove(key, before)
    if (before.agent !== undefined && before.agent !== after?.agent) agents.remove(before.agent, before)
    if (before.instance !== undefined && before.instance !== after?.instance)
      instances.remove(before.instance, before)
  }

  function machines(entry: Entry): readonly Machine[] {
    const known = ready.get(entry)
    if (known) return known
    const made = read(entry)
    ready.set(entry, made)
    return made
  }

  /** A Hardware that no schema would admit must not stop the others from booting. */
  function read(entry: Entry): readonly Machine[] {
    const hardware = shelf.get(entry.namespace, entry.name)
    try {
      return hardware ? machinesOf(hardware) : []
    } catch (err) {
      log?.warn({ hardware: titleOf(entry), err }, 'hardware cannot be read: its machines are unknown')
      return []
    }
  }

  /** The shelf may be ahead of the index: a claim counts when the Hardware still has what it claims. */
  function machineWith(key: number, field: 'mac' | 'ip', value: Mac | Ip4): Machine | undefined {
    // Every packet passes here: no list for the usual case of one claim that holds.
    const oldest = addresses.first(key)
    const machine = oldest && withField(machines(oldest), field, value)
    if (machine || !oldest) return machine
    for (const entry of addresses.all(key)) {
      const other = withField(machines(entry), field, value)
      if (other) return other
    }
    return undefined
  }

  return {
    put(hardware: Hardware) {
      const title = titleOf(hardware.metadata)
      const before = names.get(title)
      const entry = entryOf(hardware, interned)
      if (before) drop(before, entry)
      add(entry)
    },
    remove({ metadata }: Hardware) {
      const before = names.get(titleOf(metadata))
      if (!before) return
      names.delete(titleOf(metadata))
      drop(before, undefined)
    },
    byMac: (mac: Mac) => machineWith(macKey(mac), 'mac', mac),
    byIp: (ip: Ip4) => machineWith(ipKey(ip), 'ip', ip),
    byAgent(id: string): Machine | undefined {
      const mac = parseMac(id)
      const named = agents.all(mac ?? id)
      const unnamed = mac ? addresses.all(macKey(mac)).filter(({ agent }) => agent === undefined) : []
      for (const entry of [...named, ...unnamed].sort(compareAge)) {
        const machine = machines(entry).find(({ agentId }) => (parseMac(agentId) ?? agentId) === (mac ?? id))
        if (machine) return machine
      }
      return undefined
    },
    byInstance(id: string): Hardware[] {
      const mac = parseMac(id)
      const entries = new Set([...instances.all(id), ...(mac ? addresses.all(macKey(mac)) : [])])
      const found = [...entries].map(({ namespace, name }) => shelf.get(namespace, name))
      return found.filter((hardware) => hardware?.spec?.metadata?.instance?.id === id) as Hardware[]
    },
    has: (namespace: string, name: string) => names.get(titleOf({ namespace, name })) !== undefined,
    *all() {
      for (const { namespace, name, keys } of names.values())
        yield { namespace, name, macs: keys.filter((key) => key < firstIp).map(macFromNumber) }
    },
  }
}

function withField(machines: readonly Machine[], field: 'mac' | 'ip', value: Mac | Ip4): Machine | undefined {
  for (const machine of machines) if (machine[field] === value) return machine
  return undefined
}

const ipOf = (key: number): string => {
  const number = key - firstIp
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.')
}

function entryOf({ metadata, spec }: Hardware, interned: (text: string) => string): Entry {
  const keys: number[] = []
  const add = (key: number) => keys.includes(key) || keys.push(key)
  const macs: Mac[] = []
  for (const nic of Array.isArray(spec?.interfaces) ? spec.interfaces : []) {
    const mac = parseMac(String(nic?.dhcp?.mac ?? ''))
    if (!mac) continue
    macs.push(mac)
    add(macKey(mac))
    const ip = parseIp4(String(nic.dhcp?.ip?.address ?? ''))
    if (ip) add(ipKey(ip))
  }
  const agent = spec?.agentID === undefined ? undefined : String(spec.agentID)
  const instance = spec?.metadata?.instance?.id
  const isMac = macs.some((mac) => mac === parseMac(String(instance)))
  return {
    namespace: interned(metadata.namespace),
    name: metadata.name,
    created: interned(metadata.creationTimestamp),
    keys,
    agent: agent === undefined ? undefined : (parseMac(agent) ?? agent),
    instance: instance === undefined || isMac ? undefined : String(instance),
  }
}

/** Gives the same text for equal texts that come in runs, so that many entries share it. */
function createInterner(): (text: string) => string {
  const last = new Map<string, string>()
  return (text) => {
    const known = last.get(text)
    if (known !== undefined) return known
    if (last.size >= 100) last.clear()
    last.set(text, text)
    return text
  }
}
