import t from 'tap'
import { kinds } from '../../src/model/kinds.ts'
import { unknownFields } from '../../src/kube/strict.ts'
import { hardware, mergePatch, ns1, startServer } from './server.ts'
import type { TestServer } from './server.ts'

let server: TestServer
t.before(async () => {
  server = await startServer()
})
t.after(() => server.close())

type Body = Record<string, any>
const call = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
  const { status, json, headers: answered } = await server.client.request(method, path, body, headers)
  return { status, body: json as Body, warnings: [answered['warning'] ?? []].flat().map(String) }
}
const withType = { 'content-type': 'application/json' }
const odd = (name: string) => ({ ...hardware(name), spec: { ...hardware(name).spec, colour: 'red' } })
const post = (body: unknown, query = '') => call('POST', `${ns1}/hardware${query}`, body, withType)

const unknownCases = [
  { name: 'none', object: hardware('x'), want: [] },
  { name: 'one of the spec', object: odd('x'), want: ['spec.colour'] },
  {
    name: 'one inside a list',
    object: { spec: { disks: [{ device: 'a' }, { devcie: 'b' }] } },
    want: ['spec.disks[1].devcie'],
  },
  { name: 'one beside the spec', object: { specs: {} }, want: ['specs'] },
  {
    name: 'one of the metadata',
    object: { metadata: { nmae: 'x', labels: { any: 'thing' } } },
    want: ['metadata.nmae'],
  },
  {
    name: 'one of an owner',
    object: { metadata: { ownerReferences: [{ uid: 'u', owner: 'x' }] } },
    want: ['metadata.ownerReferences[0].owner'],
  },
  { name: 'keys of a map', object: { spec: { resources: { cpu: 1, gpu: '2' } } }, want: [] },
  {
    name: 'inside values of a map',
    object: { spec: { references: { a: { name: 'x', kind: 'y' } } } },
    want: ['spec.references.a.kind'],
  },
]
for (const { name, object, want } of unknownCases)
  t.test(`unknown fields: ${name}`, async (t) => t.same(unknownFields(kinds.Hardware, object), want))

t.test('an unknown field is a warning, unless the client says otherwise', async (t) => {
  const warned = await post(odd('w1'))
  t.match(warned, { status: 201, body: { spec: { colour: 'red' } } })
  t.same(warned.warnings, ['299 - "unknown field \\"spec.colour\\""'])
  t.same((await post(odd('w2'), '?fieldValidation=Ignore')).warnings, [])
  const strict = await post(odd('w3'), '?fieldValidation=Strict')
  t.match(strict, {
    status: 400,
    body: { reason: 'BadRequest', message: /strict decoding error: unknown field "spec\.colour"$/ },
  })
  t.match(await post(odd('w3'), '?fieldValidation=Maybe'), { status: 422, body: { reason: 'Invalid' } })
  t.equal((await call('GET', `${ns1}/hardware/w3`)).status, 404)
})

t.test('a field that is there twice is found in the text', async (t) => {
  const text = JSON.stringify(hardware('twice')).replace('"spec":{', '"spec":{"userData":"a","userData":"b",')
  const warned = await post(text)
  t.equal(warned.status, 201)
  t.same(warned.warnings, ['299 - "duplicate field \\"spec.userData\\""'])
  const strict = await post(text.replaceAll('twice', 'twice2'), '?fieldValidation=Strict')
  t.match(strict, {
    status: 400,
    body: { message: /strict decoding error: duplicate field "spec\.userData"$/ },
  })
})

t.test('a patch answers for the fields that it brings, not for those it finds', async (t) => {
  const path = `${ns1}/hardware/w1`
  const patch = (body: unknown, query: string) => call('PATCH', `${path}${query}`, body, mergePatch)
  t.match(await patch({ spec: { userData: 'x' } }, '?fieldValidation=Strict'), { status: 200, warnings: [] })
  t.match(await patch({ spec: { size: 1 } }, '?fieldValidation=Strict'), {
    status: 422,
    body: { reason: 'Invalid', message: /strict decoding error: unknown field "spec\.size"/ },
  })
  const warned = await patch({ spec: { size: 1 } }, '')
  t.same([warned.status, warned.warnings], [200, ['299 - "unknown field \\"spec.size\\""']])
  t.match(await patch('{"spec":{"userData":"a","userData":"b"}}', '?fieldValidation=Strict'), { status: 422 })
  t.match(await patch('{"spec":{"userData":"a","userData":"b"}}', ''), {
    status: 200,
    warnings: [/duplicate field/],
  })
})

t.test('a PUT is held to the same', async (t) => {
  const { body } = await call('GET', `${ns1}/hardware/w1`)
  const put = (spec: object, query: string) => call('PUT', `${ns1}/hardware/w1${query}`, { ...body, spec })
  t.match(await put({ colour: 'blue' }, '?fieldValidation=Strict'), { status: 400 })
  t.match(await put({ colour: 'blue' }, ''), { status: 200, warnings: [/unknown field .*spec\.colour/] })
})

t.test('a thousand unknown fields make no endless header, and odd letters break none', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`field-${at}`, at]))
  const answer = await post({ ...hardware('many'), spec: { ...many, 'ü\n"\\': 1 } })
  t.equal(answer.status, 201)
  t.ok(answer.warnings.join().length < 6000)
  t.match(answer.warnings.join(), /and \d+ more/)
  const one = await post({ ...hardware('odd'), spec: { 'ü\n"\\': 1 } })
  t.match(one.warnings[0], /^299 - "unknown field \\"spec\.\?\?\\"\\\\\\"", /)
})

t.test('an object of older rules can be let go', async (t) => {
  const key = { kind: 'Hardware', namespace: 'ns1', name: 'old' } as const
  const metadata = {
    name: 'old',
    namespace: 'ns1',
    uid: 'u',
    generation: 1,
    creationTimestamp: '2020-01-01T00:00:00Z',
  }
  const spec = { disks: 'not a list', interfaces: [{}] }
  await server.db.store.create({
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Hardware',
    metadata: { ...metadata, finalizers: ['x/y'] },
    spec,
  })
  const patch = (body: unknown) => call('PATCH', `${ns1}/hardware/old`, body, mergePatch)
  t.match(await patch({ metadata: { labels: { a: 'b' } } }), { status: 200 })
  t.match(await patch({ spec: { userData: 'x' } }), { status: 422 })
  await call('DELETE', `${ns1}/hardware/old`)
  t.match(await patch({ metadata: { finalizers: null } }), { status: 200 })
  t.notOk(await server.db.store.get(key))
})

t.end()
