import type { Logger } from '../log.ts'
import { isCode } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { KubeObject } from '../model/object.ts'
import type { Workflow } from '../model/workflow.ts'
import { titleOf } from './claims.ts'
import { createHardwareIndex } from './hardware-index.ts'
import type { HardwareIndex, Shelf } from './hardware-index.ts'
import { pagesOf } from './pages.ts'
import type { Change, Store } from './store.ts'
import { createWorkflowIndex } from './workflow-index.ts'
import type { WorkflowIndex } from './workflow-index.ts'

export type { Shelf } from './hardware-index.ts'

/** A Hardware by name, with the MACs of its interfaces. */
export type Listed = { namespace: string; name: string; macs: readonly Mac[] }

/** What packets and agents ask, answered at once. Objects are shared: they must not be changed. */
export type Lookup = {
  machineByMac(mac: Mac): Machine | undefined
  machineByIp(ip: Ip4): Machine | undefined
  /** @param agentId `spec.agentID` of a Hardware, else one of its MACs, in any spelling */
  machineByAgent(agentId: string): Machine | undefined
  hardware(namespace: string, name: string): Hardware | undefined
  /** every Hardware with this `metadata.instance.id` */
  hardwareByInstance(id: string): Hardware[]
  /** every Hardware whole, in no particular order; it may change while it is walked through */
  allHardware(): Iterable<Hardware>
  /** the same by name and MACs, which is quick */
  listed(): Iterable<Listed>
  /** Workflows not yet ended with this `status.agentID`, oldest first */
  workflowsForAgent(agentId: string): Workflow[]
  /** all Workflows of this namespace with this `spec.hardwareRef`, oldest first */
  workflowsForHardware(namespace: string, name: string): Workflow[]
  /** whether it is in step with the store */
  ready(): boolean
}

/** The side of a lookup that is fed. */
export type LookupFeed = Lookup & {
  /** begins a new state of affairs, made of what is put in; it counts when it is `done` */
  refill(): Refill
  apply(change: Change): void
  setReady(ready: boolean): void
}

export type Refill = { put(objects: readonly KubeObject[]): void; done(): void }

export type LookupDeps = {
  store: Pick<Store, 'list' | 'page' | 'watch'>
  lookup: LookupFeed
  log: Pick<Logger, 'info'>
}

export type LookupOptions = {
  /** hears of Hardware that claims the MAC, IP or agent id of an older one */
  log?: Pick<Logger, 'warn'>
  /** where the store has its Hardware; without it the lookup keeps what it is fed */
  shelf?: Shelf
}

/** What is known: `kept` is there when no shelf is. */
type Index = {
  kept: Map<string, Hardware> | undefined
  hardware: HardwareIndex
  workflows: WorkflowIndex
  shelf: Shelf
}

export function createLookup({ log, shelf }: LookupOptions = {}): LookupFeed {
  const create = () => createIndex(shelf, log)
  let index = create()
  let inStep = false

  return {
    machineByMac: (mac) => index.hardware.byMac(mac),
    machineByIp: (ip) => index.hardware.byIp(ip),
    machineByAgent: (agentId) => index.hardware.byAgent(String(agentId)),
    hardware: (namespace, name) =>
      index.hardware.has(namespace, name) ? index.shelf.get(namespace, name) : undefined,
    hardwareByInstance: (id) => index.hardware.byInstance(id),
    allHardware: () => index.shelf.all(),
    listed: () => index.hardware.all(),
    workflowsForAgent: (agentId) => index.workflows.ofAgent(agentId),
    workflowsForHardware: (namespace, name) => index.workflows.ofHardware(namespace, name),
    ready: () => inStep,
    refill() {
      const next = create()
      return {
        put: (objects) => objects.forEach((object) => put(next, object)),
        done: () => void (index = next),
      }
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
  try {
    const since = await refill(store, lookup)
    // Changes between the two lists come again; the index holds the newest state once `synced` is through.
    for await (const change of store.watch(since, signal)) {
      if (change.type === 'synced') lookup.setReady(true)
      else lookup.apply(change)
    }
  } catch (error) {
    if (!isCode(error, 'Expired')) throw error
    lookup.setReady(false)
    log.info({ why: error.message }, 'lookup lists again')
  }
}

/** @returns the version of the Hardware */
async function refill(store: LookupDeps['store'], lookup: LookupFeed): Promise<number> {
  const next = lookup.refill()
  let since = 0
  for await (const { items, version } of pagesOf(store, 'Hardware')) {
    next.put(items)
    since = version
  }
  next.put((await store.list('Workflow')).items)
  next.done()
  return since
}

function createIndex(given: Shelf | undefined, log: LookupOptions['log']): Index {
  const kept = given ? undefined : new Map<string, Hardware>()
  const shelf = given ?? {
    get: (namespace, name) => kept!.get(titleOf({ namespace, name })),
    all: () => kept!.values(),
  }
  return { kept, shelf, hardware: createHardwareIndex(shelf, log), workflows: createWorkflowIndex() }
}

function put({ kept, hardware, workflows }: Index, object: KubeObject): void {
  if (object.kind === 'Hardware') {
    kept?.set(titleOf(object.metadata), object as Hardware)
    hardware.put(object as Hardware)
  }
  if (object.kind === 'Workflow') workflows.put(object as Workflow)
}

function remove({ kept, hardware, workflows }: Index, object: KubeObject): void {
  if (object.kind === 'Hardware') {
    kept?.delete(titleOf(object.metadata))
    hardware.remove(object as Hardware)
  }
  if (object.kind === 'Workflow') workflows.remove(object as Workflow)
}
