import { basePathOf, groupVersionOf } from '../model/kinds.ts'
import type { KindInfo } from '../model/kinds.ts'
import { kindsOf, subresourcesOf, verbsOf } from './discovery.ts'
import type { GroupVersion } from './discovery.ts'
import { apiVersionText, fieldOf, kindText, metaNames, metaSchemas, refTo } from './openapi-meta.ts'
import { operationParameters, pathParameter, patchTypes } from './openapi-operations.ts'
import type { Action } from './openapi-operations.ts'
import { openApiSchema } from './openapi-schema.ts'
import type { Json } from './openapi-schema.ts'

/** Path of a group's document below `/openapi/v3/`, which is also its key in the index. */
export const openApiPath = (wanted: GroupVersion): string => basePathOf(wanted).slice(1)

/** OpenAPI 3.0 document of one group and version, from the kinds' schemas; `undefined` when it is not served. */
export function openApiDocument(wanted: GroupVersion): Json | undefined {
  const served = kindsOf(wanted)
  if (served.length === 0) return undefined
  return {
    openapi: '3.0.0',
    info: { title: 'ironwake', version: 'v1' },
    paths: Object.assign({}, ...served.map(pathsOf)) as Json,
    components: {
      schemas: Object.assign({}, metaSchemas, ...served.map(schemasOf)) as Json,
      securitySchemes: { BearerToken: { type: 'http', scheme: 'bearer' } },
    },
    security: [{ BearerToken: [] }],
  }
}

export const gvkOf = ({ group, version, kind }: KindInfo) => ({ group, version, kind })

/** Name of a kind's schema: its group backwards, as Kubernetes has it for custom resources. */
function schemaName({ group, version, kind }: KindInfo): string {
  const place = group === '' ? 'io.k8s.api.core' : group.split('.').toReversed().join('.')
  return `${place}.${version}.${kind}`
}

function schemasOf(info: KindInfo): Json {
  const fields = Object.entries(info.fields).map(([name, schema]) => [name, openApiSchema(schema)])
  const gvk = gvkOf(info)
  return {
    [schemaName(info)]: {
      type: 'object',
      description: info.description,
      'x-kubernetes-group-version-kind': [gvk],
      properties: {
        apiVersion: apiVersionText,
        kind: kindText,
        metadata: fieldOf(metaNames.object),
        ...(Object.fromEntries(fields) as Json),
      },
    },
    [`${schemaName(info)}List`]: {
      type: 'object',
      description: `A list of objects of kind ${info.kind}.`,
      'x-kubernetes-group-version-kind': [{ ...gvk, kind: `${info.kind}List` }],
      required: ['items'],
      properties: {
        apiVersion: apiVersionText,
        kind: kindText,
        metadata: fieldOf(metaNames.list),
        items: { type: 'array', items: fieldOf(schemaName(info)) },
      },
    },
  }
}

function pathsOf(info: KindInfo): Json {
  const base = basePathOf(info)
  const scope = info.namespaced ? [pathParameter('namespace', 'Namespace of the objects.')] : []
  const named = [pathParameter('name', `Name of the ${info.kind}.`), ...scope]
  const collection = `${base}/${info.namespaced ? 'namespaces/{namespace}/' : ''}${info.plural}`
  const where = info.namespaced ? 'Namespaced' : ''
  const operation = (action: Action, suffix = '') =>
    operationOf(info, action, `${where}${info.kind}${suffix}`)
  const everywhere = operationOf(info, 'list', `${info.kind}ForAllNamespaces`)
  const actions = [
    ['get', 'get'],
    ['put', 'update'],
    ['patch', 'patch'],
  ] as const
  const subresources = subresourcesOf(info).map(({ name, verbs: allowed }): [string, Json] => {
    if (allowed.includes('create'))
      return [`${collection}/{name}/${name}`, { post: steeringOf(info, name), parameters: named }]
    const served = actions.filter(([, verb]) => allowed.includes(verb))
    const operations = served.map(([action]) => [action, operation(action, capital(name))])
    return [`${collection}/{name}/${name}`, { ...Object.fromEntries(operations), parameters: named }]
  })
  return {
    ...(info.namespaced ? { [`${base}/${info.plural}`]: { get: everywhere } } : {}),
    [collection]: {
      get: operation('list'),
      post: operation('post'),
      ...(verbsOf(info).includes('deletecollection') ? { delete: operation('deletecollection') } : {}),
      parameters: scope,
    },
    [`${collection}/{name}`]: {
      get: operation('get'),
      put: operation('put'),
      patch: operation('patch'),
      delete: operation('delete'),
      parameters: named,
    },
    ...Object.fromEntries(subresources),
  }
}

const verbs: Readonly<Record<Action, string>> = {
  list: 'list',
  get: 'read',
  post: 'create',
  put: 'replace',
  patch: 'patch',
  delete: 'delete',
  deletecollection: 'deleteCollection',
}

function operationOf(info: KindInfo, action: Action, target: string): Json {
  const name = schemaName(info)
  const answers = { list: `${name}List`, delete: metaNames.status, deletecollection: metaNames.status }
  const answer = refTo((answers as Partial<Record<Action, string>>)[action] ?? name)
  const body = bodyOf(action, name)
  const groupId = (info.group || 'core').split('.').map(capital).join('') + capital(info.version)
  return {
    tags: [groupVersionOf(info)],
    operationId: `${verbs[action]}${groupId}${target}`,
    description: `${capital(verbs[action])} ${info.kind}`,
    parameters: operationParameters(action),
    ...(body ? { requestBody: body } : {}),
    responses: {
      [action === 'post' ? '201' : '200']: {
        description: 'OK',
        content: { 'application/json': { schema: answer } },
      },
      default: {
        description: 'Failure',
        content: { 'application/json': { schema: refTo(metaNames.status) } },
      },
    },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvkOf(info),
  }
}

/** What is posted to a subresource that does something to its object. */
function steeringOf(info: KindInfo, verb: string): Json {
  const {
    requestBody: _,
    responses,
    ...rest
  } = operationOf(info, 'post', `Namespaced${info.kind}${capital(verb)}`)
  const reason = { description: 'Why, for people.', type: 'string' }
  const schema = { description: 'May be left out.', type: 'object', properties: { reason } }
  const { '201': made, ...failures } = responses as Json
  return {
    ...rest,
    description: `${capital(verb)} ${info.kind}`,
    parameters: [],
    requestBody: { content: { 'application/json': { schema } } },
    responses: { '200': made, '201': made, ...failures },
  }
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1)

function bodyOf(action: Action, name: string): Json | undefined {
  if (action === 'delete' || action === 'deletecollection')
    return { content: { 'application/json': { schema: refTo(metaNames.options) } } }
  if (action === 'post' || action === 'put')
    return { required: true, content: { 'application/json': { schema: refTo(name) } } }
  if (action !== 'patch') return undefined
  const schema = { description: 'A patch of the object.', type: 'object' }
  return { required: true, content: Object.fromEntries(patchTypes.map((type) => [type, { schema }])) }
}
