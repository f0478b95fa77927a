import { Type } from 'typebox'
import type { Column } from './column.ts'
import { flag, text } from './field.ts'
import type { KubeObject } from './object.ts'

const base64 = '^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$'

const secrets = (description: string, rules: { pattern?: string } = {}) =>
  Type.Optional(
    Type.Record(Type.String(), Type.String({ ...rules, writeOnly: true }), { description, writeOnly: true }),
  )

/** Fields of a Secret (core/v1) beside its metadata. Never log them. */
export const secretFields = {
  data: secrets('Values by key, in base64.', { pattern: base64 }),
  stringData: secrets('Values by key, as text. Only for writing: they go into `data`, and count before it.'),
  type: text('What the keys mean, such as `kubernetes.io/basic-auth`. Default Opaque.'),
  immutable: flag('Whether the values may never change again.'),
}

export type Secret = KubeObject & {
  data?: Record<string, string>
  stringData?: Record<string, string>
  type?: string
  immutable?: boolean
}

export const secretColumns: readonly Column[] = [
  { name: 'Type', from: 'type', priority: 0 },
  {
    name: 'Data',
    from: (object) => Object.keys((object as Secret).data ?? {}).length,
    priority: 0,
    as: 'integer',
  },
]
