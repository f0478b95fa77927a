import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { importMachines, namespace } from '../../src/lab/install.ts'
import { projectDir, readParts } from '../../src/lab/scenario.ts'
import type { Hardware } from '../../src/model/hardware.ts'
import { orderShipped } from '../e2e/order.ts'
import { inLab, machineOf, stageMs, untilSuccess } from '../e2e/steps.ts'

// 25 minutes with five busy neighbours on two processors; most of it is the unpacking of 13,000 files in the emulated machine.
t.setTimeout(60 * 60_000)

const address = '192.168.77.1'
const partition = (number: number, label: string, size: number) => ({ number, label, size })
const fileSystem = (number: number, format: string, point: string, label: string) => ({
  mount: { device: `/dev/vda${number}`, format, point, create: { options: ['-L', label] } },
})
const storage = {
  disks: [
    {
      device: '/dev/vda',
      wipe_table: true,
      partitions: [partition(1, 'BIOS', 4096), partition(2, 'SWAP', 131_072), partition(3, 'ROOT', 0)],
    },
  ],
  filesystems: [fileSystem(2, 'swap', 'none', 'SWAP'), fileSystem(3, 'ext4', '/', 'ROOT')],
}

/** Makes the archive of a root file system. @returns the folder that it is in */
function archive(imageDir: string, folder: string): string {
  const script = join(projectDir, 'src/lab/archive.sh')
  execFileSync('bash', [script, join(imageDir, 'debian-12.raw.zst'), folder], { stdio: 'ignore' })
  return folder
}

t.test(
  'a BIOS machine is laid out by rootio, filled by archive2disk and made to boot by grub2disk, and says so from its own disk',
  { skip: whyNoLab() ?? false },
  async (t) => {
    const target = { name: 'rootio-1', mac: '52:54:00:77:08:03', last: 43 }
    const parts = readParts()
    const imageDir = archive(parts.imageDir, t.testdir({}))
    const archive_sha256 = (await readFile(join(imageDir, 'debian-12.tar.zst.sha256'), 'utf8')).slice(0, 64)
    await inLab(t, { parts: { ...parts, imageDir } }, async (lab) => {
      await importMachines(lab, [target])
      const { spec } = await lab.api.get<Hardware>('Hardware', namespace, target.name)
      const instance = { ...spec?.metadata?.instance, storage }
      await lab.api.patch('Hardware', namespace, target.name, {
        spec: { metadata: { ...spec?.metadata, instance } },
      })
      await orderShipped(lab, 'equinix-ubuntu', target, {
        archive_url: `http://${address}:7171/images/debian-12.tar.zst`,
        archive_sha256,
        metadata_ip: address,
        console: 'ttyS0,115200n8',
      })
      const machine = await machineOf(lab, 'bios', target)
      await machine.powerOn()
      await untilSuccess(lab, 'equinix-ubuntu', 5 * stageMs)
      await machine.waitForLine(/GRUB loading/, 2 * stageMs)
      const home = await lab.waitForStage(target.mac, 'phone-home', 3 * stageMs)
      t.equal(home.facts['hostname'], target.name, 'the installed system has the name of its metadata')
      const stages = (await lab.timeline(target.mac)).map(({ stage }) => stage)
      t.ok(stages.includes('boot-disk'), 'the restarted machine was sent to its disk')
    })
  },
)
