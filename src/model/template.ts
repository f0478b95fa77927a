import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { KubeObject } from './object.ts'

/** Template (tinkerbell.org/v1alpha1): `data` is the text of a workflow document, a Go text/template that yields YAML. */
export const TemplateSpec = Type.Object({ data: Type.Optional(Type.String()) })
export const TemplateStatus = Type.Object({ state: Type.Optional(Type.String()) })

export type TemplateSpec = Static<typeof TemplateSpec>
export type TemplateStatus = Static<typeof TemplateStatus>
export type Template = KubeObject<TemplateSpec, TemplateStatus>
