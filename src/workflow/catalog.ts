import { parseMac } from '../model/mac.ts'
import { isLive } from '../model/workflow.ts'
import type { Workflow } from '../model/workflow.ts'

/** Which Workflow an action belongs to, and whose it is. */
export type ActionOwner = { namespace: string; name: string; uid: string; taskId: string; agentId: string }

/**
 * The Workflows as the engine knows them: exactly as new as its own last write or the change it saw last, so that what
 * it decides is never behind what it did.
 */
export type Catalog = {
  /** @returns whether `workflow` is newer than what was known */
  put(workflow: Workflow): boolean
  /** @param workflow with the version of its deletion */
  remove(workflow: Workflow): void
  /** drops what is known, whatever its version */
  forget(namespace: string, name: string): void
  get(namespace: string, name: string): Workflow | undefined
  all(): Iterable<Workflow>
  live(): Iterable<Workflow>
  /** live ones whose `status.agentID` is one of `names`, oldest first */
  ofAgent(names: Iterable<string>): Workflow[]
  owner(actionId: string): ActionOwner | undefined
  hasUid(uid: string): boolean
}

/** Spelling under which agents are compared: MACs lower case with colons, all else as it is. */
export function agentKey(agentId: string): string {
  return parseMac(agentId) ?? agentId
}

const idOf = ({ metadata }: Workflow) => `${metadata.namespace}/${metadata.name}`

export function createCatalog(): Catalog {
  const all = new Map<string, Workflow>()
  const live = new Map<string, Workflow>()
  const uids = new Set<string>()
  const byAgent = new Map<string, Map<string, Workflow>>()
  const owners = new Map<string, ActionOwner>()

  const dropLive = (known: Workflow) => {
    const id = idOf(known)
    live.delete(id)
    const key = agentKey(known.status?.agentID ?? '')
    const group = byAgent.get(key)
    group?.delete(id)
    if (group?.size === 0) byAgent.delete(key)
  }
  const drop = (known: Workflow) => {
    all.delete(idOf(known))
    uids.delete(known.metadata.uid)
    for (const action of actionsOf(known)) owners.delete(action.id)
    dropLive(known)
  }
  const own = (workflow: Workflow) => {
    const { namespace, name, uid } = workflow.metadata
    uids.add(uid)
    for (const task of workflow.status?.tasks ?? []) {
      const owner = { namespace, name, uid, taskId: task.id, agentId: task.agentID }
      for (const action of task.actions) owners.set(action.id, owner)
    }
  }
  const add = (workflow: Workflow) => {
    const id = idOf(workflow)
    all.set(id, workflow)
    if (!isLive(workflow)) return
    live.set(id, workflow)
    const agentId = workflow.status?.agentID
    if (agentId === undefined) return
    const key = agentKey(agentId)
    byAgent.set(key, (byAgent.get(key) ?? new Map<string, Workflow>()).set(id, workflow))
  }

  return {
    put: (workflow) => {
      const known = all.get(idOf(workflow))
      if (known && versionOf(known) >= versionOf(workflow)) return false
      if (known && hasSameActions(known, workflow)) dropLive(known)
      else {
        if (known) drop(known)
        own(workflow)
      }
      add(workflow)
      return true
    },
    remove: (workflow) => {
      const known = all.get(idOf(workflow))
      if (known && versionOf(known) <= versionOf(workflow)) drop(known)
    },
    forget: (namespace, name) => {
      const known = all.get(`${namespace}/${name}`)
      if (known) drop(known)
    },
    get: (namespace, name) => all.get(`${namespace}/${name}`),
    all: () => all.values(),
    live: () => live.values(),
    ofAgent: (names) => {
      const found = new Map<string, Workflow>()
      for (const name of names)
        for (const [id, workflow] of byAgent.get(agentKey(name)) ?? []) found.set(id, workflow)
      return [...found.values()].sort(byAge)
    },
    owner: (actionId) => owners.get(actionId),
    hasUid: (uid) => uids.has(uid),
  }
}

const actionsOf = (workflow: Workflow) => (workflow.status?.tasks ?? []).flatMap((task) => task.actions)

/** Whether nothing of what `owner` tells has changed. */
function hasSameActions(a: Workflow, b: Workflow): boolean {
  const [left, right] = [a.status?.tasks ?? [], b.status?.tasks ?? []]
  if (a.metadata.uid !== b.metadata.uid || left.length !== right.length) return false
  return left.every((task, index) => {
    const other = right[index]!
    return (
      task.id === other.id &&
      task.agentID === other.agentID &&
      task.actions.length === other.actions.length &&
      task.actions.every(({ id }, place) => id === other.actions[place]!.id)
    )
  })
}

const versionOf = ({ metadata }: Workflow) => Number(metadata.resourceVersion)

function byAge(a: Workflow, b: Workflow): number {
  const [left, right] = [a.metadata.creationTimestamp + idOf(a), b.metadata.creationTimestamp + idOf(b)]
  return left < right ? -1 : left > right ? 1 : 0
}
