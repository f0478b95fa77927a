import { accepted, hardwarePath, namespace } from '../lib/api.ts'
import { runBench } from '../lib/bench.ts'
import type { Figure, Site } from '../lib/bench.ts'
import { createClients } from '../lib/clients.ts'
import { ipOf, macOf, nameOf } from '../lib/csv.ts'
import { startServer } from '../lib/server.ts'

/** How many Hardware a second can 64 clients create, one with each POST? */

const clientCount = 64
const warmUp = 1000
const creates = 5000

function hardware(at: number): object {
  const mac = macOf(at)
  const ip = { address: ipOf(at), netmask: '255.0.0.0', gateway: '10.0.0.1', family: 4 }
  const dhcp = {
    arch: 'x86_64',
    mac,
    hostname: nameOf(at),
    name_servers: ['8.8.8.8'],
    uefi: true,
    lease_time: 3600,
    ip,
  }
  return {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Hardware',
    metadata: { name: nameOf(at), namespace, labels: { type: 'worker', rack: `r${at % 500}` } },
    spec: {
      disks: [{ device: '/dev/nvme0n1' }],
      interfaces: [{ netboot: { allowPXE: true, allowWorkflow: true }, dhcp }],
      metadata: { instance: { id: mac, hostname: nameOf(at), ips: [{ ...ip, public: true }] } },
    },
  }
}

async function round(site: Site): Promise<Figure[]> {
  await using server = await startServer(site)
  using clients = await createClients(server.api, clientCount)
  let next = 0
  const create = (count: number) =>
    clients.work(server, count, async (client) =>
      accepted(await client.request('POST', hardwarePath, JSON.stringify(hardware(++next)))),
    )
  await create(warmUp)
  server.forgetPeak()
  const { perSecond, perCpuSecond, latency } = await create(creates)
  const { n, p50, p99 } = latency
  return [
    { name: 'creates per second', unit: '/s', sample: perSecond },
    { name: 'creates per CPU-second', unit: '/s', sample: perCpuSecond },
    { name: 'POST to answer, p99', unit: 'ms', sample: { value: p99, n, p50, p99 } },
    { name: 'peak memory of the server', unit: 'MiB', sample: server.memory().peakMiB },
  ]
}

await runBench('api/create', round)
