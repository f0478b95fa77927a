import { ulid } from 'ulid'
import t from 'tap'
import { checkTemplate } from '../../src/template/render.ts'
import { plan } from '../../src/workflow/plan.ts'
import type { Admission } from '../../src/kube/admit.ts'
import { hardware, mergePatch, ns1, startServer, workflow } from './server.ts'
import type { TestServer } from './server.ts'

const admission: Admission = {
  checkTemplate,
  renderWorkflow: (input) => void plan({ ...input, newId: ulid, now: 0 }),
}
type Body = Record<string, any>
const on =
  (to: () => TestServer) =>
  async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
    const { status, json, headers: answered } = await to().client.request(method, path, body, headers)
    return { status, body: json as Body, warning: String(answered['warning'] ?? '') }
  }
let server: TestServer
t.before(async () => {
  server = await startServer({ admission })
})
t.after(() => server.close())
const call = on(() => server)

const document = (image: string, worker = '{{.device_1}}') =>
  `version: "0.1"\nname: t\ntasks:\n  - name: a\n    worker: "${worker}"\n    actions:\n      - name: one\n        image: ${image}\n`
const template = (name: string, data: string) => ({
  apiVersion: 'tinkerbell.org/v1alpha1',
  kind: 'Template',
  metadata: { name },
  spec: { data },
})
const run = (name: string, templateRef: string, spec: object = {}) => ({
  ...workflow(name),
  spec: { templateRef, hardwareRef: 'm1', hardwareMap: { device_1: '52:54:00:00:00:01' }, ...spec },
})

const templates = [
  { name: 'an action that is not closed', data: 'a\nb {{ if .x', place: /^2:\d+: / },
  { name: 'a function that nobody knows', data: 'x: {{ nonsense .a }}', place: /^1:\d+: .*nonsense/ },
]
for (const { name, data, place } of templates)
  t.test(`a Template with ${name} is refused with its place`, async (t) => {
    const answer = await call('POST', `${ns1}/templates`, template('bad', data))
    t.match(answer, {
      status: 422,
      body: { reason: 'Invalid', details: { causes: [{ field: 'spec.data', message: place }] } },
    })
  })

t.test('a Template that parses is stored, and not changed into one that does not', async (t) => {
  t.equal(
    (await call('POST', `${ns1}/templates`, template('good', document('quay.io/x/image2disk')))).status,
    201,
  )
  const patch = (body: object) => call('PATCH', `${ns1}/templates/good`, body, mergePatch)
  t.match(await patch({ spec: { data: '{{' } }), { status: 422 })
  t.match(await patch({ metadata: { labels: { a: 'b' } } }), { status: 200 })
})

t.test('a Workflow may come before its Template and Hardware', async (t) => {
  t.equal((await call('POST', `${ns1}/workflows`, run('early', 'nowhere'))).status, 201)
  t.equal((await call('POST', `${ns1}/workflows`, run('earlier', 'good'))).status, 201)
})

t.test('a Workflow that cannot be rendered is refused once it could be', async (t) => {
  await call('POST', `${ns1}/hardware`, hardware('m1'))
  t.equal((await call('POST', `${ns1}/workflows`, run('good', 'good'))).status, 201)
  const missing = await call('POST', `${ns1}/workflows`, run('missing', 'good', { hardwareMap: {} }))
  t.match(missing, {
    status: 422,
    body: { reason: 'Invalid', details: { causes: [{ field: 'spec.templateRef', message: /device_1/ }] } },
  })
  await call('POST', `${ns1}/templates`, template('image', document('"Not An Image"')))
  const image = await call('POST', `${ns1}/workflows`, run('image', 'image'))
  t.match(image, {
    status: 422,
    body: {
      details: {
        causes: [{ field: 'spec.templateRef', message: /^8:16: invalid action image \(Not An Image\)/ }],
      },
    },
  })
  t.equal((await call('POST', `${ns1}/workflows`, run('off', 'image', { disabled: true }))).status, 201)
})

t.test('the setting lets such a Workflow in', async (t) => {
  const lenient = await startServer({ admission: { ...admission, onRenderFailure: 'accept' } })
  t.after(() => lenient.close())
  const ask = on(() => lenient)
  await ask('POST', `${ns1}/hardware`, hardware('m1'))
  await ask('POST', `${ns1}/templates`, template('image', document('"Not An Image"')))
  t.equal((await ask('POST', `${ns1}/workflows`, run('image', 'image'))).status, 201)
})

const nic = (dhcp: object) => [{ dhcp }]
const mac = '52:54:00:00:00:09'
const machines: { name: string; spec: object; status: number; field?: string; warning?: RegExp }[] = [
  { name: 'nothing at all', spec: {}, status: 201, warning: /cannot be recognised/ },
  {
    name: 'a MAC only',
    spec: { interfaces: nic({ mac }) },
    status: 201,
    warning: /no address to give.*no disk/,
  },
  {
    name: 'interfaces without any MAC',
    spec: { interfaces: [{ netboot: { allowPXE: true } }] },
    status: 422,
    field: 'spec.interfaces[0].dhcp.mac',
  },
  {
    name: 'an address block without address',
    spec: { interfaces: nic({ mac, ip: { netmask: '255.0.0.0' } }) },
    status: 422,
    field: 'spec.interfaces[0].dhcp.ip.address',
  },
  { name: 'a second interface without MAC', spec: { interfaces: [...nic({ mac }), {}] }, status: 201 },
]
for (const { name, spec, status, field, warning } of machines)
  t.test(`a Hardware with ${name} is answered with ${status}`, async (t) => {
    const object = { ...hardware('x'), metadata: { generateName: 'x-' }, spec }
    const answer = await call('POST', `${ns1}/hardware`, object)
    t.equal(answer.status, status)
    if (field) t.match(answer.body, { reason: 'Invalid', details: { causes: [{ field }] } })
    if (warning) t.match(answer.warning, warning)
  })

t.test('a Secret is written as text and stored as data', async (t) => {
  const path = '/api/v1/namespaces/ns1/secrets'
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data: { a: 'QQ==', b: 'QQ==' } }
  const made = await call('POST', path, { ...secret, stringData: { b: 'ü' } })
  t.match(made, { status: 201, body: { type: 'Opaque', data: { a: 'QQ==', b: 'w7w=' } } })
  t.notOk(made.body['stringData'])
  const patched = await call('PATCH', `${path}/s`, { stringData: { c: 'x' } }, mergePatch)
  t.same(patched.body['data'], { a: 'QQ==', b: 'w7w=', c: 'eA==' })
  t.notOk(patched.body['stringData'])
  t.match(await call('PATCH', `${path}/s`, { data: { a: 'not base64!' } }, mergePatch), { status: 422 })
  t.match(await call('PATCH', `${path}/s`, { stringData: { a: 1 } }, mergePatch), { status: 422 })
  t.match(await call('PATCH', `${path}/s`, { type: 'other' }, mergePatch), { status: 422 })
  const applyType = { 'content-type': 'application/apply-patch+yaml' }
  const config = { ...secret, data: {}, stringData: { d: 'y' } }
  const applied = await call('PATCH', `${path}/s?fieldManager=x`, config, applyType)
  t.match(applied, { status: 200, body: { data: { d: 'eQ==' } } })
  await call('PATCH', `${path}/s`, { immutable: true }, mergePatch)
  t.match(await call('PATCH', `${path}/s`, { stringData: { a: 'z' } }, mergePatch), { status: 422 })
  t.match(await call('PATCH', `${path}/s`, { metadata: { labels: { a: 'b' } } }, mergePatch), { status: 200 })
})

t.end()
