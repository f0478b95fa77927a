import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { importMachines } from '../../src/lab/install.ts'
import type { Firmware } from '../../src/lab/qemu.ts'
import { readParts } from '../../src/lab/scenario.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import { isCode } from '../../src/model/error.ts'
import { digest, pathOf } from '../interop/boot-files.ts'
import { clients } from '../interop/dhcp-clients.ts'
import type { Client } from '../interop/dhcp-clients.ts'
import type { Host } from '../interop/hosts.ts'
import { startOtherDhcp } from '../interop/other-dhcp.ts'
import { poor, sound } from '../interop/poor-line.ts'
import { missing } from '../interop/spaces.ts'
import { addClient, addRelay, addRelayed, fetches } from './lossy-clients.ts'
import type { Fetch } from './lossy-clients.ts'
import { inFarLab, secondsOf } from './lossy-lab.ts'
import type { FarSide } from './lossy-link.ts'

/** Everything here is done over a cable without a fault too, which tells how much time the poor one takes. */
const cables = [
  { cable: 'a sound cable', quality: sound },
  { cable: 'a poor cable', quality: poor },
]
const minute = 60_000
t.setTimeout(55 * minute)
const skip =
  whyNoLab() ?? (await missing('dhclient', 'dhcpcd', 'dhcrelay', 'tftp', 'atftp', 'curl', 'dnsmasq'))

for (const { cable, quality } of cables)
  t.test(`over ${cable} clients get their leases, past a relay too`, { skip }, async (t) => {
    await inFarLab(t, { quality }, async (lab, far) => {
      const relayed = await addRelay(lab, far)
      for (const [index, client] of clients.entries()) {
        await getsLease(t, client, await addClient(lab, far, 20 + index))
        await getsLease(t, client, await addRelayed(lab, far, relayed, 20 + index))
      }
    })
  })

/** udhcpc may give up and rest for 20 s before it tries again. */
async function getsLease(t: Test, client: Client, host: Host): Promise<void> {
  const running = await client.start(host, ...client.quick)
  const bound = () => host.waitFor('bound')
  const seconds = await secondsOf(() => bound().catch(bound).catch(bound))
  t.match(await bound(), { ip: host.ip }, `${client.name} got ${host.ip}`)
  t.comment(`${client.name} for ${host.ip}: ${seconds} s`)
  await running.stop()
}

for (const { cable, quality } of cables)
  t.test(`over ${cable} clients get files whole`, { skip }, async (t) => {
    await inFarLab(t, { quality }, async (lab, far) => {
      const host = await addClient(lab, far, 30)
      await host.space.ip('addr', 'add', `${host.ip}/24`, 'dev', 'eth0')
      await Promise.all(fetches.map((fetch, index) => getsFile(t, lab, host, fetch, `out${index}`)))
    })
  })

/** atftp gives up when its first acknowledgement is lost, for the options then come a second time. */
const tries = 8

async function getsFile(t: Test, lab: Lab, host: Host, fetch: Fetch, out: string): Promise<void> {
  const local = join(host.folder, out)
  const command = fetch.command(lab.network.address, fetch.file, local)
  let tried = 0
  let code: unknown
  let said = ''
  const seconds = await secondsOf(async () => {
    do {
      const child = host.space.start(...command)
      child.stdout!.resume()
      child.stderr!.on('data', (text) => (said += String(text)))
      code = (await once(child, 'close'))[0]
      tried += 1
    } while (code !== 0 && tried < tries)
  })
  t.equal(code, 0, `${fetch.name} is content`)
  const wanted = digest(pathOf(readParts().ipxeDir, fetch.file))
  t.equal(code === 0 && digest(local), wanted, `${fetch.name} got ${fetch.file} whole`)
  t.comment(`${fetch.name}, ${fetch.file}: ${seconds} s, ${tried} tries`)
  if (tried > 1) t.comment(said)
}

/** Leaves UEFI firmware HTTP Boot only. */
const httpOnly = ['IPv4', 'IPv6'].flatMap((version) => [
  '-fw_cfg',
  `name=opt/org.tianocore/${version}PXESupport,string=n`,
])
const boots: { name: string; firmware: Firmware; more?: string[] }[] = [
  { name: 'BIOS with iPXE', firmware: 'bios' },
  { name: 'UEFI by PXE', firmware: 'uefi' },
  { name: 'UEFI by HTTP Boot', firmware: 'uefi', more: httpOnly },
]

type Boot = (typeof boots)[number]

for (const { cable, quality } of cables)
  for (const mode of ['reservation', 'proxy'])
    t.test(`over ${cable} real firmware gets its script, by ${mode}`, { skip }, async (t) => {
      const bootAll = async (lab: Lab, far: FarSide) => {
        if (mode === 'proxy') await startOtherDhcp(far.site, far.near)
        for (const [index, boot] of boots.entries()) await getsScript(t, lab, boot, index)
      }
      await inFarLab(t, { quality, flags: [`--dhcp-mode=${mode}`] }, bootAll)
    })

/**
 * UEFI's HTTP Boot gives up when nothing comes for 5 s, which its TCP (it has no SACK) lets happen now and then at this
 * loss; iPXE beside another DHCP server has nothing to boot when the one offer of the proxy is lost. Then only switching on
 * again helps.
 */
const powerOns = 5

async function getsScript(
  t: Test,
  lab: Lab,
  { name, firmware, more = [] }: Boot,
  index: number,
): Promise<void> {
  const target = { name: `machine-${index}`, mac: `52:54:00:77:08:1${index}`, last: 81 + index }
  await importMachines(lab, [target])
  await using machine = await lab.machine({ ...target, firmware, more, memoryMib: 512 })
  for (let tried = 1; ; tried += 1) {
    const started = performance.now()
    await machine.powerOn()
    try {
      await lab.waitForStage(target.mac, 'boot-script', 3 * minute)
      t.pass(`${name} asks for its script`)
      return t.comment(
        `${name}: script after ${((performance.now() - started) / 1000).toFixed(1)} s, ${tried} tries`,
      )
    } catch (error) {
      if (tried === powerOns || !isCode(error, 'Timeout')) throw error
      t.comment(`${name}, try ${tried} came to nothing`)
      for (const { text } of machine.lines.slice(-20)) t.comment(text)
      await machine.powerOff()
    }
  }
}
