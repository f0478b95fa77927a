import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { runBench } from '../lib/bench.ts'
import type { Figure, Site } from '../lib/bench.ts'
import { twoCores } from '../lib/cores.ts'
import { startPeer } from '../lib/peer.ts'
import type { Gate } from '../lib/report.ts'
import { startServer } from '../lib/server.ts'
import { nginx } from '../http/nginx.ts'
import { files, makeImage } from './image.ts'
import type { Image, Packing } from './image.ts'
import { createTarget } from './target.ts'
import type { Target } from './target.ts'
import type { Written } from './usage.ts'
import { pipelineOf, writeByAgent, writeByShell } from './writing.ts'
import type { Task } from './writing.ts'

/** How fast does the agent's image2disk write an image, and what does it cost the machine? */

const size = 512 * 2 ** 20
/** our port for images, and any other for the peer */
const ports = { own: 7171, peer: 80 }
/** gates, docs/performance.md; of an image with a checksum where `summed` */
const ratios: { packing: Packing; isSummed: boolean; atLeast: number }[] = [
  { packing: 'zst', isSummed: false, atLeast: 0.8 },
  { packing: 'gz', isSummed: false, atLeast: 1.2 },
  { packing: 'zst', isSummed: true, atLeast: 1.2 },
]
const peak: Gate = { atMost: 120 }

const megabytes = ({ seconds }: Written) => size / 1e6 / seconds

function figuresOf(
  name: string,
  { packing, isSummed }: { packing: Packing; isSummed: boolean },
  { agent, shell }: { agent: Written; shell: Written },
): Figure[] {
  const floor = ratios.find((gate) => gate.packing === packing && gate.isSummed === isSummed)
  const gate = floor ? { gate: { atLeast: floor.atLeast } } : {}
  return [
    { name: `${name}: ratio to the shell`, unit: '', sample: shell.seconds / agent.seconds, ...gate },
    { name: `${name}: agent`, unit: 'MB/s', sample: megabytes(agent) },
    { name: `${name}: shell`, unit: 'MB/s', sample: megabytes(shell) },
    { name: `${name}: agent, CPU time`, unit: 's', sample: agent.cpuSeconds },
    { name: `${name}: shell, CPU time`, unit: 's', sample: shell.cpuSeconds },
  ]
}

async function compare(task: Task) {
  return { agent: await writeByAgent(task), shell: await writeByShell(task) }
}

type Server = { name: string; base: string }

type Measured = { figures: Figure[]; peakMiB: number }

async function measure(server: Server, image: Image, target: Target, folder: string): Promise<Measured> {
  const figures: Figure[] = []
  let peakMiB = 0
  for (const packing of Object.keys(files) as Packing[]) {
    for (const isSummed of [false, true]) {
      const url = `${server.base}/${files[packing]}`
      const sha256 = isSummed ? image.sha256 : undefined
      const both = await compare({ url, packing, device: target.device, sha256, folder })
      const name = `${packing}${isSummed ? ' and sha256' : ''} from ${server.name}`
      figures.push(...figuresOf(name, { packing, isSummed }, both))
      peakMiB = Math.max(peakMiB, both.agent.peakMiB)
    }
  }
  return { figures, peakMiB }
}

let image: Image | undefined

async function round(site: Site): Promise<Figure[]> {
  const folder = join(site.folder, 'images')
  await mkdir(folder, { recursive: true })
  image ??= await makeImage(folder, size)
  await using target = await createTarget(join(site.folder, 'disk'), size)
  const address = site.address.replace(/\d+$/, '2')
  await promisify(execFile)('ip', ['addr', 'replace', `${address}/24`, 'dev', site.device])
  const options = { flags: ['--image-dir', folder], core: twoCores().server, isProbed: false }
  await using own = await startServer(site, options)
  await using peer = await startPeer(site, nginx(folder, { ip: address, port: ports.peer }))
  const servers: Server[] = [
    { name: peer.name, base: `http://${address}:${ports.peer}` },
    { name: 'ironwake', base: `http://${site.address}:${ports.own}/images` },
  ]
  const measured: Measured[] = []
  for (const server of servers) measured.push(await measure(server, image, target, own.folder))
  const peakMiB = Math.max(...measured.map((each) => each.peakMiB))
  return [
    ...measured.flatMap(({ figures }) => figures),
    { name: 'agent, peak memory of all runs', unit: 'MiB', sample: peakMiB, gate: peak },
  ]
}

for (const packing of Object.keys(files) as Packing[]) console.error(`shell: ${pipelineOf(packing, true)}`)
await runBench('disk/write', round)
