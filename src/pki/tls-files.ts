import { X509Certificate, createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { dirname } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { AppError, messageOf } from '../model/error.ts'

/** Paths of PEM files: certificate with its chain, and key. */
export type TlsFiles = { cert: string; key: string }

export type TlsPair = { certPem: string; keyPem: string }

/** How clients verify the API: see the kubeconfig. */
export type Serving = { caPem?: string | undefined; serverName?: string | undefined }

/**
 * A certificate and key that somebody else maintains.
 * @throws AppError NotFound when a file cannot be read, FailedPrecondition when the two cannot be served
 */
export async function readTlsFiles({ cert, key }: TlsFiles, now: number): Promise<TlsPair> {
  const pair = { certPem: await readPem(cert), keyPem: await readPem(key) }
  const fault = faultOf(pair, now)
  if (fault === undefined) return pair
  throw new AppError('FailedPrecondition', `${cert} and ${key} cannot be served: ${fault}`)
}

/**
 * PEM certificates of authorities, from one file.
 * @throws AppError NotFound, FailedPrecondition
 */
export async function readAuthorities(path: string): Promise<string> {
  const text = await readPem(path)
  try {
    if (certificatesIn(text).length > 0) return text
  } catch (cause) {
    throw new AppError('FailedPrecondition', `${path} cannot be used: ${messageOf(cause)}`, { cause })
  }
  throw new AppError('FailedPrecondition', `${path} cannot be used: it holds no certificate in PEM`)
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new AppError('NotFound', `cannot read ${path}: ${messageOf(cause)}`, { cause })
  }
}

function faultOf({ certPem, keyPem }: TlsPair, now: number): string | undefined {
  try {
    const [leaf] = certificatesIn(certPem)
    if (!leaf) return 'the certificate file holds no certificate in PEM'
    const key = keyIn(keyPem)
    if (!key) return 'the key file holds no private key in PEM, or one with a passphrase'
    if (!leaf.checkPrivateKey(key)) return 'the key does not belong to the certificate'
    if (Date.parse(leaf.validTo) <= now) return `the certificate ended at ${leaf.validTo}`
    if (Date.parse(leaf.validFrom) > now) return `the certificate holds from ${leaf.validFrom} on`
    createSecureContext({ cert: certPem, key: keyPem })
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

function keyIn(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}

function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => new X509Certificate(block))
}

/**
 * How clients that are told `address` verify a certificate from elsewhere: with the self-signed certificate of its own
 * chain, else with what their system trusts; and by its first name when it is not for the address.
 */
export function servingOf(certPem: string, address: string): Serving {
  const chain = certificatesIn(certPem)
  const root = chain.find((cert) => cert.checkIssued(cert))
  const leaf = chain[0]
  const isFor = isIP(address) ? leaf?.checkIP(address) : leaf?.checkHost(address)
  const names = (leaf?.subjectAltName ?? '').split(', ').filter((entry) => /^DNS:[^*]/.test(entry))
  const serverName = isFor === undefined ? names[0]?.slice('DNS:'.length) : undefined
  return { caPem: root && `${root.toString()}`, serverName }
}

export type TlsWatchDeps = {
  files: TlsFiles
  /** what is served now */
  current: TlsPair
  clock: Clock
  log: Logger
  onChange(pair: TlsPair): void | Promise<void>
}

/** Network file systems and replaced mounts tell nothing, so the files are also read again this often, ms. */
const pollMs = 10_000
/** Both files of a pair change within this time, ms. */
const settleMs = 200

/**
 * Serves a changed certificate as soon as both files fit together; until then, and when they do not, the old one
 * stays. Ends when `signal` aborts.
 */
export async function watchTlsFiles(deps: TlsWatchDeps, signal: AbortSignal): Promise<void> {
  const { files, clock, log } = deps
  let served = deps.current
  let refused = ''
  const look = async () => {
    const read = await Promise.all([files.cert, files.key].map((path) => readFile(path, 'utf8'))).catch(
      messageOf,
    )
    if (typeof read === 'string') return refuse(read)
    const [certPem = '', keyPem = ''] = read
    if (certPem === served.certPem && keyPem === served.keyPem) return
    const fault = faultOf({ certPem, keyPem }, clock.now())
    if (fault !== undefined) return refuse(fault)
    served = { certPem, keyPem }
    refused = ''
    await deps.onChange(served)
    log.info(
      { cert: files.cert, until: certificatesIn(certPem)[0]?.validTo },
      'new TLS certificate is served',
    )
  }
  const refuse = (why: string) => {
    if (why !== refused) log.error({ ...files, why }, 'new TLS files are refused, the old certificate stays')
    refused = why
  }
  await eachChange(files, clock, signal, look)
}

async function eachChange(
  files: TlsFiles,
  clock: Clock,
  signal: AbortSignal,
  look: () => Promise<void>,
): Promise<void> {
  let isChanged = false
  let wake = () => {}
  const changed = () => {
    isChanged = true
    wake()
  }
  const watchers = [...new Set([dirname(files.cert), dirname(files.key)])].map((directory) => {
    try {
      return watch(directory, { persistent: false }, changed).on('error', () => {})
    } catch {
      return undefined
    }
  })
  try {
    while (!signal.aborted) {
      const early = new AbortController()
      wake = () => early.abort()
      if (!isChanged) await clock.sleep(pollMs, AbortSignal.any([signal, early.signal]))
      if (isChanged) await clock.sleep(settleMs, signal)
      isChanged = false
      if (!signal.aborted) await look()
    }
  } finally {
    for (const watcher of watchers) watcher?.close()
  }
}
