import { Type } from 'typebox'
import type { Static } from 'typebox'
import { required, text } from './field.ts'

/** One condition of a Machine, Job or Task; `status` is "True", "False" or "Unknown". */
export const BmcCondition = Type.Object({
  type: required.text('What it is about.'),
  status: required.text('`True`, `False` or `Unknown`.'),
  message: text('What happened, for people.'),
  lastUpdateTime: text('When it was last set (RFC 3339).'),
})

export type BmcCondition = Static<typeof BmcCondition>
