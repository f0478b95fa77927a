import { Type } from 'typebox'
import type { Static } from 'typebox'
import { BmcAction } from './bmc-action.ts'
import { BmcCondition } from './bmc-condition.ts'
import { list, required, text } from './field.ts'
import type { KubeObject } from './object.ts'

/** Job.spec (bmc.tinkerbell.org/v1alpha1): what the BMC of one machine is to do, in order. */
export const BmcJobSpec = Type.Object(
  {
    machineRef: Type.Optional(
      Type.Object(
        { name: required.text('Its name.'), namespace: text('Its namespace. Default: that of the Job.') },
        { description: 'The Machine whose BMC is to act.' },
      ),
    ),
    tasks: list('What to do, in this order; the first failure ends the Job.', BmcAction),
  },
  { description: 'What to do on which Machine.' },
)

/** Job.status: conditions Running, Completed, Failed with status "True" or "False"; times RFC 3339. */
export const BmcJobStatus = Type.Object(
  {
    conditions: list('Running, Completed or Failed.', BmcCondition),
    startTime: text('When it began.'),
    completionTime: text('When it ended.'),
  },
  { description: 'How far it has come.' },
)

export type BmcJobSpec = Static<typeof BmcJobSpec>
export type BmcJobStatus = Static<typeof BmcJobStatus>
export type BmcJob = KubeObject<BmcJobSpec, BmcJobStatus>
