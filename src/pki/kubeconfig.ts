import { stringify } from 'yaml'
import { readIfPresent, writeAtomic } from './file.ts'

export type KubeconfigInput = {
  /** `https://host:port` */
  server: string
  caPem: string
  token: string
  /** namespace that kubectl and the commands use when none is given */
  namespace: string
}

/** Text of a kubeconfig (v1 Config) with one cluster, one user and one context, all with credentials embedded. */
export function renderKubeconfig(input: KubeconfigInput): string {
  const cluster = {
    server: input.server,
    'certificate-authority-data': Buffer.from(input.caPem).toString('base64'),
  }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'ironwake', cluster }],
    users: [{ name: 'ironwake-admin', user: { token: input.token } }],
    contexts: [
      {
        name: 'ironwake',
        context: { cluster: 'ironwake', user: 'ironwake-admin', namespace: input.namespace },
      },
    ],
    'current-context': 'ironwake',
    preferences: {},
  }
  return stringify(config, { lineWidth: 0 })
}

/** Writes the kubeconfig (0600) unless it already says the same. */
export async function writeKubeconfig(path: string, input: KubeconfigInput): Promise<void> {
  const text = renderKubeconfig(input)
  if ((await readIfPresent(path)) !== text) await writeAtomic(path, text, 0o600)
}
