import { connect } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import t from 'tap'
import { heldMiB } from './memory.ts'
import { base, hardware, ns1, startServer } from './server.ts'
import type { TestServer } from './server.ts'

let server: TestServer
let session: ClientHttp2Session
t.before(async () => {
  server = await startServer()
  session = connect(server.url, { ca: server.pki.caPem })
})
t.after(async () => {
  session.destroy()
  await server.close()
})

type Answer = { status: number; body: Record<string, any> }

/** One request as bytes, so that nothing is put right on the way. */
function send(
  method: string,
  path: string,
  body: Buffer | string = '',
  type = 'application/json',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { ':method': method, ':path': path, authorization: `Bearer ${server.pki.adminToken}` }
    const stream = session.request({ ...headers, ...(body.length > 0 ? { 'content-type': type } : {}) })
    let status = 0
    let text = ''
    stream.on('response', (answer) => (status = Number(answer[':status'])))
    stream.on('data', (data) => (text += String(data)))
    stream.on('error', (error) => (status > 0 ? resolve({ status, body: {} }) : reject(error)))
    stream.on('end', () => resolve({ status, body: text.startsWith('{') ? JSON.parse(text) : { text } }))
    if (method !== 'GET') stream.end(body)
  })
}
const post = (body: Buffer | string, type?: string) => send('POST', `${ns1}/hardware`, body, type)
const json = (value: unknown) => JSON.stringify(value)
const odd = (metadata: object) => json({ ...hardware('x'), metadata: { name: 'x', ...metadata } })
const entries = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, '']))

const bodies: { name: string; body: Buffer | string; type?: string; status: number }[] = [
  { name: 'invalid UTF-8', body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), status: 400 },
  { name: 'half a surrogate in UTF-8', body: Buffer.from('{"a":"\xed\xa0\x80"}', 'latin1'), status: 400 },
  { name: 'a byte too many', body: 'x'.repeat(3 * 1024 * 1024 + 1), status: 413 },
  { name: 'no JSON', body: '{"a":', status: 400 },
  { name: 'a number', body: '1', status: 400 },
  { name: 'null', body: 'null', status: 400 },
  { name: 'a list of lists of lists', body: '['.repeat(100_000) + ']'.repeat(100_000), status: 400 },
  {
    name: 'objects nested 100,000 times',
    body: '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000),
    status: 400,
  },
  { name: 'HTML', body: '<html>', type: 'text/html', status: 415 },
  { name: 'a form', body: 'a=b', type: 'application/x-www-form-urlencoded', status: 415 },
  {
    name: 'protobuf of no object',
    body: 'k8s\0xxx',
    type: 'application/vnd.kubernetes.protobuf',
    status: 400,
  },
  { name: 'no content type that anybody knows', body: '{}', type: ';;;', status: 415 },
  { name: 'CSV', body: 'a,b', type: 'text/csv', status: 415 },
  { name: '200,000 labels', body: odd({ labels: entries(200_000) }), status: 422 },
  { name: '200,000 annotations', body: odd({ annotations: entries(200_000) }), status: 422 },
  {
    name: 'labels with 10,000 bad keys',
    body: odd({
      labels: Object.fromEntries(Object.entries(entries(10_000)).map(([key]) => [`-${key}`, '!'])),
    }),
    status: 422,
  },
  {
    name: 'a list of 100,000 wrong disks',
    body: json({ ...hardware('x'), spec: { disks: Array(100_000).fill(1) } }),
    status: 422,
  },
  { name: 'a name of 10,000 letters', body: odd({ name: 'a'.repeat(10_000) }), status: 422 },
  { name: 'a name with a slash', body: odd({ name: 'a/b' }), status: 422 },
  { name: 'a name with a NUL', body: odd({ name: 'a\0b' }), status: 422 },
  { name: 'a name of dots', body: odd({ name: '..' }), status: 422 },
  { name: 'a name that is a number', body: odd({ name: 5 }), status: 422 },
  { name: 'labels that are a list', body: odd({ labels: ['a'] }), status: 422 },
  { name: 'owners without uid', body: odd({ ownerReferences: [{ kind: 'x' }] }), status: 422 },
  {
    name: 'an aliased bomb of YAML',
    body: `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
      .split('')
      .map((k, i) => `${k}: &${k} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`)
      .join('\n')}\n`,
    type: 'application/yaml',
    status: 400,
  },
  { name: 'YAML that contains itself', body: 'a: &a {x: *a}', type: 'application/yaml', status: 400 },
  {
    name: 'YAML nested 20,000 times',
    body: '- '.repeat(20_000) + '1',
    type: 'application/yaml',
    status: 400,
  },
  { name: 'a megabyte of YAML', body: 'a: b\n'.repeat(200_000), type: 'application/yaml', status: 413 },
  { name: 'a prototype in YAML', body: '__proto__: {a: b}', type: 'application/yaml', status: 400 },
]
for (const { name, body, type, status } of bodies)
  t.test(`a body with ${name} is answered with ${status}`, async (t) => {
    const started = Date.now()
    const answer = await post(body, type)
    t.equal(answer.status, status, json(answer.body).slice(0, 300))
    t.ok(json(answer.body).length < 100_000, 'the answer is short')
    if (status !== 413) t.match(answer.body, { kind: 'Status', status: 'Failure', code: status })
    t.ok(Date.now() - started < 5000)
  })

const selector = (text: string) => `${base}/hardware?labelSelector=${encodeURIComponent(text)}`
const paths = [
  {
    name: 'a selector of 2,000 terms',
    path: selector(Array.from({ length: 2000 }, (_, at) => `k${at}=v`).join(',')),
    status: 200,
  },
  {
    name: 'a set of 5,000 values',
    path: selector(`k in (${Array.from({ length: 5000 }, (_, at) => `v${at}`).join(',')})`),
    status: 200,
  },
  { name: 'brackets without end', path: selector('('.repeat(10_000)), status: 400 },
  { name: 'a key of 20,000 letters', path: selector('a'.repeat(20_000)), status: 400 },
  {
    name: 'a field selector of 500 terms',
    path: `${base}/hardware?fieldSelector=${Array(500).fill('metadata.name%3Dx').join(',')}`,
    status: 400,
  },
  { name: 'a prototype as a field', path: `${base}/hardware?fieldSelector=__proto__%3Dx`, status: 400 },
  {
    name: 'a name with odd letters',
    path: `${ns1}/hardware/${encodeURIComponent('ü\'"\n; DROP TABLE objects')}`,
    status: 404,
  },
  { name: 'a prototype as a name', path: `${ns1}/hardware/__proto__`, status: 404 },
  {
    name: 'a namespace with odd letters',
    path: `${base}/namespaces/${encodeURIComponent('../../x')}/hardware`,
    status: 200,
  },
  { name: 'a broken escape', path: `${ns1}/hardware/%zz`, status: 400 },
  { name: 'a name of 2,000 letters', path: `${ns1}/hardware/${'a'.repeat(2000)}`, status: 414 },
  {
    name: 'every parameter twice',
    path: `${base}/hardware?limit=1&limit=2&watch=&watch=0&continue=&continue=`,
    status: 200,
  },
  {
    name: 'a continue token of 10,000 letters',
    path: `${base}/hardware?continue=${'A'.repeat(10_000)}`,
    status: 400,
  },
]
for (const { name, path, status } of paths)
  t.test(`a request for ${name} is answered with ${status}`, async (t) => {
    const answer = await send('GET', path)
    t.equal(answer.status, status, json(answer.body).slice(0, 300))
    t.ok(json(answer.body).length < 100_000)
  })

t.test('a namespace with odd letters is not written to', async (t) => {
  const path = `${base}/namespaces/${encodeURIComponent('../x')}/hardware`
  t.equal((await send('POST', path, json({ ...hardware('x'), metadata: { name: 'x' } }))).status, 422)
  t.same(
    (await server.db.store.list('Namespace')).items.map(({ metadata }) => metadata.name),
    [],
  )
})

t.test('after all that the server answers, and its memory is flat', async (t) => {
  const body = odd({ labels: entries(200_000) })
  const before = heldMiB()
  for (let at = 0; at < 5; at++) await post(body)
  const grown = Math.round(heldMiB() - before)
  t.ok(grown < 30, `grew by ${grown} MiB`)
  t.match(await send('GET', `${base}/hardware`), { status: 200, body: { items: [] } })
})

t.end()
