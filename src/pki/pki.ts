import { X509Certificate, createPrivateKey, randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import ipaddr from 'ipaddr.js'
import type { Clock } from '../model/clock.ts'
import { AppError, messageOf } from '../model/error.ts'
import type { KeyPair, ServerNames } from './certificate.ts'
import { makeDirectory, readIfPresent, writeAtomic } from './file.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import type { Serving } from './tls-files.ts'

/** Namespace of objects made from CSV rows, and so the one that `admin.kubeconfig` starts in. */
const defaultNamespace = 'eksa-system'

/** A server certificate with less than this left is replaced at start. */
const renewBeforeMs = 30 * 86_400_000

export type Pki = {
  caPem: string
  certPem: string
  keyPem: string
  /** bearer token of the administrator: 32 random bytes, base64url */
  adminToken: string
  kubeconfigPath: string
  /** signs client certificates, and nothing else */
  clientCa: KeyPair
  /** end of the server certificate's validity, epoch ms */
  expiresAt: number
}

export type PkiDeps = {
  dataDir: string
  /** IP addresses that clients reach; the first one goes into the kubeconfig */
  addresses: readonly string[]
  hostnames: readonly string[]
  clock: Pick<Clock, 'now'>
  /** port of the API for the kubeconfig; 0 (chosen on listen) leaves the file to `writeAdminKubeconfig` */
  port?: number
  /** how the API is verified when it is served with a certificate from elsewhere */
  serving?: Serving
}

/**
 * Loads the keys of this server from `dataDir/pki`, making what is missing: a CA (kept for ever), a server certificate
 * (replaced when names change or 30 days before its end), a CA for client certificates and an admin token; writes
 * `dataDir/admin.kubeconfig`. Keys are written with mode 0600, a new `dataDir` with 0700.
 * @throws AppError FailedPrecondition when a file is broken: it is never silently replaced
 */
export async function loadOrCreatePki(deps: PkiDeps): Promise<Pki> {
  const directory = join(deps.dataDir, 'pki')
  await makeDirectory(deps.dataDir, 0o700)
  await makeDirectory(directory, 0o700)
  const now = deps.clock.now()
  const ca = await loadOrCreateCa(join(directory, 'ca.pem'), now)
  const clientCa = await loadOrCreateCa(join(directory, 'client-ca.pem'), now, 'ironwake client CA')
  const server = await loadOrIssue(directory, ca, namesOf(deps), now)
  const adminToken = await loadOrCreateToken(join(directory, 'admin.token'))
  const pki: Pki = {
    caPem: ca.certPem,
    certPem: server.certPem,
    keyPem: server.keyPem,
    adminToken,
    clientCa,
    kubeconfigPath: join(resolve(deps.dataDir), 'admin.kubeconfig'),
    expiresAt: Date.parse(new X509Certificate(server.certPem).validTo),
  }
  const port = deps.port ?? 7443
  if (port !== 0) await writeAdminKubeconfig(pki, deps.addresses[0] ?? '127.0.0.1', port, deps.serving)
  return pki
}

/** Writes `admin.kubeconfig` for a server reached at `host` and `port`; an equal file is left alone. */
export async function writeAdminKubeconfig(
  pki: Pki,
  host: string,
  port: number,
  serving: Serving = { caPem: pki.caPem },
): Promise<void> {
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  const input = { server, ...serving, user: 'admin', token: pki.adminToken, namespace: defaultNamespace }
  await writeKubeconfig(pki.kubeconfigPath, input)
}

function namesOf(deps: PkiDeps): ServerNames {
  const addresses = [...deps.addresses, '127.0.0.1', '::1'].map((text) => {
    if (!ipaddr.isValid(text)) throw new AppError('Invalid', `"${text}" is not an IP address`)
    return ipaddr.parse(text).toNormalizedString()
  })
  const hostnames = [...deps.hostnames, 'localhost'].map((name) => {
    if (!/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(name))
      throw new AppError('Invalid', `"${name}" is not a host name`)
    return name.toLowerCase()
  })
  return { addresses: [...new Set(addresses)], hostnames: [...new Set(hostnames)] }
}

async function loadOrCreateCa(path: string, now: number, title?: string): Promise<KeyPair> {
  const text = await readIfPresent(path)
  if (text !== undefined) {
    const { pair, cert } = parsePair(path, text)
    if (!cert.ca) throw broken(path, 'its certificate is not that of a certificate authority')
    if (Date.parse(cert.validTo) <= now) throw broken(path, `its certificate ended at ${cert.validTo}`)
    return pair
  }
  const { createCa } = await import('./certificate.ts')
  const pair = await createCa(now, title)
  await writeAtomic(path, pair.keyPem + pair.certPem, 0o600)
  return pair
}

async function loadOrIssue(
  directory: string,
  ca: KeyPair,
  names: ServerNames,
  now: number,
): Promise<KeyPair> {
  const path = join(directory, 'server.pem')
  const text = await readIfPresent(path)
  const present = text === undefined ? undefined : parsePair(path, text)
  if (present && isCurrent(present.cert, ca, names, now)) return present.pair
  const { issueServerCertificate } = await import('./certificate.ts')
  const pair = await issueServerCertificate(ca, names, now)
  await writeAtomic(path, pair.keyPem + pair.certPem, 0o600)
  return pair
}

function isCurrent(cert: X509Certificate, ca: KeyPair, names: ServerNames, now: number): boolean {
  const left = Date.parse(cert.validTo) - now
  return (
    left > renewBeforeMs &&
    cert.verify(new X509Certificate(ca.certPem).publicKey) &&
    namesIn(cert).join() === [...names.hostnames, ...names.addresses].toSorted().join()
  )
}

function namesIn(cert: X509Certificate): string[] {
  const entries = (cert.subjectAltName ?? '').split(', ')
  return entries
    .map((entry) => {
      const value = entry.slice(entry.indexOf(':') + 1)
      return entry.startsWith('IP Address:') ? ipaddr.parse(value).toNormalizedString() : value
    })
    .toSorted()
}

function parsePair(path: string, text: string): { pair: KeyPair; cert: X509Certificate } {
  const keyPem = block(text, 'PRIVATE KEY')
  const certPem = block(text, 'CERTIFICATE')
  if (!keyPem || !certPem) throw broken(path, 'it does not hold a private key and a certificate in PEM')
  try {
    const cert = new X509Certificate(certPem)
    if (cert.checkPrivateKey(createPrivateKey(keyPem))) return { pair: { certPem, keyPem }, cert }
  } catch (cause) {
    throw broken(path, messageOf(cause), cause)
  }
  throw broken(path, 'its key does not belong to its certificate')
}

function block(text: string, label: string): string | undefined {
  const found = new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`).exec(text)
  return found ? `${found[0]}\n` : undefined
}

async function loadOrCreateToken(path: string): Promise<string> {
  const text = (await readIfPresent(path))?.trim()
  if (text === undefined) {
    const made = randomBytes(32).toString('base64url')
    await writeAtomic(path, `${made}\n`, 0o600)
    return made
  }
  if (!/^[A-Za-z0-9_-]{43}$/.test(text)) throw broken(path, 'it does not hold 32 bytes in base64url')
  return text
}

function broken(path: string, why: string, cause?: unknown): AppError {
  const advice = 'restore it from a backup, or remove it to have a new one made'
  return new AppError('FailedPrecondition', `${path} cannot be used: ${why}; ${advice}`, { cause })
}
