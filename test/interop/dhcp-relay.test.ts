import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { clients, dhclient, npmDhcp, udhcpc } from './dhcp-clients.ts'
import { addHost } from './hosts.ts'
import type { Host } from './hosts.ts'
import { startServer } from './server.ts'
import type { Server } from './server.ts'
import { createSite, missing, until } from './spaces.ts'
import type { Bridge, Site, Space } from './spaces.ts'

/**
 * The server has its address on another link than the one that the relays are on: server (192.168.77.1, 192.168.78.1) —
 * dhcrelay (192.168.78.5, 10.77.1.1) or dnsmasq (192.168.78.6, 10.77.2.1) — clients; and dnsmasq (192.168.78.7, 10.77.3.1)
 * with clients on a link that the server has no route to.
 */
const serverIp = '192.168.77.1'
const gateway = '10.77.1.1'
const dnsmasqGateway = '10.77.2.1'
const splitGateway = '10.77.3.1'
const splitRelay = '--dhcp-split-relay'
const first = ['dhcp-discover', 'dhcp-offer', 'dhcp-request', 'dhcp-ack']
t.jobs = 16

let site: Site
let far: Bridge
let dnsmasqFar: Bridge
let splitFar: Bridge
let server: Server
const skip = await missing('dhcrelay')
const skipDnsmasq = skip || (await missing('dnsmasq'))
const skipSplit = skipDnsmasq || (await cannotSplit())
if (!skip) {
  site = await createSite(async (made) => {
    const space = await made.space()
    await made.bridge(space, 'br0', `${serverIp}/24`)
    const uplink = await made.bridge(space, 'br1', '192.168.78.1/24')
    const relay = await router(made, uplink, '192.168.78.5')
    far = await made.bridge(relay, 'down0', `${gateway}/24`)
    await space.ip('route', 'add', '10.77.1.0/24', 'via', '192.168.78.5')
    const second = await router(made, uplink, '192.168.78.6')
    dnsmasqFar = await made.bridge(second, 'down0', `${dnsmasqGateway}/24`)
    await space.ip('route', 'add', '10.77.2.0/24', 'via', '192.168.78.6')
    const third = await router(made, uplink, '192.168.78.7')
    splitFar = await made.bridge(third, 'down0', `${splitGateway}/24`)
    server = await startServer(space, { serverIp, interfaces: ['br0', 'br1'], machines: [] })
    await startRelay(made, relay)
    if (!skipDnsmasq) await startDnsmasq(second, `--dhcp-relay=${dnsmasqGateway},${serverIp}`)
    if (!skipSplit) await startDnsmasq(third, `${splitRelay}=${splitGateway},${serverIp},up0`)
  })
  t.teardown(() => site[Symbol.asyncDispose]())
}

async function router(made: Site, uplink: Bridge, ip: string): Promise<Space> {
  const space = await made.space()
  await made.plug(space, 'up0', uplink, { address: `${ip}/24` })
  await space.ip('route', 'add', 'default', 'via', '192.168.78.1')
  await space.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')
  return space
}

/** Adds option 82 (`-a`), and drops replies that do not bring it back as it was (`-D`). */
async function startRelay(made: Site, space: Space): Promise<void> {
  const pid = join(made.folder, 'relay.pid')
  const links = ['-id', 'down0', '-iu', 'up0']
  const child = space.start('dhcrelay', '-4', '-d', '-a', '-D', '-pf', pid, ...links, serverIp)
  let said = ''
  child.stderr!.on('data', (text) => (said += String(text)))
  await until(
    () => said.includes('Socket/fallback'),
    () => `dhcrelay is not ready: ${said}`,
  )
}

/** Option 82 is for dnsmasq 2.92 and later: clients' link (RFC 3527), server identifier (RFC 5107), interface. */
async function cannotSplit(): Promise<string | false> {
  const { stdout } = await promisify(execFile)('dnsmasq', ['--help'])
  return !stdout.includes(splitRelay) && `this dnsmasq has no ${splitRelay}`
}

async function startDnsmasq(space: Space, relay: string): Promise<void> {
  const settings = ['--no-daemon', '--port=0', '--conf-file=/dev/null', '--pid-file=', '--user=root']
  const child = space.start('dnsmasq', ...settings, '--log-dhcp', relay)
  let said = ''
  child.stderr!.on('data', (text) => (said += String(text)))
  await until(
    () => /DHCP (split-)?relay from/.test(said),
    () => `dnsmasq is not ready: ${said}`,
  )
}

async function client(ip: string, leaseSeconds = 3600): Promise<Host> {
  const host = await addHost(site, far, ip)
  await server.reserve({ mac: host.mac, ip, gateway, leaseSeconds })
  return host
}

const lease = { router: gateway, hostname: 'node1', server: serverIp }

for (const [index, { name, programs, quick, start }] of clients.entries()) {
  const options = { skip: skip || (await missing(...programs)), buffered: true }
  t.test(`${name} behind a relay that adds option 82 gets its reservation`, options, async (t) => {
    const host = await client(`10.77.1.${20 + index}`)
    const running = await start(host, ...quick)
    t.match(await host.waitFor('bound'), { ...lease, ip: host.ip, lease: '3600' })
    await running.stop()
    t.same(server.stages(host.mac), first)
    t.match(server.seen(host.mac)[0], { stage: 'dhcp-discover', relay: gateway })
  })
}

for (const [index, { name, programs, quick, start }] of clients.entries()) {
  const options = { skip: skipDnsmasq || (await missing(...programs)), buffered: true }
  t.test(`${name} behind dnsmasq as relay gets its reservation`, options, async (t) => {
    const host = await addHost(site, dnsmasqFar, `10.77.2.${20 + index}`)
    await server.reserve({ mac: host.mac, ip: host.ip, gateway: dnsmasqGateway })
    const running = await start(host, ...quick)
    t.match(await host.waitFor('bound'), { ...lease, router: dnsmasqGateway, ip: host.ip, lease: '3600' })
    await running.stop()
    t.same(server.stages(host.mac), first)
    t.match(server.seen(host.mac)[0], { stage: 'dhcp-discover', relay: dnsmasqGateway })
  })
}

for (const [index, { name, programs, quick, start }] of [dhclient, udhcpc].entries()) {
  const options = { skip: skipSplit || (await missing(...programs)), buffered: true }
  t.test(
    `${name} behind a relay that the server cannot see past gets its reservation`,
    options,
    async (t) => {
      const host = await addHost(site, splitFar, `10.77.3.${20 + index}`)
      await server.reserve({ mac: host.mac, ip: host.ip, gateway: splitGateway, leaseSeconds: 4 })
      const running = await start(host, ...quick)
      const bound = { ...lease, router: splitGateway, server: splitGateway, ip: host.ip, lease: '4' }
      t.match(await host.waitFor('bound'), bound)
      t.same(server.stages(host.mac), first)
      t.match(server.seen(host.mac)[0], { stage: 'dhcp-discover', relay: '192.168.78.7' })
      await running.renew?.()
      await host.waitFor('renew')
      await running.stop()
      t.match(server.seen(host.mac).slice(first.length), [
        { stage: 'dhcp-request', relay: '192.168.78.7' },
        { stage: 'dhcp-ack' },
      ])
    },
  )
}

t.test(
  'the client of the npm package dhcp behind a relay gets its reservation',
  { skip, buffered: true },
  async (t) => {
    const host = await client('10.77.1.29')
    // It asks for no broadcast, so the relay answers to the new address, which a client without a raw socket hears only
    // when it has that address.
    await host.space.ip('addr', 'add', `${host.ip}/24`, 'dev', 'eth0')
    t.match(await npmDhcp(host), { ...lease, ip: host.ip })
    t.match(server.seen(host.mac)[0], { stage: 'dhcp-discover', relay: gateway })
  },
)

const skipUdhcpc = skip || (await missing(...udhcpc.programs))
t.test(
  'a machine behind a relay that is not known gets nothing',
  { skip: skipUdhcpc, buffered: true },
  async (t) => {
    const host = await addHost(site, far, '10.77.1.99')
    const running = await udhcpc.start(host, '-t', '2')
    await host.waitFor('leasefail')
    await running.stop()
    t.match(server.seen(host.mac), [
      { stage: 'dhcp-discover' },
      { stage: 'dhcp-silent', why: 'unknown-machine' },
    ])
  },
)

const skipDhclient = skip || (await missing(...dhclient.programs))
t.test(
  'dhclient behind a relay renews past it, and is refused through it',
  { skip: skipDhclient, buffered: true },
  async (t) => {
    const host = await client('10.77.1.30', 4)
    const { mac, ip } = host
    const before = await dhclient.start(host)
    await host.waitFor('bound')
    await server.reserve({ mac, ip, gateway })
    await host.waitFor('renew')
    await before.stop()
    // dhcrelay takes packets from the wire, those that only pass it too, so the server has the renewal a second time
    const renewal = server.seen(mac).slice(first.length)
    t.ok(renewal.some(({ stage, relay }) => stage === 'dhcp-request' && relay === undefined))
    t.ok(renewal.every((entry) => entry.ip === ip && ['dhcp-request', 'dhcp-ack'].includes(entry.stage)))

    const other = '10.77.1.31'
    const told = (await host.events()).length
    const seen = server.stages(mac).length
    await server.reserve({ mac, ip: other, gateway })
    const after = await dhclient.start(host)
    t.match(await host.waitFor('bound', told), { ...lease, ip: other })
    t.match(server.seen(mac).slice(seen), [
      { stage: 'dhcp-request', ip, relay: gateway },
      { stage: 'dhcp-nak', ip },
      { stage: 'dhcp-discover' },
      { stage: 'dhcp-offer' },
      { stage: 'dhcp-request' },
      { stage: 'dhcp-ack', ip: other },
    ])
    await after.stop()
  },
)
