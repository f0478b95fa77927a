import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, connect } from 'node:tls'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { parse } from 'yaml'
import { loadOrCreatePki, writeAdminKubeconfig } from '../../src/pki/pki.ts'
import type { PkiDeps } from '../../src/pki/pki.ts'
import { tokenAuthenticator } from '../../src/pki/token.ts'

const day = 86_400_000
const start = Date.UTC(2030, 0, 1)

async function directory(t: { teardown(done: () => unknown): unknown }): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'ironwake-pki-'))
  t.teardown(() => rm(parent, { recursive: true, force: true }))
  return join(parent, 'data')
}
const load = (dataDir: string, more: Partial<PkiDeps> = {}) =>
  loadOrCreatePki({
    dataDir,
    addresses: ['192.0.2.1'],
    hostnames: ['boot.example'],
    clock: { now: () => start },
    ...more,
  })
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)

t.test('a first start makes everything, readable by its owner only', async (t) => {
  const dataDir = await directory(t)
  const pki = await load(dataDir)
  t.equal(await modeOf(dataDir), '700')
  t.equal(await modeOf(join(dataDir, 'pki')), '700')
  for (const file of ['pki/ca.pem', 'pki/server.pem', 'pki/admin.token', 'admin.kubeconfig'])
    t.equal(await modeOf(join(dataDir, file)), '600', file)
  t.equal(Buffer.from(pki.adminToken, 'base64url').length, 32)
  const [ca, cert] = [new X509Certificate(pki.caPem), new X509Certificate(pki.certPem)]
  t.ok(ca.ca)
  t.notOk(cert.ca)
  t.ok(cert.verify(ca.publicKey))
  t.ok(cert.checkIssued(ca))
  for (const ip of ['192.0.2.1', '127.0.0.1', '::1']) t.ok(cert.checkIP(ip), ip)
  for (const host of ['boot.example', 'localhost']) t.ok(cert.checkHost(host), host)
  t.ok(Date.parse(cert.validFrom) < Date.UTC(1971, 0), 'valid for machines whose clock lost its battery')
  t.equal(Date.parse(cert.validTo), pki.expiresAt)
  t.same(
    (await readdir(join(dataDir, 'pki'))).filter((name) => name.endsWith('.tmp')),
    [],
  )
})

t.test('a second start finds the same', async (t) => {
  const dataDir = await directory(t)
  t.same(await load(dataDir), await load(dataDir))
})

const renewals = [
  { name: 'the same names keep the certificate', change: {}, renewed: false },
  {
    name: 'another order of names keeps it',
    change: { addresses: ['127.0.0.1', '192.0.2.1'] },
    renewed: false,
  },
  { name: 'a new address renews it', change: { addresses: ['192.0.2.1', '192.0.2.2'] }, renewed: true },
  { name: 'a new host name renews it', change: { hostnames: ['other.example'] }, renewed: true },
  {
    name: '31 days before its end it is kept',
    change: { clock: { now: () => start + (730 - 31) * day } },
    renewed: false,
  },
  {
    name: '29 days before its end it is renewed',
    change: { clock: { now: () => start + (730 - 29) * day } },
    renewed: true,
  },
]
for (const { name, change, renewed } of renewals)
  t.test(name, async (t) => {
    const dataDir = await directory(t)
    const before = await load(dataDir)
    const after = await load(dataDir, change)
    t.equal(after.certPem !== before.certPem, renewed)
    t.equal(after.caPem, before.caPem)
    t.equal(after.adminToken, before.adminToken)
    t.ok(new X509Certificate(after.certPem).verify(new X509Certificate(before.caPem).publicKey))
  })

const faults = [
  { name: 'a CA cut short', file: 'ca.pem', content: '-----BEGIN CERTIFICATE-----\nMIIB' },
  { name: 'an empty CA', file: 'ca.pem', content: '' },
  { name: 'a server certificate that is not PEM', file: 'server.pem', content: 'hello' },
  { name: 'a token that is too short', file: 'admin.token', content: 'abc\n' },
  { name: 'an empty token', file: 'admin.token', content: '' },
]
for (const { name, file, content } of faults)
  t.test(`${name} is an error, and stays as it is`, async (t) => {
    const dataDir = await directory(t)
    await load(dataDir)
    const path = join(dataDir, 'pki', file)
    await writeFile(path, content)
    await t.rejects(load(dataDir), {
      code: 'FailedPrecondition',
      message: new RegExp(`${file} cannot be used`),
    })
    t.equal(await readFile(path, 'utf8'), content)
  })

t.test('a key of another certificate is an error', async (t) => {
  const dataDir = await directory(t)
  const other = await load(await directory(t))
  await load(dataDir)
  const path = join(dataDir, 'pki', 'server.pem')
  const own = await readFile(path, 'utf8')
  await writeFile(
    path,
    own.replace(/-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/, other.keyPem),
  )
  await t.rejects(load(dataDir), { code: 'FailedPrecondition', message: /does not belong/ })
})

t.test('a CA that has ended is an error', async (t) => {
  const dataDir = await directory(t)
  await load(dataDir)
  const clock = { now: () => start + 21 * 365 * day }
  await t.rejects(load(dataDir, { clock }), { code: 'FailedPrecondition', message: /ended/ })
})

for (const wrong of [{ addresses: ['host'] }, { hostnames: ['a, DNS:evil'] }])
  t.test(`names that are none are refused: ${JSON.stringify(wrong)}`, async (t) => {
    await t.rejects(load(await directory(t), wrong), { code: 'Invalid' })
  })

t.test('the kubeconfig holds address, CA and token, and follows the address', async (t) => {
  const dataDir = await directory(t)
  const pki = await load(dataDir)
  const read = async () => parse(await readFile(pki.kubeconfigPath, 'utf8'))
  const config = await read()
  t.equal(config.clusters[0].cluster.server, 'https://192.0.2.1:7443')
  const data = config.clusters[0].cluster['certificate-authority-data']
  t.equal(Buffer.from(data, 'base64').toString(), pki.caPem)
  t.equal(config.users[0].user.token, pki.adminToken)
  await load(dataDir, { addresses: ['192.0.2.7'], port: 8443 })
  t.equal((await read()).clusters[0].cluster.server, 'https://192.0.2.7:8443')
  await writeAdminKubeconfig(pki, '2001:db8::1', 7443)
  t.equal((await read()).clusters[0].cluster.server, 'https://[2001:db8::1]:7443')
})

t.test('a TLS client that trusts the CA accepts the server', async (t) => {
  const pki = await load(await directory(t), { clock: Date })
  const server = createServer({ key: pki.keyPem, cert: pki.certPem }, (socket) => socket.end('hello'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const socket = connect({ host: '127.0.0.1', port, ca: pki.caPem })
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  t.equal(text, 'hello')
  await new Promise((resolve) => server.close(resolve))
})

t.test('only the admin token belongs to the admin', async (t) => {
  const authenticate = tokenAuthenticator('secret-token')
  t.same(authenticate('secret-token'), { user: 'admin', role: 'admin' })
  for (const token of ['', 'secret-toke', 'secret-token ', 'Secret-token'])
    t.equal(authenticate(token), undefined)
})
