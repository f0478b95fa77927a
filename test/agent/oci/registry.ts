import { spawn, spawnSync } from 'node:child_process'
import { createPrivateKey, randomUUID, sign } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createCa, issueServerCertificate } from '../../../src/pki/certificate.ts'
import { ownFolder } from '../loop.ts'
import type { Blob } from './images.ts'

/** Why images cannot be served here; false when they can. */
export function noRegistry(): string | false {
  if (spawnSync('docker-registry', ['--version']).status === 0) return false
  if (process.env['CI']) throw new Error('docker-registry is missing')
  return 'needs docker-registry'
}

export const login = { username: 'anna', password: 'secret word' }
/** bcrypt of the password, as `htpasswd -B` makes it. */
const htpasswd = 'anna:$2y$05$ek9DpB7/BIsFtc4aGk62z.ube63.bEgu2FXlVrS5eByRFV1kpTcJ6\n'

type Options = {
  /** where it keeps images; another registry's folder shows the same ones */
  folder?: string
  /** `token`: what a token must be good for is asked of a server of the test's own */
  auth?: 'basic' | 'token'
  tls?: boolean
}

export type Registry = {
  host: string
  folder: string
  /** PEM of the CA of its certificate */
  ca: string
  push(repository: string, tag: string, blobs: Blob[], manifests: Blob[]): Promise<void>
}

/** Debian's docker-registry until the test ends. */
export async function registry(t: Test, options: Options = {}): Promise<Registry> {
  const own = ownFolder(t)
  const folder = options.folder ?? join(own, 'images')
  mkdirSync(folder, { recursive: true })
  const ca = await createCa(Date.now())
  const certificate = await issueServerCertificate(
    ca,
    { addresses: ['127.0.0.1'], hostnames: [] },
    Date.now(),
  )
  const file = (name: string, text: string) => (writeFileSync(join(own, name), text), join(own, name))
  const [cert, key, roots] = [
    file('cert.pem', certificate.certPem),
    file('key.pem', certificate.keyPem),
    file('roots.pem', ca.certPem),
  ]
  const auth = {
    basic: { htpasswd: { realm: 'images', path: file('htpasswd', htpasswd) } },
    token: {
      token: { realm: '', service: 'images', issuer: 'tests', rootcertbundle: roots },
    },
  }
  if (options.auth === 'token') auth.token.token.realm = await tokenServer(t, ca)
  const tls = options.tls ? { tls: { certificate: cert, key } } : {}
  const config = {
    version: '0.1',
    log: { level: 'warn' },
    storage: { filesystem: { rootdirectory: folder }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0', secret: randomUUID(), ...tls },
    ...(options.auth && { auth: auth[options.auth] }),
  }
  const port = await start(t, file('config.yml', JSON.stringify({ ...config, log: { level: 'info' } })))
  const host = `127.0.0.1:${port}`
  return { host, folder, ca: ca.certPem, push: (...what) => push(`http://${host}`, ...what) }
}

/** @returns its port, from its log */
async function start(t: Test, config: string): Promise<number> {
  const child = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  let said = ''
  return new Promise((resolve, reject) => {
    child.stderr.on('data', (text: Buffer) => {
      said += text.toString()
      const port = /listening on 127\.0\.0\.1:(\d+)/.exec(said)?.[1]
      if (port) resolve(Number(port))
    })
    child.on('close', () => reject(new Error(`docker-registry ended: ${said}`)))
    child.on('error', reject)
  })
}

async function sent(method: string, url: string, body?: Buffer, type = 'application/octet-stream') {
  const response = await fetch(url, { method, body: body ?? null, headers: { 'content-type': type } })
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`)
  return response
}

/** Manifests go by their digests, the last one by the tag as well. */
async function push(origin: string, repository: string, tag: string, blobs: Blob[], manifests: Blob[]) {
  const base = `${origin}/v2/${repository}`
  for (const { digest, bytes } of blobs) {
    const begun = await sent('POST', `${base}/blobs/uploads/`)
    const place = new URL(begun.headers.get('location') ?? '', origin)
    place.searchParams.set('digest', digest)
    await sent('PUT', place.href, bytes)
  }
  for (const { digest, bytes, mediaType } of manifests)
    await sent('PUT', `${base}/manifests/${digest}`, bytes, mediaType)
  const last = manifests.at(-1)
  if (last) await sent('PUT', `${base}/manifests/${tag}`, last.bytes, last.mediaType)
}

/** Gives tokens to whom it knows (distribution, token spec), signed with the key of `ca`. */
async function tokenServer(t: Test, ca: { certPem: string; keyPem: string }): Promise<string> {
  const basic = `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`
  const server = createServer((request, response) => {
    if (request.headers.authorization !== basic) return response.writeHead(401).end()
    const [, name = '', actions = ''] =
      /^repository:(.*):(.*)$/.exec(new URL(request.url ?? '', 'http://x').searchParams.get('scope') ?? '') ??
      []
    const token = jwt(ca, [{ type: 'repository', name, actions: actions.split(',') }])
    response.end(JSON.stringify({ token, expires_in: 60 }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
}

function jwt({ certPem, keyPem }: { certPem: string; keyPem: string }, access: object[]): string {
  const chain = certPem.replace(/-----[^-]+-----|\s/g, '')
  const now = Math.floor(Date.now() / 1000)
  const header = { typ: 'JWT', alg: 'ES256', x5c: [chain] }
  const times = { iat: now, nbf: now - 5, exp: now + 60 }
  const claims = { iss: 'tests', sub: login.username, aud: 'images', jti: randomUUID(), ...times, access }
  const text = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const key = { key: createPrivateKey(keyPem), dsaEncoding: 'ieee-p1363' as const }
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`
}
