import { parseMac } from '../model/mac.ts'
import { isLive } from '../model/workflow.ts'
import type { Workflow } from '../model/workflow.ts'
import { compareAge, titleOf } from './claims.ts'

export type WorkflowIndex = ReturnType<typeof createWorkflowIndex>

/** Workflows by agent and by Hardware. */
export function createWorkflowIndex() {
  const workflows = new Map<string, Workflow>()
  const byAgent = createGroups()
  const byHardware = createGroups()

  function remove({ metadata }: Workflow): void {
    const before = workflows.get(titleOf(metadata))
    if (!before) return
    workflows.delete(titleOf(metadata))
    byAgent.remove(spelled(before.status?.agentID ?? ''), before)
    byHardware.remove(`${metadata.namespace}/${before.spec?.hardwareRef}`, before)
  }

  return {
    remove,
    put(workflow: Workflow): void {
      remove(workflow)
      workflows.set(titleOf(workflow.metadata), workflow)
      const agentId = workflow.status?.agentID
      if (agentId && isLive(workflow)) byAgent.add(spelled(agentId), workflow)
      const hardware = workflow.spec?.hardwareRef
      if (hardware) byHardware.add(`${workflow.metadata.namespace}/${hardware}`, workflow)
    },
    ofAgent: (agentId: string) => byAgent.get(spelled(agentId)),
    ofHardware: (namespace: string, name: string) => byHardware.get(`${namespace}/${name}`),
  }
}

/** Workflows by a key that several may share. */
function createGroups() {
  const groups = new Map<string, Map<string, Workflow>>()
  return {
    get: (key: string) => [...(groups.get(key)?.values() ?? [])].sort(older),
    add(key: string, workflow: Workflow) {
      const group = groups.get(key) ?? new Map<string, Workflow>()
      groups.set(key, group.set(titleOf(workflow.metadata), workflow))
    },
    remove(key: string, workflow: Workflow) {
      const group = groups.get(key)
      group?.delete(titleOf(workflow.metadata))
      if (group?.size === 0) groups.delete(key)
    },
  }
}

const older = (a: Workflow, b: Workflow) => compareAge(dated(a), dated(b))

const dated = ({ metadata: { namespace, name, creationTimestamp } }: Workflow) => ({
  namespace,
  name,
  created: creationTimestamp,
})

/** One spelling of an agent id: MACs are told in many, other names as they are. */
const spelled = (agentId: string): string => parseMac(String(agentId)) ?? String(agentId)
