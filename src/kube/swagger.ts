import { groupVersions } from './discovery.ts'
import { openApiDocument } from './openapi.ts'
import type { Json } from './openapi-schema.ts'

/** All groups in one OpenAPI v2 document, made from those of v3; what old clients read. */
export function swaggerDocument(): Json {
  const documents = groupVersions.map((wanted) => openApiDocument(wanted)!)
  const schemas = documents.map((document) => (document['components'] as Json)['schemas'] as Json)
  const paths = documents.map((document) => document['paths'] as Json)
  return {
    swagger: '2.0',
    info: { title: 'ironwake', version: 'v1' },
    paths: mapped(Object.assign({}, ...paths), (item) => pathItem(item as Json)),
    definitions: mapped(Object.assign({}, ...schemas), (schema) => swaggerSchema(schema as Json)),
    securityDefinitions: { BearerToken: { type: 'apiKey', name: 'authorization', in: 'header' } },
    security: [{ BearerToken: [] }],
  }
}

const mapped = (values: object, change: (value: unknown) => unknown): Json =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]))

/** A schema of v3 as v2 has it: references elsewhere and bare, number-or-text as a format. */
export function swaggerSchema(schema: Json): Json {
  const {
    $ref,
    allOf,
    anyOf: _anyOf,
    default: _default,
    properties,
    items,
    additionalProperties,
    ...rest
  } = schema
  if (typeof $ref === 'string')
    return { ...rest, $ref: $ref.replace('#/components/schemas/', '#/definitions/') }
  if (allOf) return { ...rest, ...swaggerSchema((allOf as Json[])[0]!) }
  if (rest['x-kubernetes-int-or-string']) return { ...rest, type: 'string', format: 'int-or-string' }
  const inner = (value: unknown) => swaggerSchema(value as Json)
  return {
    ...rest,
    ...(properties ? { properties: mapped(properties, inner) } : {}),
    ...(items ? { items: inner(items) } : {}),
    ...(additionalProperties ? { additionalProperties: inner(additionalProperties) } : {}),
  }
}

function pathItem({ parameters, ...operations }: Json): Json {
  return {
    ...mapped(operations, (value) => operation(value as Json)),
    parameters: ((parameters ?? []) as Json[]).map(parameter),
  }
}

function operation({ parameters, requestBody, responses, ...rest }: Json): Json {
  const body = requestBody as { required?: boolean; content: Json } | undefined
  const bodies = body
    ? [{ name: 'body', in: 'body', required: body.required === true, schema: contentOf(body) }]
    : []
  return {
    ...rest,
    consumes: body ? Object.keys(body.content) : ['*/*'],
    produces: ['application/json'],
    parameters: [...(parameters as Json[]).map(parameter), ...bodies],
    responses: mapped(responses as Json, (response) => {
      const { description, content } = response as { description: string; content: Json }
      return { description, schema: contentOf({ content }) }
    }),
  }
}

function contentOf({ content }: { content: Json }): Json {
  const [first] = Object.values(content) as { schema: Json }[]
  return swaggerSchema(first!.schema)
}

const parameter = ({ schema, ...rest }: Json): Json => ({ ...rest, ...(schema as Json) })
