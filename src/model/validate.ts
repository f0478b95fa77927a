import type { TSchema } from 'typebox'
import { Settings } from 'typebox/system'
import { Value } from 'typebox/value'
import type { Fault } from './error.ts'

// typebox stops at 8 errors by default, which hides faults a person has to mend anyway.
Settings.Set({ maxErrors: 1000 })

/**
 * Every fault of `value` under `schema`: path in dots (`spec.disks[0].device`), what was found and what was expected.
 * Values whose schema says `writeOnly` are secret and not repeated.
 * Fields that a closed schema does not know are named one by one.
 */
export function faultsOf(schema: TSchema, value: unknown, root = ''): Fault[] {
  return Value.Errors(schema, value).flatMap((error) => {
    const parts = error.instancePath.split('/').slice(1)
    if (error.keyword === 'boolean' || error.keyword === 'const') return []
    if (error.keyword === 'additionalProperties') {
      const { additionalProperties } = error.params
      return additionalProperties.map((name) => ({
        path: dotted(root, [...parts, name]),
        message: 'no such field',
      }))
    }
    const shape = schemaAt(schema, parts)
    const found = shape?.writeOnly ? 'the value' : (JSON.stringify(valueAt(value, parts)) ?? 'nothing')
    const wanted = choices(shape) ?? error.message
    return [{ path: dotted(root, parts), message: `${found.slice(0, 100)} ${wanted}` }]
  })
}

function dotted(root: string, parts: readonly string[]): string {
  return parts.reduce(
    (path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path ? `${path}.${part}` : part),
    root,
  )
}

function valueAt(value: unknown, parts: readonly string[]): unknown {
  return parts.reduce<unknown>(
    (at, part) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[part] : undefined),
    value,
  )
}

type Shape = {
  properties?: Record<string, Shape>
  patternProperties?: Record<string, Shape>
  items?: Shape
  anyOf?: { const?: string }[]
  enum?: string[]
  writeOnly?: boolean
}

function schemaAt(schema: TSchema, parts: readonly string[]): Shape | undefined {
  return parts.reduce<Shape | undefined>(
    (at, part) =>
      at?.items ? at.items : (at?.properties?.[part] ?? Object.values(at?.patternProperties ?? {})[0]),
    schema as Shape,
  )
}

function choices(schema: Shape | undefined): string | undefined {
  const values = schema?.enum ?? schema?.anyOf?.map((choice) => choice.const)
  return values?.every((value) => value !== undefined) ? `is not one of ${values.join(', ')}` : undefined
}
