import { join } from 'node:path'
import { accepted, hardwarePath, mergePatch } from '../lib/api.ts'
import type { Connection } from '../lib/api.ts'
import { runBench } from '../lib/bench.ts'
import type { Figure, Site } from '../lib/bench.ts'
import { createClients } from '../lib/clients.ts'
import type { Work } from '../lib/clients.ts'
import { loadInventory, nameOf } from '../lib/csv.ts'
import { startServer } from '../lib/server.ts'

/** How many labels a second can 64 clients change, each on another Hardware and all on one? */

const clientCount = 64
const hardwareCount = 1000
const warmUp = 1000
const patches = 5000
/** fewer: they wait for each other */
const patchesOfOne = 1000

type Patching = Work & { conflicts: number }

function figuresOf(kind: string, { perSecond, perCpuSecond, latency, conflicts }: Patching): Figure[] {
  const { n, p50, p99 } = latency
  return [
    { name: `${kind}: patches per second`, unit: '/s', sample: perSecond },
    { name: `${kind}: patches per CPU-second`, unit: '/s', sample: perCpuSecond },
    { name: `${kind}: patch to answer, p99`, unit: 'ms', sample: { value: p99, n, p50, p99 } },
    { name: `${kind}: conflicts, tried again`, unit: '', sample: conflicts },
  ]
}

let change = 0

/** Changes a label; tries again as long as the server finds a conflict. @returns how often it did */
async function patch(client: Connection, name: string): Promise<number> {
  const body = JSON.stringify({ metadata: { labels: { bench: `change-${++change}` } } })
  for (let conflicts = 0; ; conflicts++) {
    const answer = await client.request('PATCH', `${hardwarePath}/${name}`, body, mergePatch)
    if (answer.status === 409) continue
    accepted(answer)
    return conflicts
  }
}

async function round(site: Site): Promise<Figure[]> {
  await using server = await startServer(site)
  const rows = { first: 0, count: hardwareCount, withBmc: false }
  await loadInventory(server.api, join(server.folder, 'inventory.csv'), rows)
  using clients = await createClients(server.api, clientCount)
  const patchOf = async (objects: number, calls: number): Promise<Patching> => {
    let conflicts = 0
    const work = await clients.work(server, calls, async (client, at) => {
      conflicts += await patch(client, nameOf(at % objects))
    })
    return { ...work, conflicts }
  }
  await patchOf(hardwareCount, warmUp)
  const different = await patchOf(hardwareCount, patches)
  const same = await patchOf(1, patchesOfOne)
  return [...figuresOf('different Hardware', different), ...figuresOf('one Hardware', same)]
}

await runBench('api/patch', round)
