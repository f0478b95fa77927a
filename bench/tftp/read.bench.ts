import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { runBench } from '../lib/bench.ts'
import type { Figure, Site } from '../lib/bench.ts'
import { twoCores } from '../lib/cores.ts'
import { ipOf, loadInventory } from '../lib/csv.ts'
import { makeFile } from '../lib/files.ts'
import { runLoad } from '../lib/load.ts'
import { startPeer } from '../lib/peer.ts'
import { startServer } from '../lib/server.ts'
import { atftpd, dnsmasq, nextAddresses, tftpdHpa } from './peers.ts'
import type { ReadLoad, ReadReading } from './read-client.ts'

/** How fast are files read by TFTP, by one machine and by 50 at once? */

const mebibyte = 1 << 20
const machines = { first: 2, count: 50 }
const blockSize = 1468
const seconds = 1.5

type Peer = 'atftpd' | 'tftpd-hpa' | 'dnsmasq'
/**
 * `peers`: those that are measured, with the ratio to them that is a gate (docs/performance.md); atftpd alone has more
 * than one block on its way.
 */
type Case = { size: number; windowSize: number; clients: number; peers: [Peer, number?][] }

const cases: Case[] = [
  { size: 64 * mebibyte, windowSize: 1, clients: 1, peers: [['atftpd'], ['tftpd-hpa', 0.9], ['dnsmasq']] },
  { size: 64 * mebibyte, windowSize: 16, clients: 1, peers: [['atftpd', 0.95]] },
  { size: 64 * mebibyte, windowSize: 64, clients: 1, peers: [['atftpd', 0.95]] },
  { size: mebibyte, windowSize: 1, clients: 50, peers: [['atftpd'], ['tftpd-hpa', 1.4], ['dnsmasq', 0.6]] },
  { size: mebibyte, windowSize: 8, clients: 50, peers: [['atftpd'], ['tftpd-hpa', 1.4], ['dnsmasq', 0.6]] },
]

const fileOf = (size: number): string => `os/${size / mebibyte}MiB`
const titleOf = ({ size, windowSize, clients }: Case): string =>
  `${clients} x ${size / mebibyte} MiB, window ${windowSize}`

const ip = (...words: string[]) => promisify(execFile)('ip', words)

/** The machines' addresses, at which each may read as much as a machine may, and those of the peers. */
async function addAddresses({ device }: Site, peers: readonly string[]): Promise<void> {
  await ip('route', 'replace', 'local', '10.0.0.0/24', 'dev', 'lo')
  for (const address of peers) await ip('addr', 'replace', `${address}/24`, 'dev', device)
}

type Server = { address: string; pids(): readonly number[] }

async function measure({ address, pids }: Server, { size, windowSize, clients }: Case) {
  const told: ReadLoad = {
    warm: { seconds: 0.5, work: 4 * mebibyte },
    seconds,
    pids: pids(),
    server: { ip: address, port: 69 },
    file: fileOf(size),
    size,
    blockSize,
    windowSize,
    clients: Array.from({ length: clients }, (_, at) => ipOf(machines.first + at)),
  }
  const reading = await runLoad<ReadReading>(new URL('read-client.ts', import.meta.url), told)
  const megabytes = reading.work / 1e6
  return {
    perSecond: megabytes / reading.seconds,
    perCpuSecond: megabytes / reading.cpuSeconds,
    resent: reading.resent,
    clientShare: (reading.clientCpuSeconds / reading.seconds) * 100,
  }
}

type Measured = Awaited<ReturnType<typeof measure>>

function figuresOf(kind: Case, own: Measured, peers: readonly Measured[]): Figure[] {
  const title = titleOf(kind)
  const ratios = kind.peers.map(([name, least], at): Figure => ({
    name: `${title}: ratio to ${name}`,
    unit: '',
    sample: own.perSecond / peers[at]!.perSecond,
    ...(least === undefined ? {} : { gate: { atLeast: least } }),
  }))
  const rate = (name: string, sample: number): Figure => ({ name: `${title}: ${name}`, unit: 'MB/s', sample })
  return [
    ...ratios,
    rate('ironwake', own.perSecond),
    ...kind.peers.map(([name], at) => rate(name, peers[at]!.perSecond)),
    rate('ironwake, per CPU-second', own.perCpuSecond),
    { name: `${title}: packets sent again to ironwake`, unit: '', sample: own.resent },
    { name: `${title}: core of the clients in use`, unit: '%', sample: own.clientShare },
  ]
}

async function measureAll(own: Server, peers: Readonly<Record<Peer, Server>>): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const kind of cases) {
    const measured = await measure(own, kind)
    const others: Measured[] = []
    for (const [name] of kind.peers) others.push(await measure(peers[name], kind))
    figures.push(...figuresOf(kind, measured, others))
  }
  return figures
}

async function round(site: Site): Promise<Figure[]> {
  const addresses = nextAddresses(site, 3)
  await addAddresses(site, addresses)
  const folder = join(site.folder, 'files')
  await mkdir(join(folder, 'os'), { recursive: true })
  for (const { size } of cases) await makeFile(join(folder, fileOf(size)), size)
  const options = { flags: ['--os-dir', join(folder, 'os')], core: twoCores().server, isProbed: false }
  await using server = await startServer(site, options)
  await loadInventory(server.api, join(server.folder, 'machines.csv'), { ...machines, withBmc: false })
  const [first, second, third] = addresses.map((address) => ({ folder, address }))
  await using ofAtftpd = await startPeer(site, atftpd(first!))
  await using ofHpa = await startPeer(site, tftpdHpa(second!))
  await using ofDnsmasq = await startPeer(site, dnsmasq(third!))
  return await measureAll(
    { address: site.address, pids: () => [server.pid] },
    {
      atftpd: { ...first!, pids: ofAtftpd.pids },
      'tftpd-hpa': { ...second!, pids: ofHpa.pids },
      dnsmasq: { ...third!, pids: ofDnsmasq.pids },
    },
  )
}

await runBench('tftp/read', round)
