export type KubeconfigInput = {
  /** `https://host:port` */
  server: string
  /** what the server's certificate is verified with; without it what the client's system trusts */
  caPem?: string | undefined
  /** name that the server's certificate must be for, when that is not the host of `server` */
  serverName?: string | undefined
  user: string
  /** bearer token */
  token?: string | undefined
  /** client certificate and its key, PEM */
  certPem?: string | undefined
  keyPem?: string | undefined
  /** namespace that kubectl and the commands use when none is given */
  namespace: string
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** A kubeconfig (v1 Config) with one cluster, one user and one context, all with credentials embedded. */
export function kubeconfigOf(input: KubeconfigInput): object {
  const { server, caPem, serverName, token, certPem, keyPem, namespace } = input
  const cluster = {
    server,
    ...(caPem === undefined ? {} : { 'certificate-authority-data': base64(caPem) }),
    ...(serverName === undefined ? {} : { 'tls-server-name': serverName }),
  }
  const user = {
    ...(token === undefined ? {} : { token }),
    ...(certPem === undefined ? {} : { 'client-certificate-data': base64(certPem) }),
    ...(keyPem === undefined ? {} : { 'client-key-data': base64(keyPem) }),
  }
  const userName = `ironwake-${input.user}`
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'ironwake', cluster }],
    users: [{ name: userName, user }],
    contexts: [{ name: 'ironwake', context: { cluster: 'ironwake', user: userName, namespace } }],
    'current-context': 'ironwake',
    preferences: {},
  }
}
