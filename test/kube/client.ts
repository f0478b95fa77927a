import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { connect } from '../../src/cli/client.ts'
import type { Client } from '../../src/cli/client.ts'
import { kubeconfigOf } from '../../src/model/kubeconfig.ts'
import type { Role } from '../../src/model/role.ts'
import type { TestServer } from './server.ts'

type Credentials = { token?: string; certPem?: string; keyPem?: string; caPem?: string; serverName?: string }

let count = 0

/** Path of a new kubeconfig for `server` with these credentials. */
export async function kubeconfigFor(server: TestServer, credentials: Credentials): Promise<string> {
  const path = join(server.dataDir, `kubeconfig-${++count}`)
  const place = { server: server.url, caPem: server.pki.caPem, user: 'x', namespace: 'ns1' }
  await writeFile(path, stringify(kubeconfigOf({ ...place, ...credentials })))
  return path
}

export async function clientWith(server: TestServer, credentials: Credentials): Promise<Client> {
  return connect(await kubeconfigFor(server, credentials))
}

export type Holder = { client: Client; token: string; id: string; name: string }

/** A client with a token of `role`, made through the API. */
export async function holderOf(server: TestServer, role: Role, ttlSeconds = 600): Promise<Holder> {
  const answer = await server.client.request('POST', '/ironwake/v1/tokens', { role, ttlSeconds })
  const { token, id, name } = answer.json as { token: string; id: string; name: string }
  return { client: await clientWith(server, { token }), token, id, name }
}
