import t from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { createWorkflows, importMachines, namespace } from '../../src/lab/install.ts'
import { firmwareImages } from '../../src/lab/qemu.ts'
import { readParts } from '../../src/lab/scenario.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import type { Hardware } from '../../src/model/hardware.ts'
import { inLab, tellTimeline, untilSuccess } from '../e2e/steps.ts'
import { readLongParts, whyNoLong } from './parts.ts'

const skip = whyNoLab() ?? whyNoLong('/usr/bin/qemu-system-aarch64', firmwareImages.arm64.code) ?? false
const minute = 60_000
t.setTimeout(25 * minute)

t.test('a blank 64-bit ARM machine is installed, and its Debian phones home', { skip }, async (t) => {
  const target = { name: 'arm-1', mac: '52:54:00:77:05:01', last: 41 }
  await inLab(t, { parts: { ...readParts(), ...readLongParts().arm64 } }, async (lab) => {
    await importMachines(lab, [target])
    await setArch(lab, target.name, 'aarch64')
    await createWorkflows(lab, [target])
    const machine = await lab.machine({ ...target, firmware: 'arm64' })
    await machine.powerOn()
    const hello = await lab.waitForStage(target.mac, 'agent-hello', 5 * minute)
    t.match(hello.facts, { arch: 'aarch64', firmware: 'uefi' }, 'the netboot OS is the one for ARM')
    await untilSuccess(lab, target.name, 10 * minute)
    const home = await lab.waitForStage(target.mac, 'phone-home', 10 * minute)
    t.equal(
      home.facts['hostname'],
      target.name,
      'the installed system has the name that its metadata gives it',
    )
    await tellTimeline(t, lab, target.mac)
  })
})

/** What EKS Anywhere's CSV has no column for. */
async function setArch(lab: Lab, name: string, arch: string): Promise<void> {
  const { spec } = await lab.api.get<Hardware>('Hardware', namespace, name)
  const interfaces = spec?.interfaces?.map((nic) => ({ ...nic, dhcp: { ...nic.dhcp, arch } }))
  await lab.api.patch('Hardware', namespace, name, { spec: { interfaces } })
}
