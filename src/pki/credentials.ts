import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import type { Identity } from '../model/role.ts'
import type { SideStore } from '../store/side.ts'
import { clientIssuer } from './client.ts'
import { loadOrCreatePki, writeAdminKubeconfig } from './pki.ts'
import type { Pki } from './pki.ts'
import { readAuthorities, readTlsFiles, servingOf } from './tls-files.ts'
import type { TlsFiles, TlsPair } from './tls-files.ts'
import { tokenAuthenticator } from './token.ts'
import { openTokens } from './tokens.ts'
import type { TokenRegistry } from './tokens.ts'

export type CredentialDeps = {
  dataDir: string
  /** IPv4 that clients reach */
  address: string
  hostname: string
  /** settings; paths are empty when not given */
  api: { port: number; tls: { cert: string; key: string; ca: string }; clientCa: string }
  side: SideStore
  clock: Pick<Clock, 'now'>
  log: Logger
}

/** What the API is served with, and who is let in. */
export type Credentials = {
  pki: Pki
  /** the API's own certificate, and whose client certificates it accepts */
  api: TlsPair & { clientCas: readonly string[] }
  /** files to be watched, when the certificate comes from elsewhere */
  tlsFiles: TlsFiles | undefined
  /** Makes `admin.kubeconfig` say how a new certificate of the API is verified. */
  certificateChanged(pair: TlsPair): Promise<void>
  tokens: TokenRegistry
  /** whom a bearer token belongs to: the admin token, or one that was made for a client */
  authenticate(token: string): Identity | undefined
  issueCertificate: ReturnType<typeof clientIssuer>
}

/** @throws AppError when a file is missing or cannot be used */
export async function openCredentials(deps: CredentialDeps): Promise<Credentials> {
  const { dataDir, address, hostname, side, clock, log } = deps
  const { port, tls, clientCa } = deps.api
  const tlsFiles = tls.cert === '' ? undefined : { cert: tls.cert, key: tls.key }
  const given = tlsFiles && (await readTlsFiles(tlsFiles, clock.now()))
  const trust = tls.ca === '' ? {} : { caPem: await readAuthorities(tls.ca) }
  const servingWith = ({ certPem }: TlsPair) => ({ ...servingOf(certPem, address), ...trust })
  const serving = given && servingWith(given)
  const place = { dataDir, addresses: [address], hostnames: [hostname], clock, port }
  const pki = await loadOrCreatePki({ ...place, ...(serving ? { serving } : {}) })
  const clientCas = [pki.clientCa.certPem, ...(clientCa === '' ? [] : [await readAuthorities(clientCa)])]
  const tokens = await openTokens({ side, clock, log })
  const isAdmin = tokenAuthenticator(pki.adminToken)
  const { certPem, keyPem } = given ?? pki
  return {
    pki,
    api: { certPem, keyPem, clientCas },
    tlsFiles,
    certificateChanged: async (pair) => {
      if (port !== 0) await writeAdminKubeconfig(pki, address, port, servingWith(pair))
    },
    tokens,
    authenticate: (token) => isAdmin(token) ?? tokens.authenticate(token),
    issueCertificate: clientIssuer(pki.clientCa, clock),
  }
}
