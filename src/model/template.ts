import { Type } from 'typebox'
import type { Static } from 'typebox'
import { text } from './field.ts'
import type { KubeObject } from './object.ts'

/** Template (tinkerbell.org/v1alpha1): `data` is the text of a workflow document, a Go text/template that yields YAML. */
export const TemplateSpec = Type.Object(
  { data: text('A workflow document: a Go text/template that yields YAML with tasks and their actions.') },
  { description: 'The document.' },
)
export const TemplateStatus = Type.Object(
  { state: text('`Ready` or `Error`.') },
  { description: 'Whether the document can be used.' },
)

export type TemplateSpec = Static<typeof TemplateSpec>
export type TemplateStatus = Static<typeof TemplateStatus>
export type Template = KubeObject<TemplateSpec, TemplateStatus>
