import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { connect } from '../../src/cli/client.ts'
import type { Client } from '../../src/cli/client.ts'
import { kubeServer } from '../../src/kube/server.ts'
import type { KubeDeps } from '../../src/kube/server.ts'
import type { KubeApp } from '../../src/kube/app.ts'
import { systemClock } from '../../src/model/clock.ts'
import { openCredentials } from '../../src/pki/credentials.ts'
import type { CredentialDeps, Credentials } from '../../src/pki/credentials.ts'
import { writeAdminKubeconfig } from '../../src/pki/pki.ts'
import type { Pki } from '../../src/pki/pki.ts'
import { createLookup, runLookup } from '../../src/store/lookup.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { SqliteStore } from '../../src/store/sqlite.ts'
import { createTimeline } from '../../src/timeline/timeline.ts'
import type { Timeline } from '../../src/timeline/timeline.ts'

export type TestServer = {
  url: string
  port: number
  dataDir: string
  app: KubeApp
  pki: Pki
  credentials: Credentials
  client: Client
  db: SqliteStore
  timeline: Timeline
  close(): Promise<void>
}

const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' })

/** A whole API server on a port of its own, with TLS, SQLite, lookup and timeline. */
export async function startServer(
  options: Partial<KubeDeps> & {
    dataDir?: string
    database?: string
    port?: number
    api?: Partial<CredentialDeps['api']>
  } = {},
): Promise<TestServer> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'ironwake-api-')))
  const clock = systemClock
  const db = await openSqlite(options.database ?? ':memory:', { clock })
  const credentials = await openCredentials({
    dataDir,
    address: '127.0.0.1',
    hostname: 'localhost',
    api: { port: 0, tls: { cert: '', key: '', ca: '' }, clientCa: '', ...options.api },
    side: db.side,
    clock: options.clock ?? clock,
    log: options.log ?? log,
  })
  const { pki } = credentials
  const lookup = createLookup({ shelf: db.shelf })
  const timeline = createTimeline({ side: db.side, clock, log })
  const stop = new AbortController()
  const running = runLookup({ store: db.store, lookup, log }, stop.signal)
  const app = kubeServer({
    store: db.store,
    tls: credentials.api,
    authenticate: credentials.authenticate,
    tokens: credentials.tokens,
    issueCertificate: credentials.issueCertificate,
    log,
    clock,
    newUid: randomUUID,
    ready: () => [{ name: 'lookup', ok: lookup.ready() }],
    importCsv: async () => ({ created: 0, updated: 0, unchanged: 0, warnings: [] }),
    timeline,
    lookup,
    version: '0.0.0',
    ...options,
  })
  await app.listen({ host: '127.0.0.1', port: options.port ?? 0 })
  const { port } = app.server.address() as AddressInfo
  await writeAdminKubeconfig(pki, '127.0.0.1', port)
  const client = connect(pki.kubeconfigPath)
  const close = async () => {
    client.close()
    await app.close()
    stop.abort()
    await running
    await db.close()
    if (!options.dataDir) await rm(dataDir, { recursive: true, force: true })
  }
  const url = `https://127.0.0.1:${port}`
  return { url, port, dataDir, app, pki, credentials, client, db, timeline, close }
}

export const base = '/apis/tinkerbell.org/v1alpha1'
export const ns1 = `${base}/namespaces/ns1`
export const mergePatch = { 'content-type': 'application/merge-patch+json' }

/** A Hardware as an inventory would hold it. */
export function hardware(name: string, labels: Record<string, string> = {}, mac = '52:54:00:00:00:01') {
  return {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Hardware',
    metadata: { name, namespace: 'ns1', labels },
    spec: {
      disks: [{ device: '/dev/vda' }],
      interfaces: [
        {
          dhcp: { mac, hostname: name, ip: { address: '10.0.0.9', netmask: '255.255.255.0' } },
          netboot: { allowPXE: true },
        },
      ],
      metadata: { instance: { id: mac, hostname: name } },
    },
  }
}

export function workflow(name: string, labels: Record<string, string> = {}) {
  return {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Workflow',
    metadata: { name, namespace: 'ns1', labels },
    spec: { templateRef: 't', hardwareRef: 'm1' },
  }
}

type Event = { type: string; object: { kind: string; metadata: Record<string, any>; [key: string]: any } }

export type Watching = {
  events: Event[]
  /** resolves with the events once there are `count`; fails after 5 s */
  until(count: number): Promise<Event[]>
  ended: Promise<void>
  stop(): void
}

/** Collects the events of a watch. */
export function watching(client: Client, path: string): Watching {
  const stop = new AbortController()
  const events: Event[] = []
  let wake = () => {}
  const ended = client.watch(
    path,
    (event) => {
      events.push(event as Event)
      wake()
    },
    stop.signal,
  )
  ended.catch(() => wake())
  const until = async (count: number) => {
    const limit = Date.now() + 5000
    while (events.length < count) {
      if (Date.now() > limit) throw new Error(`${events.length} of ${count} events after 5 s`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return events
  }
  return { events, until, ended, stop: () => stop.abort() }
}
