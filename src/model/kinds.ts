import type { TSchema } from 'typebox'
import { BmcJobSpec, BmcJobStatus } from './bmc-job.ts'
import { BmcMachineSpec, BmcMachineStatus } from './bmc-machine.ts'
import { BmcTaskSpec, BmcTaskStatus } from './bmc-task.ts'
import { age, name } from './column.ts'
import type { Column } from './column.ts'
import { eventColumns, eventFields } from './event.ts'
import { HardwareSpec, HardwareStatus } from './hardware.ts'
import { namespaceFields } from './namespace.ts'
import { optional } from './object.ts'
import { secretColumns, secretFields } from './secret.ts'
import { TemplateSpec, TemplateStatus } from './template.ts'
import { WorkflowRuleSetSpec, WorkflowRuleSetStatus } from './workflow-rule-set.ts'
import { WorkflowSpec, WorkflowStatus } from './workflow.ts'

/** One served resource: its names (contract: tinkerbell.org CRDs and core/v1), its schemas, its columns. */
export type KindInfo = {
  kind: string
  /** empty for the core group, which is served below `/api` */
  group: string
  version: string
  plural: string
  singular: string
  shortNames: readonly string[]
  categories: readonly string[]
  /** false: its objects are in no namespace, and their `metadata.namespace` is empty */
  namespaced: boolean
  /** whether `status` is a subresource: written only through `…/status` */
  hasStatus: boolean
  description: string
  /** schemas of the fields beside apiVersion, kind and metadata; none is required */
  fields: Readonly<Record<string, TSchema>>
  /** the whole table of `kubectl get` */
  columns: readonly Column[]
}

const inNamespace = { namespaced: true, hasStatus: true } as const
const tinkerbell = {
  ...inNamespace,
  group: 'tinkerbell.org',
  version: 'v1alpha1',
  categories: ['tinkerbell'],
} as const
const bmc = { ...tinkerbell, group: 'bmc.tinkerbell.org', columns: [name, age] } as const
const core = { group: '', version: 'v1', categories: [], hasStatus: false, namespaced: true } as const
const state: Column = { name: 'State', from: 'status.state', priority: 0 }
const parts = (spec: TSchema, status: TSchema) => ({ spec: optional(spec), status: optional(status) })

export const kinds = {
  Hardware: {
    ...tinkerbell,
    kind: 'Hardware',
    plural: 'hardware',
    singular: 'hardware',
    shortNames: ['hw'],
    description: 'One machine: its interfaces and addresses, its disks, how it boots, and its metadata.',
    fields: parts(HardwareSpec, HardwareStatus),
    columns: [name, state, age],
  },
  Template: {
    ...tinkerbell,
    kind: 'Template',
    plural: 'templates',
    singular: 'template',
    shortNames: ['tpl'],
    description: 'The text from which the actions of a Workflow are rendered.',
    fields: parts(TemplateSpec, TemplateStatus),
    columns: [name, state, age],
  },
  Workflow: {
    ...tinkerbell,
    kind: 'Workflow',
    plural: 'workflows',
    singular: 'workflow',
    shortNames: ['wf'],
    description: 'One run of a Template on a Hardware.',
    fields: parts(WorkflowSpec, WorkflowStatus),
    columns: [
      name,
      { name: 'Template', from: 'spec.templateRef', priority: 0 },
      state,
      { name: 'Task', from: 'status.currentState.taskName', priority: 1 },
      { name: 'Action', from: 'status.currentState.actionName', priority: 0 },
      { name: 'Agent', from: 'status.currentState.agentID', priority: 0 },
      { name: 'Hardware', from: 'spec.hardwareRef', priority: 0 },
      { name: 'Template-Rendering', from: 'status.templateRendering', priority: 1 },
      // Filled by the server: it depends on other Workflows.
      { name: 'Queue', from: () => undefined, priority: 1 },
      age,
    ],
  },
  WorkflowRuleSet: {
    ...tinkerbell,
    kind: 'WorkflowRuleSet',
    plural: 'workflowrulesets',
    singular: 'workflowruleset',
    shortNames: ['wrs'],
    description: 'Rules that choose a Workflow for machines that nobody has described yet.',
    fields: parts(WorkflowRuleSetSpec, WorkflowRuleSetStatus),
    columns: [name, age],
  },
  Machine: {
    ...bmc,
    kind: 'Machine',
    plural: 'machines',
    singular: 'machine',
    shortNames: [],
    description: 'The baseboard management controller (BMC) of a machine and how to reach it.',
    fields: parts(BmcMachineSpec, BmcMachineStatus),
  },
  Job: {
    ...bmc,
    kind: 'Job',
    plural: 'jobs',
    singular: 'job',
    shortNames: ['j'],
    description: 'Things that a BMC is to do, one after the other.',
    fields: parts(BmcJobSpec, BmcJobStatus),
  },
  Task: {
    ...bmc,
    kind: 'Task',
    plural: 'tasks',
    singular: 'task',
    shortNames: ['t'],
    description: 'One thing that a BMC is to do; a Job makes one for each of its tasks.',
    fields: parts(BmcTaskSpec, BmcTaskStatus),
  },
  Secret: {
    ...core,
    kind: 'Secret',
    plural: 'secrets',
    singular: 'secret',
    shortNames: [],
    description: 'Secret values, such as the user and password of a BMC.',
    fields: secretFields,
    columns: [name, ...secretColumns, age],
  },
  Namespace: {
    ...core,
    kind: 'Namespace',
    plural: 'namespaces',
    singular: 'namespace',
    shortNames: ['ns'],
    namespaced: false,
    hasStatus: true,
    description: 'A scope for the names of objects.',
    fields: namespaceFields,
    columns: [name, { name: 'Status', from: 'status.phase', priority: 0 }, age],
  },
  Event: {
    ...core,
    kind: 'Event',
    plural: 'events',
    singular: 'event',
    shortNames: ['ev'],
    description: 'Something that happened to an object.',
    fields: eventFields,
    columns: eventColumns,
  },
} as const satisfies Record<string, KindInfo>

export type KindName = keyof typeof kinds

type Grouped = Pick<KindInfo, 'group' | 'version'>

/** `group/version`, or the version alone for the core group. */
export const groupVersionOf = ({ group, version }: Grouped): string =>
  group === '' ? version : `${group}/${version}`

/** `/apis/group/version`, or `/api/version` for the core group. */
export const basePathOf = ({ group, version }: Grouped): string =>
  group === '' ? `/api/${version}` : `/apis/${group}/${version}`

/** `plural.group`, or the plural alone for the core group, as messages name a resource. */
export const resourceNameOf = ({ group, plural }: Pick<KindInfo, 'group' | 'plural'>): string =>
  group === '' ? plural : `${plural}.${group}`

export const apiVersionOf = (kind: KindName): string => groupVersionOf(kinds[kind])
