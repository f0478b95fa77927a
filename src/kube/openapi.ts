import { createHash } from 'node:crypto'
import type { KindInfo } from '../model/kinds.ts'
import { groupVersions, servedKinds } from './discovery.ts'

type Json = Record<string, unknown>

const text = { type: 'string' }
const parameter = (name: string, description: string) => ({ name, in: 'query', description, schema: text })

/** Parameters of writes. kubectl asks the server to validate only when it finds `fieldValidation` among them. */
const writeParameters = [
  parameter('dryRun', 'All: check and answer, store nothing'),
  parameter('fieldManager', 'name of the client'),
  parameter('fieldValidation', 'Ignore, Warn or Strict'),
]

/** The index of GET /openapi/v3: every group and version, with a hash that changes with its document. */
export function openApiIndex(): object {
  const paths = groupVersions.map(({ group, version }) => {
    const path = `apis/${group}/${version}`
    const hash = createHash('sha256')
      .update(JSON.stringify(openApiDocument(group, version)))
      .digest('hex')
    return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash.slice(0, 32).toUpperCase()}` }]
  })
  return { paths: Object.fromEntries(paths) as Json }
}

/** OpenAPI 3.0 document of one group and version, from the kinds' schemas; `undefined` when it is not served. */
export function openApiDocument(group: string, version: string): object | undefined {
  const served = servedKinds.filter((info) => info.group === group && info.version === version)
  if (served.length === 0) return undefined
  return {
    openapi: '3.0.0',
    info: { title: 'ironwake', version: 'v1' },
    paths: Object.assign({}, ...served.map(pathsOf)) as Json,
    components: { schemas: Object.assign({ [metaName]: metaSchema }, ...served.map(schemaOf)) as Json },
  }
}

const metaName = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
const textMap = { type: 'object', additionalProperties: text }
const metaSchema = {
  type: 'object',
  description: 'Name, namespace, labels and what the server says about the object',
  properties: {
    name: text,
    generateName: text,
    namespace: text,
    uid: text,
    resourceVersion: text,
    generation: { type: 'integer', format: 'int64' },
    creationTimestamp: { type: 'string', format: 'date-time' },
    deletionTimestamp: { type: 'string', format: 'date-time' },
    labels: textMap,
    annotations: textMap,
    finalizers: { type: 'array', items: text },
    ownerReferences: { type: 'array', items: { type: 'object' } },
    managedFields: { type: 'array', items: { type: 'object' } },
  },
}

const gvk = ({ group, version, kind }: KindInfo) => ({ group, version, kind })
const schemaName = (info: KindInfo) =>
  `${info.group.split('.').toReversed().join('.')}.${info.version}.${info.kind}`

function pathsOf(info: KindInfo): Json {
  const collection = `/apis/${info.group}/${info.version}/namespaces/{namespace}/${info.plural}`
  const schema = { $ref: `#/components/schemas/${schemaName(info)}` }
  const responses = { '200': { description: 'OK', content: { 'application/json': { schema } } } }
  const operation = (action: string, body?: string) => ({
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk(info),
    responses,
    ...(body
      ? { parameters: writeParameters, requestBody: { content: { [body]: { schema } }, required: true } }
      : {}),
  })
  const inPath = (name: string) => ({ name, in: 'path', required: true, schema: text })
  const object = {
    get: operation('get'),
    put: operation('put', 'application/json'),
    patch: operation('patch', 'application/merge-patch+json'),
    parameters: [inPath('namespace'), inPath('name')],
  }
  return {
    [`/apis/${info.group}/${info.version}/${info.plural}`]: { get: operation('list') },
    [collection]: {
      get: operation('list'),
      post: operation('post', 'application/json'),
      parameters: [inPath('namespace')],
    },
    [`${collection}/{name}`]: { ...object, delete: operation('delete') },
    [`${collection}/{name}/status`]: object,
  }
}

function schemaOf(info: KindInfo): Json {
  return {
    [schemaName(info)]: {
      type: 'object',
      'x-kubernetes-group-version-kind': [gvk(info)],
      properties: {
        apiVersion: text,
        kind: text,
        metadata: { allOf: [{ $ref: `#/components/schemas/${metaName}` }], default: {} },
        spec: openApiSchema(info.spec),
        status: openApiSchema(info.status),
      },
    },
  }
}

/** A JSON Schema as OpenAPI 3.0 knows it: maps as additionalProperties, fixed choices as enum. */
export function openApiSchema(schema: unknown): Json {
  const {
    type,
    description,
    pattern,
    minimum,
    maximum,
    properties,
    items,
    required,
    anyOf,
    patternProperties,
  } = schema as Json
  const kept = Object.entries({ type, description, pattern, minimum, maximum, required }).filter(
    ([, value]) => value !== undefined,
  )
  const result = Object.fromEntries(kept) as Json
  if (properties)
    result['properties'] = Object.fromEntries(
      Object.entries(properties as Json).map(([name, inner]) => [name, openApiSchema(inner)]),
    )
  if (items) result['items'] = openApiSchema(items)
  const values = patternProperties && Object.values(patternProperties as Json)[0]
  if (values) result['additionalProperties'] = openApiSchema(values)
  return anyOf ? { ...result, ...choice(anyOf as Json[]) } : result
}

function choice(options: readonly Json[]): Json {
  if (options.every((option) => 'const' in option))
    return { type: 'string', enum: options.map((option) => option['const']) }
  return { anyOf: options.map(openApiSchema) }
}
