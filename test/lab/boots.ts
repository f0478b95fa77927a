import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createWorkflows, importMachines, namespace } from '../../src/lab/install.ts'
import type { Target } from '../../src/lab/install.ts'
import type { LabMachine } from '../../src/lab/machine.ts'
import type { Firmware } from '../../src/lab/qemu.ts'
import { readPcap } from '../../src/lab/pcap.ts'
import type { Frame } from '../../src/lab/pcap.ts'
import { record } from '../../src/lab/recorder.ts'
import type { Hardware } from '../../src/model/hardware.ts'
import { readParts, startLab } from '../../src/lab/scenario.ts'
import type { Lab } from '../../src/lab/scenario.ts'

const stageMs = 4 * 60_000
/** what the server has just told may still be on its way into the capture */
const settleMs = 3000

/** A boot that is captured: `drive` begins with the machine off and returns when enough was seen. */
export type Boot = {
  name: string
  firmware: Firmware
  target: Target
  /** further arguments of QEMU */
  qemu?: readonly string[]
  drive(lab: Lab, machine: LabMachine, target: Target): Promise<void>
}

/** of every machine here: firmware sends it as option 97 */
const uuid = '4c4c4544-0042-3010-8056-b4c04f4d4731'

/** One emulated machine after the other, the whole of its boot each time. */
export const boots: readonly Boot[] = [
  {
    name: 'bios-install',
    firmware: 'bios',
    target: { name: 'bios-1', mac: '52:54:00:77:03:01', last: 21 },
    async drive(lab, machine, target) {
      await createWorkflows(lab, [target])
      await machine.powerOn()
      await lab.waitForStage(target.mac, 'agent-hello', stageMs)
      await lab.waitForStage(target.mac, 'phone-home', 2 * stageMs)
    },
  },
  {
    name: 'bios-undionly',
    firmware: 'bios',
    target: { name: 'bios-2', mac: '52:54:00:77:03:02', last: 22 },
    async drive(lab, machine, target) {
      // QEMU's ROM is iPXE and would take the script at once: it is given the boot program that a plain PXE ROM gets.
      await setBootFile(lab, target, 'undionly.kpxe')
      await machine.powerOn()
      await lab.waitForStage(target.mac, 'tftp-read', stageMs)
      await setBootFile(lab, target, undefined)
      await lab.waitForStage(target.mac, 'boot-script', stageMs)
    },
  },
  {
    name: 'uefi-boot',
    firmware: 'uefi',
    target: { name: 'uefi-1', mac: '52:54:00:77:03:03', last: 23 },
    async drive(lab, machine, target) {
      await createWorkflows(lab, [target])
      await machine.powerOn()
      await lab.waitForStage(target.mac, 'agent-hello', stageMs)
    },
  },
  {
    name: 'uefi-http',
    firmware: 'uefi',
    target: { name: 'uefi-2', mac: '52:54:00:77:03:04', last: 24 },
    qemu: ['IPv4', 'IPv6'].flatMap((version) => [
      '-fw_cfg',
      `name=opt/org.tianocore/${version}PXESupport,string=n`,
    ]),
    async drive(lab, machine, target) {
      await machine.powerOn()
      await lab.waitForStage(target.mac, 'boot-script', stageMs)
    },
  },
]

async function setBootFile(lab: Lab, { name }: Target, file: string | undefined): Promise<void> {
  const hardware = await lab.api.get<Hardware>('Hardware', namespace, name)
  const server = file && lab.network.address
  const interfaces = hardware.spec?.interfaces?.map((nic) => ({
    ...nic,
    dhcp: { ...nic.dhcp, tftp_server_name: server, boot_file_name: file },
  }))
  await lab.api.patch('Hardware', namespace, name, { spec: { interfaces } })
}

/** Boots the machine in a lab of its own. @returns every frame that was seen at the server, in full */
export async function capture(boot: Boot): Promise<Frame[]> {
  await using lab = await startLab({ parts: readParts() })
  await importMachines(lab, [boot.target])
  const machine = await lab.machine({
    ...boot.target,
    firmware: boot.firmware,
    more: ['-uuid', uuid, ...(boot.qemu ?? [])],
  })
  const path = join(lab.dir, `${boot.name}.pcap`)
  const recording = await record(lab.network, path)
  await boot.drive(lab, machine, boot.target)
  await sleep(settleMs)
  await recording.stop()
  return readPcap(readFileSync(path))
}
