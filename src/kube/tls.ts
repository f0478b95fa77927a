import type { SecureContextOptions, TlsOptions } from 'node:tls'
import type { KubeApp } from './app.ts'

/** PEM texts. */
export type Tls = {
  certPem: string
  keyPem: string
  /** authorities whose client certificates are accepted; without any, none is asked for */
  clientCas?: readonly string[]
}

/** A client certificate is asked for and not required: tokens do as well. */
export function tlsOptions(tls: Tls): TlsOptions & SecureContextOptions {
  const { certPem, keyPem, clientCas = [] } = tls
  const own = { key: keyPem, cert: certPem, minVersion: 'TLSv1.2' } as const
  return clientCas.length === 0
    ? own
    : { ...own, ca: [...clientCas], requestCert: true, rejectUnauthorized: false }
}

/** Connections from now on are served with `tls`; those that exist stay as they are. */
export function replaceTls(app: KubeApp, tls: Tls): void {
  app.server.setSecureContext(tlsOptions(tls) as SecureContextOptions)
}
