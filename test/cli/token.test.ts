import { execFile, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { readKubeconfig } from '../../src/cli/kubeconfig.ts'
import { createCa, issueServerCertificate } from '../../src/pki/certificate.ts'
import { writeAdminKubeconfig } from '../../src/pki/pki.ts'
import { hardware, startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { runner, start } from './run.ts'

let server: TestServer
t.before(async () => {
  server = await startServer()
  await server.client.create(hardware('m1'))
})
t.teardown(() => server.close())
const run = runner(() => server)
const saved = async (name: string, text: string) => {
  const path = join(server.dataDir, name)
  await writeFile(path, text, { mode: 0o600 })
  return path
}

t.test('a token is made, listed and revoked', async (t) => {
  const made = await run(['token', 'create', '--role', 'viewer', '--ttl', '1h30m', '--name', 'board'])
  t.match(made, { code: 0, out: /^iw_[a-z2-7]{10}_[\w-]{43}\n$/, err: /^board \(viewer\) holds until 20/ })
  const id = made.out.split('_')[1]!
  t.match(await run(['token', 'list']), {
    code: 0,
    out: new RegExp(`^ID +NAME +ROLE +CREATED +EXPIRES +LAST USED\n${id}  board  viewer  .* never\n`),
  })
  const list = JSON.parse((await run(['token', 'list', '-o', 'json'])).out)
  t.equal(list[0].expiresAt - list[0].createdAt, 5_400_000)
  t.match(await run(['token', 'revoke', id]), { code: 0, out: `${id} revoked\n` })
  t.match(await run(['token', 'revoke', id]), { code: 1, err: /there is no token/ })
  t.match(await run(['token', 'list']), { code: 0, out: '', err: 'nothing found\n' })
})

const wrong = [
  { name: 'an unknown role', args: ['--role', 'root'], want: { code: 2, err: /role/ } },
  { name: 'no role', args: [], want: { code: 2, err: /role/ } },
  {
    name: 'a time without unit',
    args: ['--role', 'viewer', '--ttl', '24'],
    want: { code: 2, err: /--ttl 24/ },
  },
  { name: 'no time at all', args: ['--role', 'viewer', '--ttl', '0h'], want: { code: 2, err: /--ttl 0h/ } },
  {
    name: 'too long a time',
    args: ['--role', 'viewer', '--ttl', '9999d'],
    want: { code: 1, err: /ttlSeconds/ },
  },
  { name: 'a reserved name', args: ['--role', 'viewer', '--name', 'admin'], want: { code: 1, err: /name/ } },
]
for (const { name, args, want } of wrong)
  t.test(`token create refuses ${name}`, async (t) => {
    t.match(await run(['token', 'create', ...args]), { ...want, out: '' })
  })

t.test('what a role may not do is said in the words of the server', async (t) => {
  const { out } = await run(['kubeconfig', '--role', 'viewer', '--name', 'bob'])
  const path = await saved('bob.kubeconfig', out)
  t.match(await start(['get', 'hw', '-A'], path).ended, { code: 0, out: /m1/ })
  t.match(await start(['token', 'list'], path).ended, {
    code: 1,
    err: 'error: forbidden: User "bob" cannot get path "/ironwake/v1/tokens"\n',
  })
})

t.test('kubeconfig prints what CAPT mounts', async (t) => {
  const { code, out, err } = await run([
    'kubeconfig',
    '--role',
    'capt',
    '--server',
    'https://boot.example:7443/',
  ])
  t.equal(code, 0)
  t.match(err, /^token [a-z2-7]{10} \(capt\) holds until/)
  const config = parse(out)
  t.equal(config['current-context'], 'ironwake')
  t.equal(config.clusters[0].cluster.server, 'https://boot.example:7443')
  const ca = Buffer.from(config.clusters[0].cluster['certificate-authority-data'], 'base64').toString()
  t.equal(ca, server.pki.caPem)
  t.match(config.users[0].user.token, /^iw_/)
  t.match(await run(['kubeconfig', '--role', 'capt', '--server', 'http://x']), { code: 2, err: /https:/ })
})

t.test('kubeconfig with a client certificate works without a token', async (t) => {
  const { out, err } = await run([
    'kubeconfig',
    '--role',
    'operator',
    '--client-certificate',
    '--name',
    'eve',
  ])
  t.match(err, /^certificate of eve \(operator\) holds until/)
  const { user } = parse(out).users[0]
  t.same(Object.keys(user), ['client-certificate-data', 'client-key-data'])
  const path = await saved('eve.kubeconfig', out)
  t.match(await start(['get', 'hw', '-A'], path).ended, { code: 0, out: /m1/ })
  const long = ['kubeconfig', '--role', 'viewer', '--client-certificate', '--ttl', '31d']
  t.match(await run(long), { code: 1, err: /ttlSeconds/ })
})

t.test('a server with a certificate from elsewhere is verified by its own name', async (t) => {
  const ca = await createCa(Date.now())
  const given = await issueServerCertificate(ca, { addresses: [], hostnames: ['boot.example'] }, Date.now())
  const cert = await saved('tls.crt', given.certPem + ca.certPem)
  const key = await saved('tls.key', given.keyPem)
  const other = await startServer({ api: { tls: { cert, key, ca: '' } } })
  t.teardown(() => other.close())
  const serving = { caPem: ca.certPem, serverName: 'boot.example' }
  await writeAdminKubeconfig(other.pki, '127.0.0.1', other.port, serving)
  const admin = other.pki.kubeconfigPath
  t.match(await start(['get', 'hw', '-A'], admin).ended, { code: 0, err: 'nothing found\n' })
  const { out } = await start(['kubeconfig', '--role', 'viewer'], admin).ended
  t.match(readKubeconfig(await saved('other.kubeconfig', out)), { serverName: 'boot.example' })
  const unnamed = parse(out)
  delete unnamed.clusters[0].cluster['tls-server-name']
  const path = await saved('unnamed.kubeconfig', stringify(unnamed))
  t.match(await start(['get', 'hw', '-A'], path).ended, { code: 1, err: /certificate/ })
})

const kubectl = process.env['KUBECTL'] ?? 'kubectl'
/** kubectl with one kubeconfig. */
const using =
  (path: string) =>
  (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
    new Promise((resolve) => {
      const all = ['--kubeconfig', path, '--cache-dir', join(server.dataDir, 'cache'), ...args]
      const child = execFile(kubectl, all, { timeout: 20_000 }, (error, out, err) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, out, err }),
      )
      child.stdin?.end()
    })
const client = spawnSync(kubectl, ['version', '--client', '-o', 'json'], { encoding: 'utf8' })
const minor = client.status === 0 ? Number.parseInt(JSON.parse(client.stdout).clientVersion.minor, 10) : 0
const skip = minor >= 27 ? false : 'kubectl 1.27 or newer is not installed'

t.test('kubectl takes the kubeconfigs, and says what may be done', { skip }, async (t) => {
  for (const how of [[], ['--client-certificate']]) {
    const { out } = await run(['kubeconfig', '--role', 'capt', '--name', 'capt-1', ...how])
    const as = using(await saved('capt.kubeconfig', out))
    t.match(await as('get', 'hardware', '-A', '-o', 'name'), { code: 0, out: /m1/ })
    t.match(await as('auth', 'can-i', 'patch', 'hardware.tinkerbell.org', '-A'), { code: 0, out: 'yes\n' })
    t.match(await as('auth', 'can-i', 'delete', 'hardware.tinkerbell.org', '-A'), { code: 1, out: /^no/ })
    t.match(await as('auth', 'can-i', 'get', '/ironwake/v1/tokens'), { code: 1, out: /^no/ })
    t.match(await as('auth', 'can-i', '--list', '-n', 'ns1'), { code: 0, out: /jobs\.bmc\.tinkerbell\.org/ })
    t.match(await as('auth', 'whoami', '-o', 'json'), { code: 0, out: /"username": "capt-1"/ })
    t.match(await as('delete', 'hardware', 'm1', '-n', 'ns1'), {
      code: 1,
      err: /Error from server \(Forbidden\): hardware\.tinkerbell\.org "m1" is forbidden: User "capt-1" cannot delete resource "hardware" in API group "tinkerbell\.org" in the namespace "ns1"/,
    })
  }
  const viewer = using(await saved('v.kubeconfig', (await run(['kubeconfig', '--role', 'viewer'])).out))
  t.match(await viewer('get', 'secrets', '-A'), { code: 1, err: /cannot list resource "secrets"/ })
  const wrongToken = parse((await run(['kubeconfig', '--role', 'viewer'])).out)
  wrongToken.users[0].user.token += 'x'
  const nobody = using(await saved('n.kubeconfig', stringify(wrongToken)))
  t.match(await nobody('get', 'hardware', '-A'), { code: 1, err: /Unauthorized|must be logged in/ })
})

t.test('kubectl apply of an operator stores a Secret that it cannot read', { skip }, async (t) => {
  const { out } = await run(['kubeconfig', '--role', 'operator'])
  const path = await saved('operator.kubeconfig', out)
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'bmc-m1-auth', namespace: 'ns1' },
    type: 'kubernetes.io/basic-auth',
    stringData: { username: 'root', password: 'calvin-calvin' },
  }
  const file = await saved('secret.yaml', stringify(secret))
  const as = using(path)
  t.match(await as('apply', '-f', file), { code: 0, out: /secret\/bmc-m1-auth created/ })
  const again = await as('apply', '-f', file)
  t.match(again, { code: 0, out: /secret\/bmc-m1-auth (configured|unchanged)/ })
  const seen = await as('get', 'secret', 'bmc-m1-auth', '-n', 'ns1', '-o', 'yaml')
  t.match(seen, { code: 0, out: /bmc-m1-auth/ })
  for (const word of ['calvin', Buffer.from('calvin-calvin').toString('base64')])
    t.notMatch(seen.out + seen.err, word)
  const stored = await server.db.store.get({ kind: 'Secret', namespace: 'ns1', name: 'bmc-m1-auth' })
  t.match(stored, { data: { password: Buffer.from('calvin-calvin').toString('base64') } })
  const literal = ['secret', 'generic', 'made', '-n', 'ns1', '--from-literal=a=b']
  t.match(await as('create', ...literal), { code: 0, out: 'secret/made created\n' })
  const made = await server.db.store.get({ kind: 'Secret', namespace: 'ns1', name: 'made' })
  t.match(made, { type: 'Opaque', data: { a: 'Yg==' } })
})
