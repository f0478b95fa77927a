import { chmod, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { udhcpc } from '../interop/dhcp-clients.ts'
import { addHost } from '../interop/hosts.ts'
import type { Host } from '../interop/hosts.ts'
import { startOtherDhcp } from '../interop/other-dhcp.ts'
import { createSite, missing } from '../interop/spaces.ts'
import type { Bridge, Site } from '../interop/spaces.ts'
import { startLive } from './live.ts'
import type { LiveServer } from './live.ts'

/** Who asks for files and metadata, of machines whose address is in no Hardware; each test has a link of its own. */
const serverIp = '192.168.77.1'
const known = '52:54:00:00:00:01'
const unknown = '52:54:00:00:00:02'
let site: Site
const skip = await missing('busybox', 'curl')
if (!skip) {
  site = await createSite(async () => {})
  t.teardown(() => site[Symbol.asyncDispose]())
}
t.jobs = 4
t.setTimeout(240_000)

async function place(flags: Record<string, string>): Promise<{ bridge: Bridge; server: LiveServer }> {
  const space = await site.space()
  const bridge = await site.bridge(space, 'br0', `${serverIp}/24`)
  const dir = await mkdtemp(join(site.folder, 'data-'))
  const bootDirs = { ipxeDir: join(dir, 'ipxe'), osDir: join(dir, 'os'), imageDir: join(dir, 'images') }
  for (const made of Object.values(bootDirs)) await mkdir(made)
  await writeFile(join(bootDirs.ipxeDir, 'undionly.kpxe'), 'a boot program')
  await writeFile(join(bootDirs.osDir, 'vmlinuz-x86_64'), 'a kernel')
  const server = await startLive(space, {
    serverIp,
    dataDir: dir,
    bootDirs,
    flags: { interface: 'br0', ...flags },
    machines: [{ mac: known }],
  })
  return { bridge, server }
}

async function join77(bridge: Bridge, mac: string): Promise<Host> {
  const host = await addHost(site, bridge, '192.168.77.200', { mac })
  const running = await udhcpc.start(host, '-q')
  await host.waitFor('bound')
  await running.stop()
  return host
}

/** Reads over TFTP, HTTP and from the metadata service. @returns the status of the latter */
async function readAll({ space }: Host): Promise<string> {
  await space.run('busybox', 'tftp', '-g', '-r', 'undionly.kpxe', '-l', '/dev/null', serverIp)
  await space.run('curl', '-sf', '-o', '/dev/null', `http://${serverIp}:7171/os/vmlinuz-x86_64`)
  const url = `http://${serverIp}:7172/2009-04-04/user-data`
  const { stdout } = await space.run('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', url)
  return stdout
}

t.test(
  'a lease of the pool says who asks, whether a Hardware knows the machine or not',
  { skip, buffered: true },
  async (t) => {
    const { bridge, server } = await place({ 'dhcp.pool.range': '192.168.77.100-192.168.77.102' })
    t.teardown(() => server[Symbol.asyncDispose]())
    const [ours, others] = [await join77(bridge, known), await join77(bridge, unknown)]
    t.same([await readAll(ours), await readAll(others)], ['200', '404'])
    for (const mac of [known, unknown]) {
      t.match(await server.waitFor(mac, 'tftp-read'), { file: 'undionly.kpxe', bytes: 14 })
      t.match(await server.waitFor(mac, 'kernel'), { bytes: 8 })
    }
    t.match(await server.waitFor(known, 'metadata'), { path: 'user-data' })
    t.same(
      server.seen(unknown).filter(({ stage }) => stage === 'metadata'),
      [],
    )
  },
)

t.test(
  'what a machine took from another DHCP server says who asks, but for secrets',
  { skip: skip || (await missing('dnsmasq')), buffered: true },
  async (t) => {
    const { bridge, server } = await place({ 'dhcp.mode': 'auto-proxy' })
    t.teardown(() => server[Symbol.asyncDispose]())
    await startOtherDhcp(site, bridge)
    const [ours, others] = [await join77(bridge, known), await join77(bridge, unknown)]
    t.match((await ours.events()).at(-1), { server: '192.168.77.2' })
    t.same([await readAll(ours), await readAll(others)], ['403', '404'])
    for (const mac of [known, unknown]) {
      t.match(await server.waitFor(mac, 'tftp-read'), { file: 'undionly.kpxe', bytes: 14 })
      t.match(await server.waitFor(mac, 'kernel'), { bytes: 8 })
    }
    t.match(await server.waitFor(known, 'metadata'), { withheld: true })
  },
)

for (const [port, want] of [
  ['514', 'c0a84d01'],
  ['5514', ''],
] as const)
  t.test(
    `while syslog is on port ${port}, clients are told ${want ? 'this' : 'no'} log server`,
    { skip, buffered: true },
    async (t) => {
      const { bridge, server } = await place({
        'dhcp.pool.range': '192.168.77.100-192.168.77.102',
        'syslog.port': port,
      })
      t.teardown(() => server[Symbol.asyncDispose]())
      const { space, folder } = await addHost(site, bridge, '192.168.77.200', { mac: known })
      const hook = join(folder, 'tell')
      await writeFile(hook, `#!/bin/sh\n[ "$1" != bound ] || echo "$opt7" > '${folder}/told'\n`)
      await chmod(hook, 0o755)
      await space.run('busybox', 'udhcpc', '-q', '-n', '-f', '-O', '7', '-s', hook, '-i', 'eth0')
      t.equal((await readFile(join(folder, 'told'), 'utf8')).trim(), want)
    },
  )
