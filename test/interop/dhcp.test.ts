import { join } from 'node:path'
import t from 'tap'
import { bootArchs, digest, ipxeFolder, pathOf } from './boot-files.ts'
import { clients, dhcpcd, npmDhcp, udhcpc } from './dhcp-clients.ts'
import { listen } from './heard.ts'
import type { Heard } from './heard.ts'
import { addHost } from './hosts.ts'
import { startServer } from './server.ts'
import type { Server } from './server.ts'
import { createSite, missing } from './spaces.ts'
import type { Bridge, Site } from './spaces.ts'

const serverIp = '192.168.77.1'
/** option 93: from here on, architectures that boot by HTTP (IANA) */
const firstHttpArch = 15
const first = ['dhcp-discover', 'dhcp-offer', 'dhcp-request', 'dhcp-ack']
t.jobs = 16

let site: Site
let near: Bridge
let ipxeDir: string
let server: Server
/** the server's two links, and what others hear there */
let links: { subnet: string; bridge: Bridge; heard: Heard }[]
const skip = await missing()
if (!skip) {
  site = await createSite(async (made) => {
    const space = await made.space()
    near = await made.bridge(space, 'br0', `${serverIp}/24`)
    const far = await made.bridge(space, 'br1', '192.168.78.1/24')
    ipxeDir = await ipxeFolder(made.folder)
    const bootDirs = { ipxeDir, osDir: made.folder, imageDir: made.folder }
    const bridges = [
      { subnet: '192.168.77', bridge: near },
      { subnet: '192.168.78', bridge: far },
    ]
    const [started, ...heard] = await Promise.all([
      startServer(space, { serverIp, interfaces: ['br0', 'br1'], machines: [], bootDirs }),
      ...bridges.map(({ subnet, bridge }) => listen(made, bridge, `${subnet}.3/24`)),
    ])
    server = started
    links = bridges.map((link, index) => ({ ...link, heard: heard[index]! }))
    t.teardown(() => server[Symbol.asyncDispose]())
  })
  t.teardown(() => site[Symbol.asyncDispose]())
}

const lease = { router: serverIp, hostname: 'node1', lease: '3600', server: serverIp }

for (const [index, client] of clients.entries()) {
  const options = { skip: skip || (await missing(...client.programs)), buffered: true }
  t.test(
    `${client.name} gets its reservation, and its answers are on its own link only`,
    options,
    async (t) => {
      for (const { subnet, bridge, heard } of links) {
        const ip = `${subnet}.${20 + index}`
        const host = await addHost(site, bridge, ip)
        const gateway = `${subnet}.1`
        await server.reserve({ mac: host.mac, ip, gateway })
        const running = await client.start(host, ...client.quick)
        t.match(await host.waitFor('bound'), { ...lease, ip, router: gateway })
        await running.stop()
        t.same(server.stages(host.mac), first)
        const messages = await heard.waitFor(host.mac, first.length)
        const types = new Set(messages.map(({ type }) => type))
        t.same(types, new Set([1, 2, 3, 5]), 'DISCOVER, OFFER, REQUEST and ACK are broadcast')
        const elsewhere = links.filter((link) => link.heard !== heard)
        t.same(
          elsewhere.flatMap((link) => link.heard.all(host.mac)),
          [],
        )
      }
    },
  )
}

// Not beside the others: it takes the first answer on its network, whoever that is for.
t.test('the client of the npm package dhcp gets its reservation', { skip }, async (t) => {
  const host = await addHost(site, near, '192.168.77.29')
  await server.reserve({ mac: host.mac, ip: host.ip })
  t.match(await npmDhcp(host), { ...lease, ip: host.ip })
  t.same(server.stages(host.mac), first)
})

const skipUdhcpc = skip || (await missing(...udhcpc.programs))
t.test('a machine that is not known gets nothing', { skip: skipUdhcpc, buffered: true }, async (t) => {
  const host = await addHost(site, near, '192.168.77.99')
  const running = await udhcpc.start(host, '-t', '2')
  await host.waitFor('leasefail')
  await running.stop()
  t.match(server.seen(host.mac), [
    { stage: 'dhcp-discover' },
    { stage: 'dhcp-silent', why: 'unknown-machine' },
  ])
  t.ok(links.every((link) => link.heard.all(host.mac).every(({ to }) => to === 67)))
})

t.test(
  'firmware gets the program of its architecture, and gets it whole',
  { skip: skipUdhcpc, buffered: true },
  async (t) => {
    const host = await addHost(site, near, '192.168.77.70')
    await server.reserve({ mac: host.mac, ip: host.ip })
    for (const [arch, program] of bootArchs) {
      const isHttp = arch >= firstHttpArch
      const out = join(host.folder, `arch${arch}`)
      const vendor = `${isHttp ? 'HTTP' : 'PXE'}Client:Arch:${String(arch).padStart(5, '0')}:UNDI:003016`
      const told = (await host.events()).length
      const running = await udhcpc.start(
        host,
        '-V',
        vendor,
        '-x',
        `0x5d:00${arch.toString(16).padStart(2, '0')}`,
      )
      const { siaddr, file } = await host.waitFor('bound', told)
      if (isHttp) {
        t.equal(file, `http://${serverIp}:7171/ipxe/binary/${program}`, `arch ${arch}`)
        await host.space.run('busybox', 'wget', '-q', '-O', out, file)
      } else {
        t.equal(file, program, `arch ${arch}`)
        await host.space.run('busybox', 'tftp', '-g', '-r', file, '-l', out, siaddr)
      }
      await running.stop()
      t.equal(digest(out), digest(pathOf(ipxeDir, program)), `${file} for arch ${arch}`)
      await server.waitFor(host.mac, isHttp ? 'boot-file' : 'tftp-read')
    }
  },
)

const skipDhcpcd = skip || (await missing(...dhcpcd.programs))
t.test(
  'dhcpcd with an address of its own is told the settings alone',
  { skip: skipDhcpcd, buffered: true },
  async (t) => {
    const host = await addHost(site, near, '192.168.77.71')
    await server.reserve({ mac: host.mac, ip: host.ip })
    await host.space.ip('addr', 'add', '192.168.77.171/24', 'dev', 'eth0')
    const running = await dhcpcd.start(host, ...dhcpcd.quick, '--inform=192.168.77.171')
    t.match(await host.waitFor('inform'), { router: serverIp, hostname: 'node1', lease: '' })
    await running.stop()
    t.same(server.seen(host.mac), [
      { mac: host.mac, stage: 'dhcp-request', ip: '192.168.77.171', client: 'os', inform: true },
      { mac: host.mac, stage: 'dhcp-ack' },
    ])
  },
)

t.test(
  'dhcpcd that only looks what it would get takes no lease',
  { skip: skipDhcpcd, buffered: true },
  async (t) => {
    const host = await addHost(site, near, '192.168.77.72')
    await server.reserve({ mac: host.mac, ip: host.ip })
    const running = await dhcpcd.start(host, '-T')
    t.match(await host.waitFor('test'), { ...lease, ip: host.ip })
    await running.stop()
    t.same(server.stages(host.mac), ['dhcp-discover', 'dhcp-offer'])
  },
)

const ways = [
  { name: 'tied to one interface', interfaces: ['br0'] },
  { name: 'tied to none, with no default route', interfaces: [] },
]
for (const { name, interfaces } of ways) {
  t.test(
    `udhcpc gets its reservation from a server ${name}`,
    { skip: skipUdhcpc, buffered: true },
    async (t) => {
      const space = await site.space()
      const bridge = await site.bridge(space, 'br0', `${serverIp}/24`)
      await site.bridge(space, 'br1', '192.168.78.1/24')
      const host = await addHost(site, bridge, '192.168.77.21')
      const machines = [{ mac: host.mac, ip: host.ip }]
      await using alone = await startServer(space, { serverIp, interfaces, machines })
      const running = await udhcpc.start(host)
      t.match(await host.waitFor('bound'), { ...lease, ip: host.ip })
      await running.stop()
      t.same(alone.stages(host.mac), first)
    },
  )
}
