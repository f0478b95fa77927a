import t from 'tap'
import { basePathOf, kinds } from '../../src/model/kinds.ts'
import { openApiSchema } from '../../src/kube/openapi-schema.ts'
import { swaggerMessage } from '../../src/kube/swagger-message.ts'
import { fieldsOf, textOf } from './wire.ts'
import { startServer } from './server.ts'
import type { TestServer } from './server.ts'

type Body = Record<string, any>

let server: TestServer
t.before(async () => {
  server = await startServer()
})
t.after(() => server.close())

const get = async (path: string, headers: Record<string, string> = {}) => {
  const answer = await server.client.request('GET', path, undefined, headers)
  return { status: answer.status, body: answer.json as Body, headers: answer.headers }
}
const all = Object.values(kinds)
const groups = ['api/v1', 'apis/bmc.tinkerbell.org/v1alpha1', 'apis/tinkerbell.org/v1alpha1']
const protobuf = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'

/** Every object inside a document, with the way to it. */
function* nodesOf(value: unknown, path: string): Generator<{ path: string; node: Body }> {
  if (typeof value !== 'object' || value === null) return
  yield { path, node: value as Body }
  for (const [key, inner] of Object.entries(value)) yield* nodesOf(inner, `${path}/${key}`)
}

t.test('the index leads to a document of every group, which a client may keep', async (t) => {
  const { body } = await get('/openapi/v3')
  t.same(Object.keys(body['paths']).toSorted(), groups)
  for (const [path, { serverRelativeURL }] of Object.entries<Body>(body['paths'])) {
    t.match(serverRelativeURL, new RegExp(`^/openapi/v3/${path}\\?hash=[0-9A-F]{32}$`))
    const fixed = await get(serverRelativeURL)
    t.match(fixed, { status: 200, headers: { 'cache-control': /immutable/, etag: /"[0-9A-F]{32}"/ } })
    const again = await get(`/openapi/v3/${path}`, { 'if-none-match': fixed.headers.etag! })
    t.match(again, { status: 304, headers: { 'cache-control': /no-cache/ } })
    const stale = await get(`/openapi/v3/${path}?hash=0`)
    t.match(stale, { status: 200, headers: { 'cache-control': /no-cache/ } })
  }
  t.equal((await get('/openapi/v3/apis/other.org/v1')).status, 404)
})

t.test('references resolve, ids differ, and every field is described', async (t) => {
  const ids: string[] = []
  for (const group of groups) {
    const { body } = await get(`/openapi/v3/${group}`)
    t.match(body, { openapi: /^3\.0\./, info: { title: 'ironwake' } })
    const schemas = body['components'].schemas
    for (const { path, node } of nodesOf(body, group)) {
      const { $ref, properties, operationId } = node
      if (typeof $ref === 'string')
        t.ok(schemas[$ref.replace('#/components/schemas/', '')], `${path}: ${$ref}`)
      if (typeof operationId === 'string') ids.push(operationId)
      if (!path.includes('/schemas/') || typeof properties !== 'object') continue
      for (const [name, field] of Object.entries<Body>(properties)) {
        const described = field['description'] ?? field['allOf'] ?? path.includes('.Status')
        if (!path.endsWith('List') && !described) t.fail(`${path} ${name} has no description`)
      }
    }
  }
  t.equal(new Set(ids).size, ids.length)
})

t.test('kubectl finds each kind, and that the server validates its patches', async (t) => {
  for (const info of all) {
    const { group, version, kind, plural, namespaced, hasStatus } = info
    const gvk = { group, version, kind }
    const base = basePathOf(info)
    const { body } = await get(`/openapi/v3${base}`)
    const schema = Object.values<Body>(body['components'].schemas).find((candidate) =>
      (candidate['x-kubernetes-group-version-kind'] ?? []).some((known: Body) => known['kind'] === kind),
    )
    t.match(schema, { type: 'object', 'x-kubernetes-group-version-kind': [gvk] })
    t.ok(schema!['properties'].metadata.allOf[0].$ref.endsWith('.ObjectMeta'))
    t.same(body['paths'][`${base}/${plural}`].get['x-kubernetes-group-version-kind'], gvk)
    const collection = `${base}/${namespaced ? 'namespaces/{namespace}/' : ''}${plural}`
    const { patch } = body['paths'][`${collection}/{name}`]
    t.match(patch, { 'x-kubernetes-action': 'patch', 'x-kubernetes-group-version-kind': gvk })
    t.same(
      patch.parameters.map((parameter: Body) => `${parameter['in']} ${parameter['name']}`),
      ['query dryRun', 'query fieldManager', 'query fieldValidation', 'query force'],
    )
    t.notOk(Object.keys(patch.requestBody.content).some((type) => type.includes('strategic')))
    t.equal(`${collection}/{name}/status` in body['paths'], hasStatus)
    const finalize = body['paths'][`${collection}/{name}/finalize`]
    t.same(Object.keys(finalize ?? {}), kind === 'Namespace' ? ['put', 'parameters'] : [])
  }
})

const shapes = [
  {
    name: 'a map',
    schema: { type: 'object', patternProperties: { '^.*$': { type: 'string' } } },
    want: { type: 'object', additionalProperties: { type: 'string' } },
  },
  {
    name: 'words',
    schema: { enum: ['a', 'b'], description: 'd' },
    want: { type: 'string', enum: ['a', 'b'], description: 'd' },
  },
  {
    name: 'a number',
    schema: { type: 'integer', minimum: 0 },
    want: { type: 'integer', format: 'int64', minimum: 0 },
  },
  { name: 'anything', schema: {}, want: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
  {
    name: 'a map of anything',
    schema: { type: 'object', patternProperties: { '^.*$': {} } },
    want: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  },
  {
    name: 'a quantity',
    schema: { anyOf: [{ type: 'string' }, { type: 'number' }] },
    want: { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true },
  },
  { name: 'what is secret', schema: { type: 'string', writeOnly: true }, want: { type: 'string' } },
]
for (const { name, schema, want } of shapes)
  t.test(`${name} as OpenAPI has it`, async (t) => t.same(openApiSchema(schema), want))

t.test('OpenAPI v2 holds all groups, as JSON', async (t) => {
  const { body, headers } = await get('/openapi/v2', { accept: 'application/json' })
  t.match(headers['content-type'], /^application\/json/)
  t.equal(body['swagger'], '2.0')
  for (const { node } of nodesOf(body, '')) {
    const { $ref, allOf, anyOf } = node
    if (typeof $ref === 'string') t.ok(body['definitions'][$ref.replace('#/definitions/', '')], $ref)
    t.notOk(allOf ?? anyOf, 'v2 has no alternatives')
  }
  t.equal(
    Object.keys(body['definitions']).filter((name) => /\.(Hardware|Secret|Machine)$/.test(name)).length,
    3,
  )
  const { patch } = body['paths']['/api/v1/namespaces/{namespace}/secrets/{name}']
  t.match(patch, { consumes: ['application/merge-patch+json'], 'x-kubernetes-action': 'patch' })
  t.match(patch.parameters.at(-1), { in: 'body', required: true })
})

const wishes = [
  { accept: protobuf, want: 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf' },
  {
    accept: `${protobuf}, application/json`,
    want: 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
  },
  { accept: `application/json, ${protobuf}`, want: 'application/json' },
  { accept: '*/*', want: 'application/json' },
]
for (const { accept, want } of wishes)
  t.test(`/openapi/v2 for Accept ${accept} is ${want}`, async (t) => {
    const { status, headers } = await get('/openapi/v2', { accept })
    t.match({ status, type: headers['content-type'] }, { status: 200, type: want })
  })

t.test('/openapi/v2 in no other form', async (t) => {
  t.match(await get('/openapi/v2', { accept: 'text/html' }), {
    status: 406,
    body: { reason: 'NotAcceptable' },
  })
})

t.test('the protobuf message holds paths and definitions with their kinds', async (t) => {
  const { body } = await get('/openapi/v2')
  const document = fieldsOf(swaggerMessage(body))
  t.equal(textOf(document, 1), '2.0')
  const entries = (field: number, inside: number) =>
    fieldsOf(document.find((found) => found.field === field)!.bytes).filter((found) => found.field === inside)
  const paths = entries(8, 2).map(({ bytes }) => fieldsOf(bytes))
  t.same(paths.map((entry) => textOf(entry, 1)).toSorted(), Object.keys(body['paths']).toSorted())
  const definitions = entries(9, 1).map(({ bytes }) => fieldsOf(bytes))
  t.equal(definitions.length, Object.keys(body['definitions']).length)
  const hardware = definitions.find((entry) => textOf(entry, 1) === 'org.tinkerbell.v1alpha1.Hardware')!
  const schema = fieldsOf(hardware.find(({ field }) => field === 2)!.bytes)
  t.equal(textOf(schema, 4), kinds.Hardware.description)
  const extension = fieldsOf(schema.find(({ field }) => field === 31)!.bytes)
  t.equal(textOf(extension, 1), 'x-kubernetes-group-version-kind')
  t.match(String(extension[1]!.bytes), /"kind":"Hardware"/)
})

t.end()
