import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { clients, dhcpcd, udhcpc } from '../interop/dhcp-clients.ts'
import { addHost } from '../interop/hosts.ts'
import { createSite, missing } from '../interop/spaces.ts'
import type { Bridge, Site, Space } from '../interop/spaces.ts'
import { startLive } from './live.ts'
import type { LiveServer } from './live.ts'

/** Real clients that no Hardware knows, and the pool of a server in a namespace; each test has a link of its own. */
const serverIp = '192.168.77.1'
let site: Site
const skip = await missing()
if (!skip) {
  site = await createSite(async () => {})
  t.teardown(() => site[Symbol.asyncDispose]())
}
t.jobs = 16
t.setTimeout(240_000)

type Place = { space: Space; bridge: Bridge; start(): Promise<LiveServer> }

async function place(
  flags: Record<string, string> = {},
  machines: { mac: string; ip?: string }[] = [],
): Promise<Place> {
  const space = await site.space()
  const bridge = await site.bridge(space, 'br0', `${serverIp}/24`)
  const dataDir = await mkdtemp(join(site.folder, 'data-'))
  const settings = {
    interface: 'br0',
    'dhcp.pool.range': '192.168.77.100-192.168.77.102',
    'dhcp.pool.gateway': serverIp,
    ...flags,
  }
  return { space, bridge, start: () => startLive(space, { serverIp, dataDir, flags: settings, machines }) }
}

const first = ['dhcp-discover', 'dhcp-offer', 'dhcp-request', 'dhcp-ack']
const stagesOf = (server: LiveServer, mac: string) => server.seen(mac).map(({ stage }) => stage)
const inPool = /^192\.168\.77\.10[0-2]$/

for (const client of clients) {
  const options = { skip: skip || (await missing(...client.programs)), buffered: true }
  t.test(
    `${client.name} gets an address, renews it, and keeps it although the server is killed`,
    options,
    async (t) => {
      const { bridge, start } = await place({ 'dhcp.pool.leaseSeconds': '12' })
      const server = await start()
      const host = await addHost(site, bridge, '192.168.77.200')
      const running = await client.start(host, ...client.quick)
      const { ip } = await host.waitFor('bound')
      t.match(ip, inPool)
      t.same(
        stagesOf(server, host.mac).filter((stage) => stage !== 'dhcp-silent'),
        first,
      )
      await host.waitFor('renew')
      t.match(server.seen(host.mac).slice(-2), [
        { stage: 'dhcp-request', ip },
        { stage: 'dhcp-ack', ip, pool: true },
      ])
      await server.kill()

      await using after = await start()
      const rival = await addHost(site, bridge, '192.168.77.201')
      const second = await client.start(rival, ...client.quick)
      const { ip: others } = await rival.waitFor('bound')
      t.match(others, inPool)
      t.not(others, ip, 'the lease of the first is known')
      const renewed = await after.waitFor(host.mac, 'dhcp-ack')
      t.match(renewed, { ip, pool: true }, 'and it can go on')
      await Promise.all([running.stop(), second.stop()])
    },
  )

  t.test(
    `${client.name} declines an address that another host has, and gets the next`,
    options,
    async (t) => {
      const { bridge, start } = await place({ 'dhcp.pool.probe': 'false' })
      await using server = await start()
      const owner = await site.space()
      await site.plug(owner, 'eth0', bridge, { address: '192.168.77.100/24' })
      const host = await addHost(site, bridge, '192.168.77.200', { checksArp: true })
      const running = await client.start(host, ...client.careful)
      t.match(await server.waitFor(host.mac, 'dhcp-silent'), {
        type: 'decline',
        ip: '192.168.77.100',
        why: 'declined',
      })
      await server.waitFor(
        host.mac,
        'dhcp-ack',
        server.seen(host.mac).findIndex(({ stage }) => stage === 'dhcp-silent'),
      )
      t.equal(server.seen(host.mac).findLast(({ stage }) => stage === 'dhcp-ack')?.['ip'], '192.168.77.101')
      await running.stop()
    },
  )
}

const skipUdhcpc = skip || (await missing(...udhcpc.programs))
t.test('an address that another host has is not offered', { skip: skipUdhcpc, buffered: true }, async (t) => {
  const { bridge, start } = await place()
  await using server = await start()
  const owner = await site.space()
  await site.plug(owner, 'eth0', bridge, { address: '192.168.77.100/24' })
  // a host that drops echo requests is still found
  await owner.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all')
  const host = await addHost(site, bridge, '192.168.77.200')
  const running = await udhcpc.start(host)
  t.match(await host.waitFor('bound'), { ip: '192.168.77.101', router: serverIp, lease: '600' })
  await running.stop()
  t.ok(server.seen(host.mac).every(({ ip }) => ip !== '192.168.77.100'))
})

t.test(
  'a lease that ran out goes to another machine, and one that is given back',
  { skip: skipUdhcpc, buffered: true },
  async (t) => {
    const { bridge, start } = await place({
      'dhcp.pool.range': '192.168.77.100-192.168.77.100',
      'dhcp.pool.leaseSeconds': '4',
    })
    await using server = await start()
    const host = await addHost(site, bridge, '192.168.77.200')
    const gone = await udhcpc.start(host)
    await host.waitFor('bound')
    await gone.stop()
    await host.space.ip('addr', 'flush', 'dev', 'eth0')
    const second = await addHost(site, bridge, '192.168.77.201')
    const running = await udhcpc.start(second, '-t', '20')
    t.match(await second.waitFor('bound'), { ip: '192.168.77.100' })
    t.match(
      server.seen(second.mac).find(({ stage }) => stage === 'dhcp-silent'),
      { why: 'pool-exhausted' },
      'while the first had it',
    )
    await running.release()
    await server.waitFor(
      second.mac,
      'dhcp-silent',
      server.seen(second.mac).findIndex(({ stage }) => stage === 'dhcp-ack'),
    )
    await running.stop()
    const third = await addHost(site, bridge, '192.168.77.202')
    const last = await udhcpc.start(third, '-t', '20')
    t.match(await third.waitFor('bound'), { ip: '192.168.77.100' })
    await last.stop()
  },
)

t.test(
  'addresses of machines of the inventory stay theirs',
  { skip: skipUdhcpc, buffered: true },
  async (t) => {
    const known = { mac: '52:54:00:00:00:aa', ip: '192.168.77.100' }
    const bare = { mac: '52:54:00:00:00:ab' }
    const { bridge, start } = await place({}, [known, bare])
    await using server = await start()
    const [stranger, own, without] = await Promise.all([
      addHost(site, bridge, '192.168.77.200'),
      addHost(site, bridge, known.ip, { mac: known.mac }),
      addHost(site, bridge, '192.168.77.201', { mac: bare.mac }),
    ])
    const running = []
    for (const [host, want] of [
      [stranger, '192.168.77.101'],
      [own, known.ip],
      [without, '192.168.77.102'],
    ] as const) {
      running.push(await udhcpc.start(host))
      t.match(await host.waitFor('bound'), { ip: want })
    }
    t.notOk(server.seen(own.mac).at(-1)?.['pool'])
    t.ok(server.seen(without.mac).at(-1)?.['pool'], 'a machine without an address gets one of the pool')
    await Promise.all(running.map((one) => one.stop()))
  },
)

t.test(
  'dhcpcd with an address of its own is told the settings alone',
  { skip: skip || (await missing(...dhcpcd.programs)), buffered: true },
  async (t) => {
    const { bridge, start } = await place()
    await using server = await start()
    const host = await addHost(site, bridge, '192.168.77.71')
    await host.space.ip('addr', 'add', '192.168.77.171/24', 'dev', 'eth0')
    const running = await dhcpcd.start(host, ...dhcpcd.quick, '--inform=192.168.77.171')
    t.match(await host.waitFor('inform'), { router: serverIp, lease: '' })
    await running.stop()
    t.match(server.seen(host.mac), [{ stage: 'dhcp-request', inform: true }, { stage: 'dhcp-ack' }])
  },
)
