export type Json = Record<string, unknown>

/** Keywords that JSON Schema and OpenAPI 3.0 share, taken as they are. */
const shared = ['type', 'description', 'pattern', 'minimum', 'maximum', 'required'] as const

/**
 * A kind's JSON Schema as OpenAPI 3.0, and Kubernetes' structural schemas, know it: maps as additionalProperties,
 * integers with their size, number or text as `x-kubernetes-int-or-string`, anything as an object that keeps what it
 * is given.
 * @param keepsUnknown whether to say of every object that fields without a schema survive
 */
export function openApiSchema(schema: unknown, keepsUnknown = false): Json {
  const source = schema as Json
  const result: Json = Object.fromEntries(
    shared.filter((key) => source[key] !== undefined).map((key) => [key, source[key]]),
  )
  const inner = (value: unknown) => openApiSchema(value, keepsUnknown)
  const { properties, items, patternProperties, anyOf, enum: values } = source
  if (source['type'] === 'integer') result['format'] = 'int64'
  if (items) result['items'] = inner(items)
  if (patternProperties) return { ...result, ...mapOf(Object.values(patternProperties)[0], inner) }
  if (values) return { ...result, type: 'string', enum: values }
  if (anyOf) return { ...result, ...intOrString }
  if (properties) {
    const entries = Object.entries(properties as Json)
    if (entries.length > 0)
      result['properties'] = Object.fromEntries(entries.map(([name, value]) => [name, inner(value)]))
    return keepsUnknown ? { ...result, ...anything } : result
  }
  return source['type'] === undefined ? { ...result, ...anything } : result
}

const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
const intOrString = { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true }

function mapOf(value: unknown, inner: (value: unknown) => Json): Json {
  const isAnything = Object.keys(value as object).length === 0
  return isAnything ? anything : { additionalProperties: inner(value) }
}
