import t from 'tap'
import { dhclient, udhcpc } from './dhcp-clients.ts'
import { listen, listenIn } from './heard.ts'
import type { Heard } from './heard.ts'
import { addHost, asHost, macOf } from './hosts.ts'
import type { Host } from './hosts.ts'
import { startServer } from './server.ts'
import type { Server } from './server.ts'
import { createSite, missing } from './spaces.ts'
import type { Site, Space } from './spaces.ts'
import { addVlans } from './vlan.ts'

/** One link with two tagged VLANs, and what has no tag; the server has an interface in each. */
const serverIp = '192.168.77.1'
const vlans = [
  { vlan: 100, device: 'vlan100', subnet: '192.168.100', client: dhclient },
  { vlan: 200, device: 'vlan200', subnet: '192.168.200', client: udhcpc },
] as const
const first = ['dhcp-discover', 'dhcp-offer', 'dhcp-request', 'dhcp-ack']
t.jobs = 16

let site: Site
let server: Server
/** what others hear outside of VLANs, and in each of them */
let untagged: Heard
let tagged: Heard[]
/** of the machines in VLANs */
let spaces: Space[]
let plain: Host
const skip = await missing(...udhcpc.programs, ...dhclient.programs)
if (!skip) {
  site = await createSite(async (made) => {
    const space = await made.space()
    const link = await made.bridge(space, 'br0', `${serverIp}/24`)
    spaces = [await made.space(), await made.space()]
    const others = [await made.space(), await made.space()]
    await addVlans(
      link,
      vlans.flatMap(({ vlan, device, subnet }, index) => [
        { vlan, space, device, address: `${subnet}.1/24` },
        { vlan, space: spaces[index]!, device: 'eth0', mac: macOf(`${subnet}.20`) },
        { vlan, space: others[index]!, device: 'eth0', address: `${subnet}.3/24` },
      ]),
    )
    const interfaces = ['br0', ...vlans.map(({ device }) => device)]
    ;[server, untagged, ...tagged] = await Promise.all([
      startServer(space, { serverIp, interfaces, machines: [] }),
      listen(made, link, '192.168.77.3/24'),
      ...others.map(listenIn),
    ])
    plain = await addHost(made, link, '192.168.77.20')
    t.teardown(() => server[Symbol.asyncDispose]())
  })
  t.teardown(() => site[Symbol.asyncDispose]())
}

for (const [index, { vlan, subnet, client }] of vlans.entries())
  t.test(
    `${client.name} in VLAN ${vlan} is answered there, and nowhere else`,
    { skip, buffered: true },
    async (t) => {
      const ip = `${subnet}.20`
      const gateway = `${subnet}.1`
      const host = await asHost(site, spaces[index]!, { mac: macOf(ip), ip })
      await server.reserve({ mac: host.mac, ip, gateway })
      const running = await client.start(host, ...client.quick)
      t.match(await host.waitFor('bound'), { ip, router: gateway, lease: '3600', server: serverIp })
      await running.stop()
      t.same(server.stages(host.mac), first)
      const messages = await tagged[index]!.waitFor(host.mac, first.length)
      t.same(new Set(messages.map(({ type }) => type)), new Set([1, 2, 3, 5]), 'all of it is broadcast there')
      const elsewhere = [untagged, ...tagged.filter((_, other) => other !== index)]
      t.same(
        elsewhere.flatMap((one) => one.all(host.mac)),
        [],
        'nothing of it is heard elsewhere',
      )
    },
  )

t.test('a machine in no VLAN is answered there, and nowhere else', { skip, buffered: true }, async (t) => {
  await server.reserve({ mac: plain.mac, ip: plain.ip })
  const running = await udhcpc.start(plain)
  t.match(await plain.waitFor('bound'), { ip: plain.ip, router: serverIp })
  await running.stop()
  await untagged.waitFor(plain.mac, first.length)
  t.same(
    tagged.flatMap((one) => one.all(plain.mac)),
    [],
  )
})
