import t from 'tap'
import { connect } from '../../src/cli/client.ts'
import { base, hardware, mergePatch, ns1, startServer } from './server.ts'

const finalizer = 'infrastructure.cluster.x-k8s.io/tinkerbellmachine'
const owner = 'v1alpha1.tinkerbell.org/ownerName'
const ownerNamespace = 'v1alpha1.tinkerbell.org/ownerNamespace'

/** What Cluster API Provider Tinkerbell sends to claim a Hardware: no version, so that only the server can tell. */
const claim = (name: string) => ({
  metadata: { labels: { [owner]: name, [ownerNamespace]: 'default' }, finalizers: [finalizer] },
})

t.test(
  '64 machines claim 32 Hardware at once: each gets one owner, and the other machine a conflict',
  async (t) => {
    const server = await startServer()
    t.teardown(server.close)
    const names = Array.from({ length: 32 }, (_, index) => `hw-${index}`)
    for (const [index, name] of names.entries()) {
      const mac = `52:54:00:00:01:${index.toString(16).padStart(2, '0')}`
      await server.client.request('POST', `${ns1}/hardware`, hardware(name, {}, mac))
    }
    const clients = Array.from({ length: 64 }, () => connect(server.pki.kubeconfigPath))
    const answers = await Promise.all(
      clients.map((client, index) =>
        client.request('PATCH', `${ns1}/hardware/hw-${index % 32}`, claim(`machine-${index}`), mergePatch),
      ),
    )
    for (const client of clients) client.close()
    const statuses = answers.map(({ status }) => status)
    t.equal(statuses.filter((status) => status === 200).length, 32, '32 owners')
    t.equal(statuses.filter((status) => status === 409).length, 32, '32 conflicts')
    for (const [index, name] of names.entries()) {
      const { json } = await server.client.request('GET', `${ns1}/hardware/${name}`)
      const winner = statuses[index] === 200 ? index : index + 32
      t.match(json, { metadata: { labels: { [owner]: `machine-${winner}` } } }, `${name} is its winner's`)
    }
    const selector = encodeURIComponent(`!${owner}`)
    const { json } = await server.client.request('GET', `${base}/hardware?labelSelector=${selector}`)
    t.same((json as { items: unknown[] }).items, [], 'none is free')
  },
)

t.test('ten writers on one object lose nothing', async (t) => {
  const server = await startServer()
  t.teardown(server.close)
  await server.client.request('POST', `${ns1}/hardware`, hardware('m1'))
  const writers = Array.from({ length: 10 }, () => connect(server.pki.kubeconfigPath))
  await Promise.all(
    writers.map(async (client, writer) => {
      for (let turn = 0; turn < 10; turn++) {
        const annotations = { [`writer-${writer}-${turn}`]: 'was here' }
        const { status } = await client.request(
          'PATCH',
          `${ns1}/hardware/m1`,
          { metadata: { annotations } },
          mergePatch,
        )
        if (status !== 200) t.fail(`writer ${writer}: answered ${status}`)
      }
    }),
  )
  for (const client of writers) client.close()
  const { json } = await server.client.request('GET', `${ns1}/hardware/m1`)
  const { annotations } = (json as { metadata: { annotations: Record<string, string> } }).metadata
  t.equal(Object.keys(annotations).length, 100)
})
