import type { TSchema } from 'typebox'
import { HardwareSpec, HardwareStatus } from './hardware.ts'
import { TemplateSpec, TemplateStatus } from './template.ts'
import { WorkflowSpec, WorkflowStatus } from './workflow.ts'

/** One column of `kubectl get` (CRD additionalPrinterColumns): `path` is a dotted path from the object's root. */
export type Column = { name: string; path: string; priority: 0 | 1 }

/** One served resource: its names (contract: tinkerbell.org CRDs) and its schemas. */
export type KindInfo = {
  kind: string
  group: string
  version: string
  plural: string
  singular: string
  shortNames: readonly string[]
  categories: readonly string[]
  spec: TSchema
  status: TSchema
  columns: readonly Column[]
}

const tinkerbell = { group: 'tinkerbell.org', version: 'v1alpha1', categories: ['tinkerbell'] } as const
const state: Column = { name: 'State', path: 'status.state', priority: 0 }

export const kinds = {
  Hardware: {
    ...tinkerbell,
    kind: 'Hardware',
    plural: 'hardware',
    singular: 'hardware',
    shortNames: ['hw'],
    spec: HardwareSpec,
    status: HardwareStatus,
    columns: [state],
  },
  Template: {
    ...tinkerbell,
    kind: 'Template',
    plural: 'templates',
    singular: 'template',
    shortNames: ['tpl'],
    spec: TemplateSpec,
    status: TemplateStatus,
    columns: [state],
  },
  Workflow: {
    ...tinkerbell,
    kind: 'Workflow',
    plural: 'workflows',
    singular: 'workflow',
    shortNames: ['wf'],
    spec: WorkflowSpec,
    status: WorkflowStatus,
    columns: [
      { name: 'Template', path: 'spec.templateRef', priority: 0 },
      state,
      { name: 'Task', path: 'status.currentState.taskName', priority: 1 },
      { name: 'Action', path: 'status.currentState.actionName', priority: 0 },
      { name: 'Agent', path: 'status.currentState.agentID', priority: 0 },
      { name: 'Hardware', path: 'spec.hardwareRef', priority: 0 },
      { name: 'Template-Rendering', path: 'status.templateRendering', priority: 1 },
    ],
  },
} as const satisfies Record<string, KindInfo>

export type KindName = keyof typeof kinds

export const apiVersionOf = (kind: KindName): string => `${kinds[kind].group}/${kinds[kind].version}`
