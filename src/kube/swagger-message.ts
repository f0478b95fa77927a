import type { Json } from './openapi-schema.ts'

/**
 * An OpenAPI v2 document as the protobuf message `openapi.v2.Document`, which kubectl up to 1.28 reads. Field numbers
 * are those of gnostic's OpenAPIv2.proto; what no client asks for (headers, examples, tags, security) has none here.
 */
export function swaggerMessage(document: Json): Buffer {
  const info = document['info'] as Json
  return message(
    text(1, document['swagger']),
    nested(2, message(text(1, info['title']), text(2, info['version']))),
    nested(8, named(2, document['paths'], pathItem)),
    nested(9, named(1, document['definitions'], schemaOf)),
  )
}

const varint = 0
const fixed64 = 1
const bytes = 2

const message = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts)
const nothing = Buffer.alloc(0)

function number(value: number): Buffer {
  const octets: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) octets.push((rest % 128) + 128)
  return Buffer.from([...octets, rest])
}

const key = (field: number, wire: number): Buffer => number(field * 8 + wire)
const nested = (field: number, value: Buffer): Buffer =>
  Buffer.concat([key(field, bytes), number(value.length), value])
const text = (field: number, value: unknown): Buffer =>
  typeof value === 'string' ? nested(field, Buffer.from(value)) : nothing
const texts = (field: number, values: unknown): Buffer =>
  message(...((values ?? []) as string[]).map((value) => text(field, value)))
const flag = (field: number, value: unknown): Buffer =>
  value === true ? message(key(field, varint), number(1)) : nothing

function double(field: number, value: unknown): Buffer {
  if (typeof value !== 'number') return nothing
  const octets = Buffer.alloc(8)
  octets.writeDoubleLE(value)
  return message(key(field, fixed64), octets)
}

/** A map, as a repeated message of name and value. */
function named(field: number, values: unknown, encode: (value: Json) => Buffer): Buffer {
  const entries = Object.entries((values ?? {}) as Json)
  return message(
    ...entries.map(([name, value]) =>
      nested(field, message(text(1, name), nested(2, encode(value as Json)))),
    ),
  )
}

/** `Any`, as its YAML, which JSON is. */
const any = (value: unknown): Buffer => text(2, JSON.stringify(value))

function extensions(field: number, holder: Json): Buffer {
  const own = Object.entries(holder).filter(([name]) => name.startsWith('x-'))
  return named(field, Object.fromEntries(own), any)
}

const operations = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const

function pathItem(item: Json): Buffer {
  const present = Object.entries(operations).filter(([method]) => item[method] !== undefined)
  return message(
    ...present.map(([method, field]) => nested(field, operation(item[method] as Json))),
    parameters(9, item['parameters']),
  )
}

function operation(source: Json): Buffer {
  return message(
    text(3, source['description']),
    text(5, source['operationId']),
    texts(6, source['produces']),
    texts(7, source['consumes']),
    parameters(8, source['parameters']),
    nested(9, named(1, source['responses'], response)),
    extensions(13, source),
  )
}

/** ResponseValue, Response and SchemaItem around the schema. */
const response = ({ description, schema }: Json): Buffer =>
  nested(1, message(text(1, description), nested(2, nested(1, schemaOf(schema as Json)))))

function parameters(field: number, values: unknown): Buffer {
  return message(...((values ?? []) as Json[]).map((value) => nested(field, nested(1, parameter(value)))))
}

function parameter(source: Json): Buffer {
  const { name, description, required, type, schema } = source
  if (source['in'] === 'body')
    return nested(
      1,
      message(text(2, name), text(3, 'body'), flag(4, required), nested(5, schemaOf(schema as Json))),
    )
  const start = message(flag(1, required), text(2, source['in']), text(3, description), text(4, name))
  if (source['in'] === 'path') return nested(2, nested(4, message(start, text(5, type))))
  return nested(2, nested(3, message(start, text(6, type))))
}

function schemaOf(schema: Json): Buffer {
  const { $ref, type, items, properties, additionalProperties } = schema
  return message(
    text(1, $ref),
    text(2, schema['format']),
    text(4, schema['description']),
    double(7, schema['maximum']),
    double(9, schema['minimum']),
    text(13, schema['pattern']),
    texts(19, schema['required']),
    ...((schema['enum'] ?? []) as unknown[]).map((value) => nested(20, any(value))),
    additionalProperties ? nested(21, nested(1, schemaOf(additionalProperties as Json))) : nothing,
    type === undefined ? nothing : nested(22, text(1, type)),
    items ? nested(23, nested(1, schemaOf(items as Json))) : nothing,
    properties ? nested(25, named(1, properties, schemaOf)) : nothing,
    extensions(31, schema),
  )
}
