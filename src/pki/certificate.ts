import './reflect.ts'
import { randomBytes, webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { Extension, JsonName } from '@peculiar/x509'

/** A certificate and its private key (PKCS #8), both PEM. */
export type KeyPair = { certPem: string; keyPem: string }

const crypto = webcrypto
const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const
const day = 86_400_000

/**
 * Start of validity. A machine without a working clock battery boots in a year long past, and the agent on it must
 * still accept the server.
 */
const notBefore = new Date(Date.UTC(1970, 0, 2))

/** Validity from now on, in days. */
export const caDays = 20 * 365
export const serverDays = 2 * 365

/**
 * A certificate authority with a fresh key.
 * @param now epoch ms
 * @param title what the CN begins with
 */
export async function createCa(now: number, title = 'ironwake CA'): Promise<KeyPair> {
  const keys = await crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])
  const cert = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name: `CN=${title} ${randomBytes(4).toString('hex')}`,
      notBefore,
      notAfter: new Date(now + caDays * day),
      signingAlgorithm,
      keys,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
      ],
    },
    crypto,
  )
  return { certPem: `${cert.toString('pem')}\n`, keyPem: await privatePem(keys.privateKey) }
}

export type ServerNames = { addresses: readonly string[]; hostnames: readonly string[] }

/**
 * A server certificate for `names`, with a fresh key, signed by `ca`.
 * @param now epoch ms
 */
export function issueServerCertificate(ca: KeyPair, names: ServerNames, now: number): Promise<KeyPair> {
  const alternatives = new SubjectAlternativeNameExtension([
    ...names.hostnames.map((value) => ({ type: 'dns' as const, value })),
    ...names.addresses.map((value) => ({ type: 'ip' as const, value })),
  ])
  return issue(ca, {
    subject: 'CN=ironwake',
    notBefore,
    notAfter: new Date(now + serverDays * day),
    extensions: [new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]), alternatives],
  })
}

export type ClientSubject = { commonName: string; organization: string }

/** A client's clock and this one may differ by this much, ms. */
const clockSkewMs = 5 * 60_000

/**
 * A client certificate with a fresh key, signed by `ca`.
 * @param now epoch ms
 * @param ttlMs validity from now on
 */
export function issueClientCertificate(
  ca: KeyPair,
  { commonName, organization }: ClientSubject,
  { now, ttlMs }: { now: number; ttlMs: number },
): Promise<KeyPair> {
  return issue(ca, {
    subject: [{ CN: [commonName] }, { O: [organization] }],
    notBefore: new Date(now - clockSkewMs),
    notAfter: new Date(now + ttlMs),
    extensions: [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])],
  })
}

type Leaf = {
  subject: string | JsonName
  notBefore: Date
  notAfter: Date
  extensions: readonly Extension[]
}

async function issue(ca: KeyPair, leaf: Leaf): Promise<KeyPair> {
  const authority = new X509Certificate(ca.certPem)
  const signingKey = await crypto.subtle.importKey('pkcs8', derOf(ca.keyPem), keyAlgorithm, false, ['sign'])
  const keys = await crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])
  const cert = await X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: leaf.subject,
      issuer: authority.subject,
      notBefore: leaf.notBefore,
      notAfter: new Date(Math.min(leaf.notAfter.getTime(), authority.notAfter.getTime())),
      signingAlgorithm,
      publicKey: keys.publicKey,
      signingKey,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        ...leaf.extensions,
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
        await AuthorityKeyIdentifierExtension.create(authority, false, crypto),
      ],
    },
    crypto,
  )
  return { certPem: `${cert.toString('pem')}\n`, keyPem: await privatePem(keys.privateKey) }
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`
}

const derOf = (pem: string): ArrayBuffer => PemConverter.decodeFirst(pem)
