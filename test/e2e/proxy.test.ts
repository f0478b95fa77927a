import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { createMachine } from '../../src/lab/machine.ts'
import type { Accelerator, Firmware } from '../../src/lab/qemu.ts'
import { startRouter } from '../../src/lab/router.ts'
import { readParts } from '../../src/lab/scenario.ts'
import { startLive } from '../dhcp/live.ts'
import { networkOf } from '../interop/lab-space.ts'
import { startOtherDhcp } from '../interop/other-dhcp.ts'
import { createSite, missing } from '../interop/spaces.ts'

/** Real firmware beside dnsmasq, which gives the addresses: it gets to its iPXE script by our proxy. */
const serverIp = '192.168.77.1'
const skip = whyNoLab() ?? (await missing('dnsmasq'))
t.setTimeout(5 * 60_000)
const scriptMs = 150_000
// short boots do not pay for a look at what the host can do
const accelerator: Accelerator = { kind: 'tcg', args: ['-accel', 'tcg'], why: 'always' }

const boots: { name: string; firmware: Firmware; mac: string; file: string; more?: string[] }[] = [
  { name: 'bios', firmware: 'bios', mac: '52:54:00:77:04:01', file: 'auto.ipxe' },
  { name: 'uefi', firmware: 'uefi', mac: '52:54:00:77:04:02', file: 'ipxe.efi' },
  {
    name: 'uefi-http',
    firmware: 'uefi',
    mac: '52:54:00:77:04:03',
    file: '/ipxe/binary/ipxe.efi',
    more: ['IPv4', 'IPv6'].flatMap((version) => [
      '-fw_cfg',
      `name=opt/org.tianocore/${version}PXESupport,string=n`,
    ]),
  },
]

for (const { name, firmware, mac, file, more = [] } of boots)
  t.test(`${name} firmware beside another DHCP server gets its script`, { skip }, async (t) => {
    await using site = await createSite(async () => {})
    const space = await site.space()
    const bridge = await site.bridge(space, 'br0', `${serverIp}/24`)
    await space.ip('addr', 'add', 'fd77::1/64', 'dev', 'br0', 'nodad')
    const network = networkOf(bridge, serverIp)
    await startRouter(network)
    await startOtherDhcp(site, bridge)
    const dir = join(site.folder, name)
    await mkdir(dir)
    await using server = await startLive(space, {
      serverIp,
      dataDir: await mkdtemp(join(site.folder, 'data-')),
      flags: { interface: 'br0', 'dhcp.mode': 'auto-proxy' },
      bootDirs: readParts(),
      machines: [],
    })
    const started = Date.now()
    await using machine = await createMachine(network, {
      name,
      firmware,
      mac,
      dir,
      accelerator,
      more,
      memoryMib: 512,
    })
    await machine.powerOn()
    try {
      await machine.waitForLine(new RegExp(`ironwake: ${mac}`), scriptMs)
    } catch (error) {
      for (const entry of server.seen(mac)) t.comment(JSON.stringify(entry))
      for (const { text } of machine.lines.slice(-40)) t.comment(text)
      throw error
    }
    t.comment(`${name}: script after ${Date.now() - started} ms`)
    const offers = server.seen(mac).filter(({ stage }) => stage === 'dhcp-offer')
    t.ok(
      offers.some((offer) => String(offer['file']).endsWith(file)),
      JSON.stringify(offers),
    )
    t.ok(
      offers.every((offer) => offer['ip'] === undefined),
      'no address was offered',
    )
  })
