import { Type } from 'typebox'
import type { Static } from 'typebox'
import { BmcAction } from './bmc-action.ts'
import { BmcCondition } from './bmc-condition.ts'
import { BmcMachineSpec } from './bmc-machine.ts'
import { list, text } from './field.ts'
import type { KubeObject } from './object.ts'

/** Task.spec (bmc.tinkerbell.org/v1alpha1): one action on one BMC. */
export const BmcTaskSpec = Type.Object(
  { task: Type.Optional(BmcAction), connection: BmcMachineSpec.properties.connection },
  { description: 'What to do on which BMC.' },
)

/** Task.status: conditions Completed, Failed; times RFC 3339. */
export const BmcTaskStatus = Type.Object(
  {
    conditions: list('Completed or Failed.', BmcCondition),
    startTime: text('When it began.'),
    completionTime: text('When it ended.'),
  },
  { description: 'How far it has come.' },
)

export type BmcTaskSpec = Static<typeof BmcTaskSpec>
export type BmcTaskStatus = Static<typeof BmcTaskStatus>
export type BmcTask = KubeObject<BmcTaskSpec, BmcTaskStatus>
