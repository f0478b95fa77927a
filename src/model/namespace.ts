import { Type } from 'typebox'
import type { Static } from 'typebox'
import { choice, texts } from './field.ts'
import { optional } from './object.ts'
import type { KubeObject } from './object.ts'

export const NamespaceSpec = Type.Object(
  { finalizers: texts('Who must agree before the namespace is gone.') },
  { description: 'What holds the namespace.' },
)

/** Namespace.status: `phase` is Active, or Terminating once it is being deleted. */
export const NamespaceStatus = Type.Object(
  { phase: choice('Active, or Terminating while it is being deleted.', ['Active', 'Terminating']) },
  { description: 'State of the namespace.' },
)

/** Fields of a Namespace (core/v1) beside its metadata. */
export const namespaceFields = { spec: optional(NamespaceSpec), status: optional(NamespaceStatus) }

export type Namespace = KubeObject<Static<typeof NamespaceSpec>, Static<typeof NamespaceStatus>>
