import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { FoundServer } from '../../src/dhcp/probe.ts'
import { dhclient, udhcpc } from '../interop/dhcp-clients.ts'
import { addHost } from '../interop/hosts.ts'
import { createSite, missing, until } from '../interop/spaces.ts'
import type { Bridge, Site, Space } from '../interop/spaces.ts'
import { startLive } from './live.ts'

/** Our proxy (192.168.77.1) beside dnsmasq (192.168.77.2), which gives the addresses, on one link. */
const serverIp = '192.168.77.1'
const otherIp = '192.168.77.2'
const pxe = { mac: '52:54:00:00:00:01', allowPxe: true }
let site: Site
let space: Space
let bridge: Bridge
const skip = await missing('dnsmasq')
if (!skip) {
  site = await createSite(async (made) => {
    space = await made.space()
    bridge = await made.bridge(space, 'br0', `${serverIp}/24`)
    const other = await made.space()
    await made.plug(other, 'eth0', bridge, { address: `${otherIp}/24` })
    const files = [
      `--dhcp-leasefile=${made.folder}/leases`,
      '--pid-file=',
      '--conf-file=/dev/null',
      '--user=root',
    ]
    const child = other.start(
      'dnsmasq',
      '--no-daemon',
      '--port=0',
      '--interface=eth0',
      '--bind-interfaces',
      '--dhcp-authoritative',
      '--dhcp-range=192.168.77.150,192.168.77.199,10m',
      '--no-ping',
      ...files,
    )
    let said = ''
    child.stderr!.on('data', (text) => (said += String(text)))
    await until(
      () => said.includes('DHCP, sockets bound'),
      () => `dnsmasq is not ready: ${said}`,
    )
  })
  t.teardown(() => site[Symbol.asyncDispose]())
}
t.setTimeout(120_000)

const start = async (mode: 'proxy' | 'auto-proxy') =>
  startLive(space, {
    serverIp,
    dataDir: await mkdtemp(join(site.folder, 'data-')),
    flags: { interface: 'br0', 'dhcp.mode': mode },
    machines: [pxe],
  })

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const doctor = (...words: string[]) => [process.execPath, '--import=tsx', main, 'doctor', 'network', ...words]

t.test('running systems get their addresses from the other server', { skip }, async (t) => {
  await using server = await start('auto-proxy')
  for (const client of [udhcpc, dhclient]) {
    if (await missing(...client.programs)) continue
    const host = await addHost(site, bridge, '192.168.77.50', {
      mac: `52:54:00:00:01:0${client.name.length}`,
    })
    const running = await client.start(host, ...client.quick)
    t.match(await host.waitFor('bound'), { server: otherIp, ip: /^192\.168\.77\.1[5-9]/ })
    await running.stop()
    t.ok(server.seen(host.mac).every(({ stage }) => stage !== 'dhcp-offer' && stage !== 'dhcp-ack'))
  }
})

t.test('the doctor finds both servers, and what each of them offers', { skip }, async (t) => {
  await using _server = await start('auto-proxy')
  const { stdout } = await space.run(...doctor('--interface', 'br0', '--wait', '3', '-o', 'json'))
  const found = JSON.parse(stdout) as FoundServer[]
  t.equal(found.length, 2)
  t.match(
    found.find(({ kind }) => kind === 'dhcp'),
    {
      interface: 'br0',
      server: otherIp,
      from: otherIp,
      netmask: '255.255.255.0',
      gateway: otherIp,
      leaseSeconds: 600,
      thisHost: false,
    },
  )
  t.match(
    found.find(({ kind }) => kind === 'proxy'),
    { server: serverIp, from: serverIp, bootFile: 'ipxe.efi', thisHost: true },
  )
  const table = await space.run(...doctor('--interface', 'br0', '--wait', '3'))
  t.match(table.stdout, /br0 +192\.168\.77\.2 +dhcp +192\.168\.77\.1[5-9]\d/)
  t.match(table.stdout, /br0 +192\.168\.77\.1 \(this host\) +proxy/)
})

t.test('the doctor says when there is nobody, no right, or no such interface', { skip }, async (t) => {
  const empty = await site.space()
  await site.bridge(empty, 'br0', '10.0.0.1/24')
  const quiet = await empty.run(...doctor('--interface', 'br0', '--wait', '1'))
  t.same([quiet.stdout, quiet.stderr], ['', 'no DHCP server answers on br0\n'])
  await t.rejects(empty.run(...doctor('--interface', 'nosuch0')), {
    stderr: /no network interface nosuch0/,
    code: 1,
  })
  const nobody = ['setpriv', '--bounding-set=-net_bind_service,-net_raw,-net_admin', '--inh-caps=-all']
  await t.rejects(empty.run(...nobody, ...doctor('--interface', 'br0')), {
    stderr: /no right to open UDP port 68 on br0: run it as root/,
    code: 1,
  })
  await t.rejects(empty.run(...doctor('--wait', 'long')), { code: 2 })
})
