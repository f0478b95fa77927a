import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { importMachines, namespace } from '../../src/lab/install.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import { imageOf, layerOf, layers } from '../agent/oci/images.ts'
import { noRegistry } from '../agent/oci/registry.ts'
import { run } from '../fire/machine.ts'
import { makeDisk } from '../workflows/disks.ts'
import { labRegistry, registryFlags, registryHost } from '../workflows/registry.ts'
import { order, orderShipped } from './order.ts'
import { inLab, machineOf, stageMs, untilSuccess } from './steps.ts'

t.setTimeout(15 * 60_000)

/** An image of busybox alone. */
async function busyboxImage(lab: Lab) {
  const tree = join(lab.dir, 'busybox')
  await mkdir(join(tree, 'bin'), { recursive: true })
  await run('cp', '-L', '/bin/busybox', join(tree, 'bin/busybox'))
  for (const name of ['sh', 'dd', 'echo', 'sync']) await run('ln', '-s', 'busybox', join(tree, 'bin', name))
  return imageOf({ layers: [layers.gzip(layerOf(tree))], config: { Entrypoint: ['/bin/sh', '-c'] } })
}

/** Before the machine is made: its disk, with the kind of partition that Flatcar has its configuration on. */
async function diskWithBtrfs(lab: Lab, name: string): Promise<void> {
  const file = join(lab.dir, `${name}.raw`)
  await makeDisk(file, [{ number: 6, mib: 32, format: 'btrfs', label: 'OEM', tree: {} }])
  await run('truncate', '-s', '2048M', file)
}

/** The text of a file there; the partition begins behind five of 1 MiB. */
async function onBtrfs(lab: Lab, disk: string, path: string): Promise<string> {
  const folder = join(lab.dir, 'look')
  await mkdir(folder)
  await run('mount', '-o', `ro,loop,offset=${6 * 2 ** 20},sizelimit=${32 * 2 ** 20}`, disk, folder)
  try {
    return await readFile(join(folder, path), 'utf8')
  } finally {
    await run('umount', folder)
  }
}

const place = 3 * 2 ** 20

async function written(path: string): Promise<string> {
  await using file = await open(path)
  const { buffer } = await file.read(Buffer.alloc(64), 0, 64, place)
  return buffer.toString('latin1').replace(/\0+$/, '')
}

t.test(
  'a machine is looked at, a container from a registry writes to its disk, and the disk is erased',
  { skip: whyNoLab() ?? noRegistry() },
  async (t) => {
    const target = { name: 'boxes-1', mac: '52:54:00:77:08:02', last: 42 }
    await inLab(t, { flags: registryFlags }, async (lab) => {
      const { push } = await labRegistry(t, lab)
      const { blobs, manifest } = await busyboxImage(lab)
      await push('tools/busybox', 'v1', blobs, [manifest])
      await importMachines(lab, [target])
      await orderShipped(lab, 'inventory', target)
      await diskWithBtrfs(lab, target.name)
      const machine = await machineOf(lab, 'bios', target)
      await machine.powerOn()
      await untilSuccess(lab, 'inventory', 2 * stageMs)
      const facts = await lab.cli('workflow', 'logs', 'inventory', '-n', namespace)
      t.match(facts, /system: ironwake lab, serial SN-boxes-1/)
      t.match(facts, /firmware: BIOS, SeaBIOS/)
      t.match(facts, /disk: \/dev\/vda 2147 MB, rotating, model , serial lab-disk/)
      t.match(facts, new RegExp(`network card: \\S+ ${machine.mac}, driver virtio_net, link up`))
      t.match(facts, /pci: \S+ class 0x0200\d\d 0x1af4:0x\d+, driver virtio-pci/)

      const script = `echo "$WORD by a container" | dd of=/dev/vda bs=1M seek=3 conv=notrunc,fsync && echo it is written`
      const image = `${registryHost}/tools/busybox:v1`
      await order(lab, 'container', target, [
        { name: 'write', image, command: [script], environment: { WORD: 'written' }, timeout: 300 },
      ])
      await untilSuccess(lab, 'container')
      t.match(await lab.cli('workflow', 'logs', 'container', '-n', namespace), /it is written/)
      t.equal(await written(machine.diskPath), 'written by a container\n')

      const file = { DEST_DISK: '/dev/vda6', FS_TYPE: 'btrfs', DEST_PATH: '/config.ign', CONTENTS: '{}\n' }
      await order(lab, 'oem', target, [{ name: 'file', image: 'writefile', environment: file, timeout: 300 }])
      await untilSuccess(lab, 'oem')
      t.equal(
        await onBtrfs(lab, machine.diskPath, 'config.ign'),
        '{}\n',
        "Flatcar's OEM partition is written",
      )

      await orderShipped(lab, 'wipe-disks', target, { confirm: target.name })
      await untilSuccess(lab, 'wipe-disks')
      t.equal(await written(machine.diskPath), '', 'what the container wrote is gone')
    })
  },
)
