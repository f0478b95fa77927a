import type { Logger } from '../log.ts'
import { isCode } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { Ip4 } from '../model/ip4.ts'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import { machinesOf } from '../model/machine.ts'
import type { Machine } from '../model/machine.ts'
import type { KubeObject } from '../model/object.ts'
import { isLive } from '../model/workflow.ts'
import type { Workflow } from '../model/workflow.ts'
import { compareAge, createClaims, titleOf } from './claims.ts'
import type { Claim, Claims } from './claims.ts'
import type { Change, Store } from './store.ts'

/** What packets and agents ask, answered from memory. Objects are shared: they must not be changed. */
export type Lookup = {
  machineByMac(mac: Mac): Machine | undefined
  machineByIp(ip: Ip4): Machine | undefined
  /** @param agentId `spec.agentID` of a Hardware, else one of its MACs, in any spelling */
  machineByAgent(agentId: string): Machine | undefined
  hardware(namespace: string, name: string): Hardware | undefined
  /** every Hardware, in no particular order; it may change while it is walked through */
  allHardware(): Iterable<Hardware>
  /** Workflows not yet ended with this `status.agentID`, oldest first */
  workflowsForAgent(agentId: string): Workflow[]
  /** all Workflows of this namespace with this `spec.hardwareRef`, oldest first */
  workflowsForHardware(namespace: string, name: string): Workflow[]
  /** whether it is in step with the store */
  ready(): boolean
}

/** The side of a lookup that is fed. */
export type LookupFeed = Lookup & {
  /** forgets everything and starts from these */
  reset(objects: readonly KubeObject[]): void
  apply(change: Change): void
  setReady(ready: boolean): void
}

export type LookupDeps = {
  store: Pick<Store, 'list' | 'watch'>
  lookup: LookupFeed
  log: Pick<Logger, 'info'>
}

type Index = ReturnType<typeof createIndex>

/** @param log hears of Hardware that claims the MAC, IP or agent id of an older one */
export function createLookup(log?: Pick<Logger, 'warn'>): LookupFeed {
  let index = createIndex(log)
  let inStep = false

  return {
    machineByMac: (mac) => machineOf(index.macs.winner(mac)),
    machineByIp: (ip) => machineOf(index.ips.winner(ip)),
    machineByAgent: (agentId) => machineOf(index.agents.winner(spelled(agentId))),
    hardware: (namespace, name) => index.hardware.get(`${namespace}/${name}`),
    allHardware: () => index.hardware.values(),
    workflowsForAgent: (agentId) => index.byAgent.get(spelled(agentId)),
    workflowsForHardware: (namespace, name) => index.byHardware.get(`${namespace}/${name}`),
    ready: () => inStep,
    reset(objects) {
      const next = createIndex(log)
      for (const object of objects) put(next, object)
      index = next
    },
    apply(change) {
      if (change.type === 'put') put(index, change.object)
      if (change.type === 'delete') remove(index, change.object)
    },
    setReady(ready) {
      inStep = ready
    },
  }
}

/**
 * Keeps `lookup` in step with `store`: lists, then watches; lists again when the watch has expired. Until the new list
 * is caught up with, the old answers stand, but the lookup does not call itself ready.
 */
export async function runLookup(deps: LookupDeps, signal: AbortSignal): Promise<void> {
  try {
    while (!signal.aborted) await listAndWatch(deps, signal)
  } finally {
    deps.lookup.setReady(false)
  }
}

async function listAndWatch({ store, lookup, log }: LookupDeps, signal: AbortSignal): Promise<void> {
  const hardware = await store.list('Hardware')
  const workflows = await store.list('Workflow')
  lookup.reset([...hardware.items, ...workflows.items])
  try {
    // Changes between the two lists come again; the index holds the newest state once `synced` is through.
    for await (const change of store.watch(hardware.version, signal)) {
      if (change.type === 'synced') lookup.setReady(true)
      else lookup.apply(change)
    }
  } catch (error) {
    if (!isCode(error, 'Expired')) throw error
    lookup.setReady(false)
    log.info({ why: error.message }, 'lookup lists again')
  }
}

function createIndex(log: Pick<Logger, 'warn'> | undefined) {
  const claims = (what: string) =>
    createClaims((key, winner, loser) =>
      log?.warn(
        { [what]: key, winner: titleOf(winner), loser: titleOf(loser) },
        `${what} claimed twice: the older hardware has it`,
      ),
    )
  return {
    log,
    hardware: new Map<string, Hardware>(),
    workflows: new Map<string, Workflow>(),
    macs: claims('mac'),
    ips: claims('ip'),
    agents: claims('agentId'),
    byAgent: createGroups(),
    byHardware: createGroups(),
  }
}

function put(index: Index, object: KubeObject): void {
  if (object.kind === 'Hardware') putHardware(index, object as Hardware)
  if (object.kind === 'Workflow') putWorkflow(index, object as Workflow)
}

function remove(index: Index, object: KubeObject): void {
  if (object.kind === 'Hardware') removeHardware(index, object as Hardware)
  if (object.kind === 'Workflow') removeWorkflow(index, object as Workflow)
}

function putHardware(index: Index, hardware: Hardware): void {
  const title = titleOf(hardware)
  const before = index.hardware.get(title)
  index.hardware.set(title, hardware)
  const claims = claimsOf(index, hardware)
  for (const { table, key } of before ? claimsOf(index, before) : []) {
    if (!claims.some((claim) => claim.table === table && claim.key === key)) table.remove(key, hardware)
  }
  for (const { table, key, claim } of claims) table.add(key, claim)
}

function removeHardware(index: Index, hardware: Hardware): void {
  const before = index.hardware.get(titleOf(hardware))
  if (!before) return
  index.hardware.delete(titleOf(hardware))
  for (const { table, key } of claimsOf(index, before)) table.remove(key, before)
}

/** Made when they are asked for: of a large inventory few machines are. */
const made = new WeakMap<Hardware, readonly Machine[]>()

function machineOf(claim: Claim | undefined): Machine | undefined {
  if (!claim) return undefined
  const { hardware, nic } = claim
  const machines = made.get(hardware) ?? machinesOf(hardware)
  made.set(hardware, machines)
  return machines[nic]
}

/** Every key that `hardware` claims, once; of its own interfaces with the same key the first counts. */
function claimsOf(index: Index, hardware: Hardware): { table: Claims; key: string; claim: Claim }[] {
  const found: { table: Claims; key: string; claim: Claim }[] = []
  const put = (table: Claims, key: string | undefined, claim: Claim) => {
    if (key && !found.some((known) => known.table === table && known.key === key))
      found.push({ table, key, claim })
  }
  for (const [nic, machine] of parsed(index, hardware).entries()) {
    const claim = { hardware, nic }
    put(index.macs, machine.mac, claim)
    put(index.ips, machine.ip, claim)
    put(index.agents, machine.agentId === machine.mac ? machine.mac : spelled(machine.agentId), claim)
  }
  return found
}

/** A Hardware that no schema would admit must not stop the others from booting. */
function parsed({ log }: Index, hardware: Hardware): Machine[] {
  try {
    return machinesOf(hardware)
  } catch (error) {
    log?.warn(
      { hardware: titleOf(hardware), err: error },
      'hardware cannot be read: its machines are unknown',
    )
    return []
  }
}

function putWorkflow(index: Index, workflow: Workflow): void {
  removeWorkflow(index, workflow)
  index.workflows.set(titleOf(workflow), workflow)
  const agentId = workflow.status?.agentID
  if (agentId && isLive(workflow)) index.byAgent.add(spelled(agentId), workflow)
  const hardware = workflow.spec?.hardwareRef
  if (hardware) index.byHardware.add(`${workflow.metadata.namespace}/${hardware}`, workflow)
}

function removeWorkflow(index: Index, workflow: Workflow): void {
  const before = index.workflows.get(titleOf(workflow))
  if (!before) return
  index.workflows.delete(titleOf(before))
  index.byAgent.remove(spelled(before.status?.agentID ?? ''), before)
  index.byHardware.remove(`${before.metadata.namespace}/${before.spec?.hardwareRef}`, before)
}

/** Workflows by a key that several may share. */
function createGroups() {
  const groups = new Map<string, Map<string, Workflow>>()
  return {
    get: (key: string) => [...(groups.get(key)?.values() ?? [])].sort(compareAge),
    add(key: string, workflow: Workflow) {
      const group = groups.get(key) ?? new Map<string, Workflow>()
      groups.set(key, group.set(titleOf(workflow), workflow))
    },
    remove(key: string, workflow: Workflow) {
      const group = groups.get(key)
      group?.delete(titleOf(workflow))
      if (group?.size === 0) groups.delete(key)
    },
  }
}

/** One spelling of an agent id: MACs are told in many, other names as they are. */
function spelled(agentId: string): string {
  return parseMac(String(agentId)) ?? String(agentId)
}
