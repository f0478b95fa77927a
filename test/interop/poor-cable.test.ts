import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { digest } from './boot-files.ts'
import { dhclient } from './dhcp-clients.ts'
import { addHost } from './hosts.ts'
import type { Host } from './hosts.ts'
import { layCable } from './poor-cable.ts'
import type { Cable } from './poor-cable.ts'
import { fatesOf, poor } from './poor-line.ts'
import type { Quality } from './poor-line.ts'
import { startServer } from './server.ts'
import { createSite, missing } from './spaces.ts'
import type { Bridge, Site, Space } from './spaces.ts'

const serverIp = '192.168.77.1'
const skip = await missing('busybox')

t.test('a line treats frames as often as it is told, and each time the same ones', async (t) => {
  const count = 5000
  const draw = (quality: Quality) => Array.from({ length: count }, fatesOf(quality))
  const fates = draw(poor)
  t.ok(JSON.stringify(draw(poor)) === JSON.stringify(fates))
  t.ok(JSON.stringify(draw({ ...poor, seed: 8 })) !== JSON.stringify(fates))
  for (const kind of ['lost', 'doubled', 'late'] as const) {
    const times = fates.filter((fate) => fate.kind === kind).length
    const expected = (count * poor[kind]) / 1000
    t.ok(times > 0.8 * expected && times < 1.2 * expected, `${kind}: ${times} of ${count}`)
  }
})

type Far = { near: Space; bridge: Bridge; cable: Cable }

async function laidIn(site: Site, quality: Quality): Promise<Far> {
  const near = await site.space()
  const bridge = await site.bridge(await site.space(), 'br0')
  const cable = await layCable(await site.bridge(near, 'br0', `${serverIp}/24`), bridge, quality)
  return { near, bridge, cable }
}

t.test('a poor cable loses, doubles and delays what a ping sends', { skip }, async (t) => {
  await using site = await createSite(async () => {})
  const { bridge, cable } = await laidIn(site, poor)
  const host = await addHost(site, bridge, '192.168.77.9')
  await host.space.ip('addr', 'add', `${host.ip}/24`, 'dev', 'eth0')
  const { stdout } = await host.space.run('busybox', 'ping', '-c', '300', '-i', '0.01', serverIp)
  const [, doubled, percent] = /(\d+) duplicates, (\d+)% packet loss/.exec(stdout)?.map(Number) ?? []
  t.comment(stdout.slice(stdout.indexOf('---')))
  t.ok(doubled! > 0 && percent! > 10 && percent! < 30, `${doubled} duplicates, ${percent} % lost`)
  const [, leastMs] = /min\/avg\/max = ([\d.]+)/.exec(stdout)?.map(Number) ?? []
  t.ok(leastMs! > 1.9 * poor.delayMs, `an answer takes ${leastMs} ms`)
  const tallies = await cable.tallies()
  for (const { came, lost, late } of Object.values(tallies))
    t.ok(came > 240 && lost > 0 && late > 0, JSON.stringify(tallies))
  await cable[Symbol.asyncDispose]()
})

t.test('over a poor cable a machine gets its lease, and its files whole', { skip }, async (t) => {
  await using site = await createSite(async () => {})
  const { near, bridge, cable } = await laidIn(site, poor)
  for (const { file, size } of fetches) await writeFile(join(site.folder, file), randomBytes(size))
  const bootDirs = { ipxeDir: site.folder, osDir: site.folder, imageDir: site.folder }
  await using server = await startServer(near, { serverIp, interfaces: ['br0'], machines: [], bootDirs })
  const host = await addHost(site, bridge, '192.168.77.20')
  await server.reserve({ mac: host.mac, ip: host.ip })
  if (await missing('dhclient')) await host.space.ip('addr', 'add', `${host.ip}/24`, 'dev', 'eth0')
  else await getsLease(t, host)
  await Promise.all(fetches.map((fetch) => getsFile(t, host, site.folder, fetch)))
  t.comment(JSON.stringify(await cable.tallies()))
  await cable[Symbol.asyncDispose]()
})

async function getsLease(t: Test, host: Host): Promise<void> {
  const started = performance.now()
  const running = await dhclient.start(host)
  t.match(await host.waitFor('bound'), { ip: host.ip, router: serverIp, server: serverIp })
  t.comment(`dhclient: ${seconds(started)}`)
  await running.stop()
}

type Fetch = { program: string; file: string; size: number; command(local: string): string[] }

const fetches: readonly Fetch[] = [
  {
    program: 'tftp',
    file: 'short',
    size: 12_000,
    command: (local) => [
      'sh',
      '-c',
      `printf 'rexmt 1\nget os/short ${local}\n' | tftp -m binary ${serverIp}`,
    ],
  },
  {
    program: 'atftp',
    file: 'long',
    size: 300_000,
    command: (local) => {
      const options = ['blksize 1428', 'windowsize 16'].flatMap((option) => ['--option', option])
      return ['atftp', ...options, '-g', '-r', 'os/long', '-l', local, serverIp]
    },
  },
]
/** atftp gives up when its first acknowledgement is lost, for the options then come a second time. */
const tries = 8

async function getsFile(t: Test, host: Host, from: string, { program, file, command }: Fetch): Promise<void> {
  if (await missing(program)) return t.comment(`${program} is not installed`)
  const started = performance.now()
  const local = join(host.folder, file)
  for (let tried = 1; ; tried += 1) {
    try {
      await host.space.run(...command(local))
      break
    } catch (error) {
      t.comment(`${program}, try ${tried}: ${(error as { stderr: string }).stderr}`)
      if (tried === tries) throw error
    }
  }
  t.equal(digest(local), digest(join(from, file)), `${program} gets its file whole`)
  t.comment(`${program}: ${seconds(started)}`)
}

const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`
