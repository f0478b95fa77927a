import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { importMachines } from '../../src/lab/install.ts'
import type { Target } from '../../src/lab/install.ts'
import type { LabMachine } from '../../src/lab/machine.ts'
import { readParts } from '../../src/lab/scenario.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import { changeHardware, firstCard } from '../e2e/hardware.ts'
import { inLab, stageMs, tellTimeline, untilSuccess } from '../e2e/steps.ts'
import { taggedSide } from '../e2e/tagged-side.ts'
import { createEquinixWorkflow, equinixMetadata, userData, vlanScript } from './equinix.ts'

const skip = whyNoLab() ?? false
const minute = 60_000
const vlan = 100
const uncabled = '52:54:00:77:09:01'
t.setTimeout(40 * minute)

/** As Equinix Metal's: no BMC, two cards, the console on the second serial port, and here a network that is a tagged VLAN. */
const machineOf = (lab: Lab, target: Target, more: readonly string[]): Promise<LabMachine> =>
  lab.machine({
    ...target,
    firmware: 'bios',
    console: 'ttyS1',
    cards: [{ mac: uncabled, isUnplugged: true }, { mac: target.mac }],
    more,
  })

t.test(
  'a machine with its console on ttyS1 and its network in a VLAN is installed, and phones home',
  { skip },
  async (t) => {
    const parts = readParts()
    const target = { name: 'metal-1', mac: '52:54:00:77:09:02', last: 91 }
    await inLab(t, { parts, between: (network) => taggedSide(network, vlan) }, async (lab) => {
      await importMachines(lab, [target])
      await changeHardware(
        lab,
        target.name,
        (interfaces) => [
          ...firstCard(uncabled)([]),
          ...interfaces.map((nic) => ({ ...nic, dhcp: { ...nic.dhcp, vlan_id: String(vlan) } })),
        ],
        {
          ...equinixMetadata(target, lab.network.host(target.last)),
          userData: userData(lab.network.address),
        },
      )
      await createEquinixWorkflow(lab, target, vlan)
      const ipxe = ['-kernel', join(parts.ipxeDir, 'ipxe.lkrn'), '-initrd', vlanScript(lab, vlan)]
      const machine = await machineOf(lab, target, ipxe)
      await machine.powerOn()
      await lab.waitForStage(target.mac, 'agent-hello', 2 * stageMs)
      await untilSuccess(lab, target.name, 15 * minute)
      const home = await lab.waitForStage(target.mac, 'phone-home', 15 * minute)
      t.equal(home.facts['hostname'], target.name)
      await machine.waitForLine(new RegExp(`${target.name} login:`), stageMs)
      saysOnTtyS1(t, machine)
      await tellTimeline(t, lab, target.mac)
    })
  },
)

/** Every line that the machine has shown came out of its second serial port: it has no other. */
function saysOnTtyS1(t: Test, { lines }: LabMachine): void {
  const said = lines.map(({ text }) => text)
  const line = (pattern: RegExp) => said.find((text) => pattern.test(text))
  const wanted = [
    { what: 'the firmware', pattern: /SeaBIOS/ },
    { what: 'iPXE', pattern: /^Configuring \(net1-100 / },
    { what: 'the script', pattern: /ironwake: eksa-system\/metal-1 .*boots the netboot OS/ },
    {
      what: "the kernel, which has the operator's console",
      pattern: /Kernel command line: .*facility=da11 console=ttyS1,115200/,
    },
    { what: 'the kernel, which has the VLAN', pattern: /Kernel command line: .*vlan_id=100/ },
    { what: 'the netboot OS', pattern: /ironwake: netboot OS / },
    { what: 'its VLAN', pattern: /ironwake: VLAN 100 on eth\d is vlan100/ },
    { what: 'its address', pattern: /ironwake: vlan100 has 192\.168\.77\.91\/24/ },
    { what: 'the agent', pattern: /\[reboot\] success/ },
    { what: 'the script of the installed machine', pattern: /boots its own disk \(it is inst/ },
    { what: "cloud-init, with Equinix's metadata", pattern: /metadata: .*"plan":"m3\.small\.x86"/ },
  ]
  for (const { what, pattern } of wanted) {
    const found = line(pattern)
    t.ok(found, `${what} speaks on ttyS1: ${found}`)
  }
  t.notOk(line(/Kernel command line: .*console=ttyS0/), 'no kernel was given another serial port')
}

t.test(
  'a netboot OS speaks on ttyS1 when that is the only serial port, and nobody has said so',
  { skip },
  async (t) => {
    const target = { name: 'metal-2', mac: '52:54:00:77:09:03', last: 92 }
    await inLab(t, {}, async (lab) => {
      await importMachines(lab, [target])
      const machine = await machineOf(lab, target, [])
      await machine.powerOn()
      for (const pattern of [/ironwake: netboot OS /, /ironwake: eth\d has /, /ironwake agent: /]) {
        const { at, text } = await machine.waitForLine(pattern, 2 * stageMs)
        t.match(text, pattern, `after ${at.toFixed(1)} s: ${text}`)
      }
    })
  },
)
