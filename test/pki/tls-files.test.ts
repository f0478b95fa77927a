import { X509Certificate } from 'node:crypto'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { pino } from 'pino'
import t from 'tap'
import { systemClock as clock } from '../../src/model/clock.ts'
import { createCa, issueServerCertificate } from '../../src/pki/certificate.ts'
import type { KeyPair } from '../../src/pki/certificate.ts'
import { readAuthorities, readTlsFiles, servingOf, watchTlsFiles } from '../../src/pki/tls-files.ts'

const now = Date.now()
const ca = await createCa(now)
const issue = (hostnames: string[], at = now) =>
  issueServerCertificate(ca, { addresses: ['127.0.0.1'], hostnames }, at)

async function files(t: { teardown(done: () => unknown): unknown }, pair: KeyPair) {
  const directory = await mkdtemp(join(tmpdir(), 'ironwake-tls-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const paths = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') }
  await write(paths, pair)
  return paths
}

async function write(paths: { cert: string; key: string }, { certPem, keyPem }: KeyPair): Promise<void> {
  await writeFile(paths.cert, certPem)
  await writeFile(paths.key, keyPem)
}

t.test('a pair that fits is read', async (t) => {
  const pair = await issue(['boot.example'])
  t.same(await readTlsFiles(await files(t, pair), now), pair)
})

const one = await issue(['a.example'])
const other = await issue(['b.example'])
const faults = [
  { name: 'the key of another certificate', pair: { ...one, keyPem: other.keyPem }, why: /does not belong/ },
  { name: 'no certificate', pair: { ...one, certPem: 'hello' }, why: /no certificate/ },
  { name: 'a certificate cut short', pair: { ...one, certPem: one.certPem.slice(0, 300) }, why: /no cert/ },
  { name: 'no key', pair: { ...one, keyPem: 'x' }, why: /no private key/ },
  {
    name: 'an ended certificate',
    pair: await issue(['c.example'], now - 3 * 365 * 86_400_000),
    why: /ended at/,
  },
]
for (const { name, pair, why } of faults)
  t.test(`${name} is refused`, async (t) => {
    await t.rejects(readTlsFiles(await files(t, pair), now), { code: 'FailedPrecondition', message: why })
  })

t.test('a file that is not there is named', async (t) => {
  const paths = { ...(await files(t, one)), key: '/nowhere/tls.key' }
  await t.rejects(readTlsFiles(paths, now), { code: 'NotFound', message: /\/nowhere\/tls\.key/ })
  await t.rejects(readAuthorities((await files(t, one)).key), { code: 'FailedPrecondition' })
})

t.test('kubeconfigs verify by the self-signed end of the chain, and by a name that fits', async (t) => {
  const chain = one.certPem + ca.certPem
  t.same(servingOf(one.certPem, '127.0.0.1'), { caPem: undefined, serverName: undefined })
  t.same(servingOf(one.certPem, '192.0.2.1'), { caPem: undefined, serverName: 'a.example' })
  t.same(servingOf(one.certPem, 'a.example'), { caPem: undefined, serverName: undefined })
  const { caPem } = servingOf(chain, '127.0.0.1')
  t.equal(new X509Certificate(caPem!).fingerprint256, new X509Certificate(ca.certPem).fingerprint256)
})

t.test('a changed pair is served without dropping connections; a bad one is not', async (t) => {
  const paths = await files(t, one)
  const server = createServer({ cert: one.certPem, key: one.keyPem }, (_request, response) =>
    response.end('hello'),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const open = () =>
    new Promise<TLSSocket>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca: ca.certPem }, () => resolve(socket))
      socket.on('error', reject)
    })
  const nameOf = (socket: TLSSocket) => socket.getPeerCertificate().subjectaltname?.split(',')[0]
  const served = async () => {
    const socket = await open()
    const name = nameOf(socket)
    socket.destroy()
    return name
  }
  const lines: string[] = []
  const log = pino({}, { write: (line) => void lines.push(line) })
  const said = (text: string) => lines.filter((line) => line.includes(text)).length
  const until = async (holds: () => boolean) => {
    for (const limit = Date.now() + 5000; !holds() && Date.now() < limit;) await clock.sleep(20)
  }
  const stop = new AbortController()
  const watching = watchTlsFiles(
    {
      files: paths,
      current: one,
      clock,
      log,
      onChange: ({ certPem, keyPem }) => server.setSecureContext({ cert: certPem, key: keyPem }),
    },
    stop.signal,
  )
  const before = await open()

  await write(paths, { ...other, keyPem: 'broken' })
  await until(() => said('refused') > 0)
  t.equal(said('refused'), 1)
  t.equal(await served(), 'DNS:a.example')

  await write(paths, other)
  await until(() => said('is served') > 0)
  t.equal(await served(), 'DNS:b.example')

  const third = await issue(['c.example'])
  await writeFile(`${paths.cert}.new`, third.certPem)
  await writeFile(`${paths.key}.new`, third.keyPem)
  await rename(`${paths.cert}.new`, paths.cert)
  await rename(`${paths.key}.new`, paths.key)
  await until(() => said('is served') > 1)
  t.equal(await served(), 'DNS:c.example')

  await rm(paths.cert)
  await until(() => said('refused') > 1)
  t.equal(await served(), 'DNS:c.example', 'a file that vanishes changes nothing')

  before.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  let answer = ''
  for await (const chunk of before) answer += String(chunk)
  t.match(answer, /^HTTP\/1\.1 200 /)
  stop.abort()
  await watching
})
