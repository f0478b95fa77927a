import { connect as connectHttp2 } from 'node:http2'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import { replaceTls } from '../../src/kube/tls.ts'
import { createCa, issueClientCertificate, issueServerCertificate } from '../../src/pki/certificate.ts'
import { clientWith, holderOf } from './client.ts'
import { base, hardware, ns1, startServer, watching } from './server.ts'
import type { TestServer } from './server.ts'

let skew = 0
const clock = { ...systemClock, now: () => Date.now() + skew }
let server: TestServer
t.before(async () => {
  server = await startServer({ clock })
  await server.client.create(hardware('m1'))
})
t.teardown(() => server.close())
t.beforeEach(() => {
  skew = 0
})

const url = '/ironwake/v1/tokens'
const statusWith = async (token: string, path = `${base}/hardware`) => {
  const client = await clientWith(server, { token })
  const { status } = await client.request('GET', path)
  client.close()
  // Many wrong tokens in this file come from one address.
  return status === 429 ? 401 : status
}

t.test('a token is shown once, lets in with its role, and is listed without its secret', async (t) => {
  const answer = await server.client.request('POST', url, { role: 'viewer', ttlSeconds: 60, name: 'board' })
  const made = answer.json as { id: string; token: string }
  t.equal(answer.status, 201)
  t.match(made.token, /^iw_[a-z2-7]{10}_[\w-]{43}$/)
  t.equal(await statusWith(made.token), 200)
  const list = (await server.client.request('GET', url)).json as { tokens: object[] }
  const entry = list.tokens.find((token) => (token as { id: string }).id === made.id)
  t.match(entry, { name: 'board', role: 'viewer', createdAt: Number, expiresAt: Number, lastUsedAt: Number })
  t.notMatch(JSON.stringify(list), made.token.slice(14))
  t.notMatch(JSON.stringify(list), 'hash')
})

t.test('nothing near a token lets in', async (t) => {
  const { token, id, client } = await holderOf(server, 'admin')
  client.close()
  const other = await holderOf(server, 'admin')
  other.client.close()
  const wrong = [
    token.slice(0, -1),
    `${token}x`,
    token.toUpperCase(),
    `iw_${id}_`,
    `iw_${id}_${'A'.repeat(43)}`,
    `iw_${other.id}_${token.split('_').slice(2).join('_')}`,
    'iw_',
    'x'.repeat(10_000),
  ]
  for (const text of wrong) t.equal(await statusWith(text), 401, text.slice(0, 60))
  t.equal(await statusWith(token), 200)
})

t.test('a revoked token fails at once, and its open watch ends', async (t) => {
  const { client, token, id } = await holderOf(server, 'viewer')
  const watch = watching(client, `${base}/hardware?watch=true`)
  await watch.until(1)
  t.match(await server.client.request('DELETE', `${url}/${id}`), {
    status: 200,
    json: { id, role: 'viewer' },
  })
  await watch.ended
  t.equal(await statusWith(token), 401)
  t.match(await server.client.request('DELETE', `${url}/${id}`), {
    status: 404,
    json: { reason: 'NotFound' },
  })
  client.close()
})

t.test('a watch over HTTP/2 ends with its token too', async (t) => {
  const { client, token, id } = await holderOf(server, 'viewer')
  client.close()
  const session = connectHttp2(server.url, { ca: server.pki.caPem })
  const path = `${base}/hardware?watch=true`
  const stream = session.request({ ':path': path, authorization: `Bearer ${token}` })
  const ended = new Promise((resolve) => stream.on('end', resolve))
  await new Promise((resolve) => stream.once('data', resolve))
  await server.client.request('DELETE', `${url}/${id}`)
  await ended
  t.equal(stream.rstCode, 0, 'it ends cleanly')
  session.destroy()
})

t.test('the watches of others stay open', async (t) => {
  const stays = await holderOf(server, 'viewer')
  const goes = await holderOf(server, 'viewer')
  const watch = watching(stays.client, `${base}/hardware?watch=true`)
  await watch.until(1)
  await server.client.request('DELETE', `${url}/${goes.id}`)
  await server.client.create(hardware('m2', {}, '52:54:00:00:00:02'))
  t.match(await watch.until(2), [
    { object: { metadata: { name: 'm1' } } },
    { object: { metadata: { name: 'm2' } } },
  ])
  watch.stop()
  for (const { client } of [stays, goes]) client.close()
})

t.test('an expired token fails, and its open watch ends', async (t) => {
  const { client, token } = await holderOf(server, 'viewer', 60)
  const watch = watching(client, `${base}/hardware?watch=true`)
  await watch.until(1)
  skew = 59_000
  t.equal(await statusWith(token), 200)
  skew = 61_000
  t.equal(await statusWith(token), 401)
  // Any revocation looks at all streams; without one a timer does every 15 seconds.
  const other = await holderOf(server, 'viewer')
  await server.client.request('DELETE', `${url}/${other.id}`)
  await watch.ended
  for (const each of [client, other.client]) each.close()
})

t.test('tokens outlive the process, and a revoked one does not come back', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'ironwake-tokens-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const place = { dataDir, database: join(dataDir, 'db') }
  const before = await startServer(place)
  const kept = await holderOf(before, 'viewer')
  const revoked = await holderOf(before, 'viewer')
  t.equal((await revoked.client.request('GET', `${base}/hardware`)).status, 200)
  await before.client.request('DELETE', `${url}/${revoked.id}`)
  for (const { client } of [kept, revoked]) client.close()
  await before.close()
  const after = await startServer(place)
  t.teardown(() => after.close())
  for (const [{ token }, want] of [
    [kept, 200],
    [revoked, 401],
  ] as const) {
    const client = await clientWith(after, { token })
    t.equal((await client.request('GET', `${base}/hardware`)).status, want)
    client.close()
  }
  const { tokens } = (await after.client.request('GET', url)).json as { tokens: { id: string }[] }
  t.same(
    tokens.map(({ id }) => id),
    [kept.id],
  )
})

const wishes = [
  { name: 'an unknown role', wish: { role: 'root', ttlSeconds: 60 }, field: 'role' },
  { name: 'no role', wish: { ttlSeconds: 60 }, field: 'role' },
  { name: 'no end', wish: { role: 'viewer' }, field: 'ttlSeconds' },
  { name: 'a negative time', wish: { role: 'viewer', ttlSeconds: -1 }, field: 'ttlSeconds' },
  { name: 'more than ten years', wish: { role: 'viewer', ttlSeconds: 1e9 }, field: 'ttlSeconds' },
  { name: 'the name of the admin', wish: { role: 'viewer', ttlSeconds: 60, name: 'admin' }, field: 'name' },
  { name: 'a name with a line break', wish: { role: 'viewer', ttlSeconds: 60, name: 'a\nb' }, field: 'name' },
  { name: 'a name of Kubernetes', wish: { role: 'viewer', ttlSeconds: 60, name: 'system:x' }, field: 'name' },
  { name: 'an unknown field', wish: { role: 'viewer', ttlSeconds: 60, scope: 'x' }, field: 'scope' },
]
for (const { name, wish, field } of wishes)
  t.test(`a token with ${name} is refused`, async (t) => {
    const { status, json } = await server.client.request('POST', url, wish)
    t.equal(status, 422)
    t.match(json, { reason: 'Invalid', details: { causes: [{ field }] } })
  })

t.test('only an admin has to do with tokens', async (t) => {
  const { client } = await holderOf(server, 'operator')
  const wish = { role: 'viewer', ttlSeconds: 60 }
  for (const [method, path, body] of [
    ['GET', url],
    ['POST', url, wish],
    ['DELETE', `${url}/x`],
    ['POST', '/ironwake/v1/certificates', wish],
  ] as const)
    t.match(await client.request(method, path, body), { status: 403, json: { reason: 'Forbidden' } })
  const admin = await holderOf(server, 'admin')
  t.equal((await admin.client.request('GET', url)).status, 200)
  for (const each of [client, admin.client]) each.close()
})

t.test('the eleventh wrong token within a minute waits, a right one does not', async (t) => {
  const own = await startServer({ clock })
  t.teardown(() => own.close())
  const wrong = await clientWith(own, { token: 'wrong' })
  const tries = []
  for (let index = 0; index < 12; index++) tries.push(await wrong.request('GET', '/apis'))
  t.same(
    tries.map(({ status }) => status),
    [...Array<number>(10).fill(401), 429, 429],
  )
  t.match(tries[10], {
    headers: { 'retry-after': /^\d+$/ },
    json: { kind: 'Status', reason: 'TooManyRequests', details: { retryAfterSeconds: Number } },
  })
  t.equal((await own.client.request('GET', '/apis')).status, 200)
  skew = 61_000
  t.equal((await wrong.request('GET', '/apis')).status, 401)
  wrong.close()
})

t.test('a request without credentials is never counted', async (t) => {
  const nobody = await clientWith(server, {})
  for (let index = 0; index < 15; index++) t.equal((await nobody.request('GET', '/apis')).status, 401)
  t.equal((await nobody.request('GET', '/healthz')).status, 200)
  nobody.close()
})

type Pair = { certPem: string; keyPem: string; expiresAt: number; user: string }
const certificate = async (wish: object) =>
  (await server.client.request('POST', '/ironwake/v1/certificates', wish)).json as Pair

t.test('a client certificate lets in with its role', async (t) => {
  const { user, certPem, keyPem } = await certificate({ role: 'viewer', ttlSeconds: 3600, name: 'alice' })
  t.equal(user, 'alice')
  const client = await clientWith(server, { certPem, keyPem })
  t.equal((await client.request('GET', `${base}/hardware`)).status, 200)
  t.match(await client.request('DELETE', `${ns1}/hardware/m1`), {
    status: 403,
    json: { message: /User "alice" cannot delete resource "hardware"/ },
  })
  client.close()
})

t.test('a client certificate lets in over HTTP/2', async (t) => {
  const { certPem, keyPem } = await certificate({ role: 'viewer', ttlSeconds: 3600 })
  const session = connectHttp2(server.url, { ca: server.pki.caPem, cert: certPem, key: keyPem })
  const statuses = []
  for (const path of ['/apis', url]) {
    const stream = session.request({ ':path': path })
    const headers = await new Promise<Record<string, unknown>>((resolve) => stream.on('response', resolve))
    statuses.push(headers[':status'])
    stream.close()
  }
  session.destroy()
  t.same(statuses, [200, 403])
})

t.test('a connection does not outlive the certificate that it was made with', async (t) => {
  const { certPem, keyPem } = await certificate({ role: 'viewer', ttlSeconds: 60 })
  const client = await clientWith(server, { certPem, keyPem })
  t.equal((await client.request('GET', '/apis')).status, 200)
  skew = 61_000
  t.equal((await client.request('GET', '/apis')).status, 401)
  client.close()
})

t.test('an Authorization header counts before a certificate', async (t) => {
  const { certPem, keyPem } = await certificate({ role: 'viewer', ttlSeconds: 60 })
  const client = await clientWith(server, { certPem, keyPem, token: server.pki.adminToken })
  t.equal((await client.request('GET', url)).status, 200)
  client.close()
})

t.test('certificates that prove nothing do not let in', async (t) => {
  const now = Date.now()
  const until = { now, ttlMs: 60_000 }
  const stranger = await createCa(now)
  const { clientCa } = server.pki
  const admin = { commonName: 'mallory', organization: 'ironwake:admin' }
  const cases = [
    { name: 'of another CA', pair: await issueClientCertificate(stranger, admin, until), want: 401 },
    { name: 'the certificate of the API', pair: server.pki, want: 401 },
    {
      name: 'expired',
      pair: await issueClientCertificate(clientCa, admin, { now: now - 120_000, ttlMs: 60_000 }),
      want: 401,
    },
    {
      name: 'without a role',
      pair: await issueClientCertificate(clientCa, { ...admin, organization: 'example' }, until),
      want: 403,
    },
    {
      name: 'with an unknown role',
      pair: await issueClientCertificate(clientCa, { ...admin, organization: 'ironwake:root' }, until),
      want: 403,
    },
  ]
  for (const { name, pair, want } of cases) {
    const client = await clientWith(server, { certPem: pair.certPem, keyPem: pair.keyPem })
    t.equal((await client.request('GET', url)).status, want, name)
    client.close()
  }
})

t.test('a replaced certificate is served, and client certificates still let in', async (t) => {
  const { certPem, keyPem } = await certificate({ role: 'viewer', ttlSeconds: 60 })
  const before = await clientWith(server, { certPem, keyPem })
  t.equal((await before.request('GET', '/apis')).status, 200)
  const ca = await createCa(Date.now())
  const names = { addresses: ['127.0.0.1'], hostnames: [] }
  replaceTls(server.app, {
    ...server.credentials.api,
    ...(await issueServerCertificate(ca, names, Date.now())),
  })
  const after = await clientWith(server, { certPem, keyPem, caPem: ca.certPem })
  t.equal((await after.request('GET', '/apis')).status, 200)
  t.equal((await after.request('GET', url)).status, 403)
  const mistaken = await clientWith(server, { certPem, keyPem })
  await t.rejects(mistaken.request('GET', '/apis'), { code: 'Unauthorized' })
  t.equal((await before.request('GET', '/apis')).status, 200, 'the old connection goes on')
  replaceTls(server.app, server.credentials.api)
  for (const client of [before, after, mistaken]) client.close()
})
