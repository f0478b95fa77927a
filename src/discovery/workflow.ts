import { attributesAnnotation } from '../model/agent-attributes.ts'
import type { Hardware } from '../model/hardware.ts'
import { ownerNameLabel } from '../model/hardware.ts'
import type { NewObject } from '../model/object.ts'
import type { WorkflowRuleSet } from '../model/workflow-rule-set.ts'
import type { WorkflowSpec } from '../model/workflow.ts'
import { nameFor } from './names.ts'

export const enrolledLabel = 'tinkerbell.org/auto-enrollment'

/** Whom a Workflow is made for. `attributesText`: as annotated */
export type Enrollee = { agentId: string; hardware: Hardware; attributesText: string | undefined }

/**
 * The Workflow that `ruleSet` gives a machine. An owner and a Hardware of another namespace are left out: to Kubernetes
 * the one does not exist, and a Workflow looks for the other in its own.
 */
export function enrollmentWorkflow(ruleSet: WorkflowRuleSet, who: Enrollee): NewObject<WorkflowSpec> {
  const { metadata, spec } = ruleSet
  const { template, disabled, addAttributes } = spec?.workflow ?? {}
  const namespace = spec?.workflow?.namespace || metadata.namespace
  const owner = { apiVersion: ruleSet.apiVersion, kind: ruleSet.kind, name: metadata.name, uid: metadata.uid }
  const agent = template?.agentValue ? { [template.agentValue]: who.agentId } : {}
  const annotated = addAttributes === true && who.attributesText !== undefined
  return {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Workflow',
    metadata: {
      namespace,
      name: nameFor('enrollment-', who.agentId),
      labels: { [enrolledLabel]: 'true' },
      ...(annotated && { annotations: { [attributesAnnotation]: who.attributesText! } }),
      ...(namespace === metadata.namespace && { ownerReferences: [owner] }),
    },
    spec: {
      ...(template?.ref && { templateRef: template.ref }),
      ...(disabled !== undefined && { disabled }),
      ...(namespace === who.hardware.metadata.namespace && { hardwareRef: who.hardware.metadata.name }),
      hardwareMap: { ...agent, ...template?.kvs },
    },
  }
}

/** What keeps a machine from being enrolled, whatever rules there are. `workflows`: how many it has, ended or not */
export function whyNotEnrolled(hardware: Hardware | undefined, workflows: number): string | undefined {
  if (!hardware) return 'it is in no Hardware'
  const { metadata, spec } = hardware
  if (metadata.labels?.[ownerNameLabel]) return 'it is owned by a cluster'
  if (spec?.auto?.enrollmentEnabled !== true) return 'spec.auto.enrollmentEnabled of its Hardware is not true'
  return workflows > 0 ? 'it has, or had, a Workflow' : undefined
}
