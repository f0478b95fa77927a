import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { importMachines, namespace } from '../../src/lab/install.ts'
import { projectDir, readParts, startLab } from '../../src/lab/scenario.ts'
import type { Hardware } from '../../src/model/hardware.ts'
import { blobOf, imageOf } from '../agent/oci/images.ts'
import { noRegistry } from '../agent/oci/registry.ts'
import { actionsOf, ended, sha256Of } from '../fire/install.ts'
import { createProcessMachine, run } from '../fire/machine.ts'
import { address, cases, metadata, name } from './cases.ts'
import type { Case, Files, Site } from './cases.ts'
import { makeDisk, plant, system } from './disks.ts'
import { labRegistry, registryFlags } from './registry.ts'

const skip = whyNoLab() ?? noRegistry()
t.setTimeout(5 * 60_000)

/** As the kernel of the netboot OS reads a partition table; this host's kernel may know none. */
const blockdev = `#!/bin/sh
/usr/sbin/blockdev "$@" || exit
[ "$1" != --rereadpt ] || partx --add "$2" > /dev/null 2>&1 || true
`

t.test('every Template is run by the agent, on a disk laid out as it expects', { skip }, async (t) => {
  const imageDir = t.testdir({})
  await using lab = await startLab({ parts: { ...readParts(), imageDir }, flags: registryFlags })
  const options = { name: 'm1', mac: '52:54:00:77:07:01', diskMib: 96 }
  await using machine = await createProcessMachine(lab, options)
  await writeFile(join(machine.dir, 'bin/blockdev'), blockdev, { mode: 0o755 })
  const { push } = await labRegistry(t, lab)
  await importMachines(lab, [{ name, mac: machine.mac, last: 31 }])
  for (const [index, one] of cases.entries()) {
    const isOn = cases[index - 1]?.leaves === 'nothing'
    await t.test(one.template, async (t) => {
      try {
        await runCase(t, one, { lab, machine, push, before: '', isOn })
      } catch (error) {
        for (const line of machine.lines.slice(-30)) t.comment(`console: ${line}`)
        for (const line of lab.server.lastLines(20)) t.comment(`server: ${line}`)
        throw error
      }
    })
  }
})

async function runCase(t: Test, one: Case, site: Site): Promise<void> {
  const { lab, machine } = site
  if (one.on !== undefined) {
    await run('blkdiscard', '--zeroout', machine.disk)
    await run('blockdev', '--rereadpt', machine.disk)
  }
  const hardwareMap = {
    device_1: machine.mac,
    metadata_url: metadata,
    ...(await served(one, site)),
    ...one.values,
  }
  await describe(site, one)
  const before = one.on === undefined ? await sha256Of(machine.disk) : ''
  await lab.cli('apply', '-f', join(projectDir, `workflows/${one.template}.yaml`))
  await lab.api.create({
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Workflow',
    metadata: { name: one.template, namespace },
    spec: { templateRef: one.template, hardwareRef: name, hardwareMap },
  })
  if (!site.isOn) await machine.powerOn()
  const boot = machine.ended()
  const workflow = await ended(lab, one.template)
  const messages = actionsOf(workflow).map(
    (action) => `${action.name}: ${action.state} ${action.message ?? ''}`,
  )
  if (workflow.status?.state !== 'SUCCESS') throw new Error(messages.join('; '))
  if (one.leaves !== 'nothing') t.equal(await boot, one.leaves, 'the boot ended as the last action wants it')
  await look(one, site, (files) => one.check(t, files, { ...site, before }))
}

/** Packs the image, and puts it where machines find it. @returns the values that say so */
async function served(one: Case, { lab, push }: Site): Promise<Record<string, string>> {
  const { template, parts, pack } = one
  const file = join(lab.imageDir, template)
  if (template === 'equinix-ubuntu') {
    const tree = join(lab.dir, 'tree')
    await mkdir(tree)
    await plant(tree, system)
    await run('tar', '-C', tree, '--numeric-owner', '-czf', `${file}.tar.gz`, '.')
    return { archive_url: url(`${template}.tar.gz`), archive_sha256: await sha256Of(`${file}.tar.gz`) }
  }
  if (!parts || !pack) return {}
  await makeDisk(file, parts)
  await run(pack, '-1', '-q', file)
  const packed = `${file}.${{ gzip: 'gz', zstd: 'zst', bzip2: 'bz2' }[pack]}`
  if (template === 'capt-default') {
    const layer = blobOf(await readFile(packed), 'application/vnd.oci.image.layer.v1.tar')
    const { blobs, manifest } = imageOf({ layers: [layer], config: {} })
    await push('capt/ubuntu-22.04', 'v1.30.2.gz', blobs, [manifest])
    return {}
  }
  return { image_url: url(basename(packed)), image_sha256: await sha256Of(packed) }
}

const url = (file: string) => `http://${address}:7171/images/${file}`

/** What the template needs to know of the machine. */
async function describe({ lab, machine }: Site, { userData }: Case): Promise<void> {
  const partitions = [
    { label: 'BIOS', number: 1, size: 4096 },
    { label: 'SWAP', number: 2, size: 20_480 },
    { label: 'ROOT', number: 3, size: 0 },
  ]
  const make = (part: number, format: string, point: string, label: string) => ({
    mount: { device: `${machine.disk}p${part}`, format, point, create: { options: ['-L', label] } },
  })
  const storage = {
    disks: [{ device: machine.disk, wipe_table: true, partitions }],
    filesystems: [make(2, 'swap', 'none', 'SWAP'), make(3, 'ext4', '/', 'ROOT')],
  }
  const { metadata } = await lab.api.get<Hardware>('Hardware', namespace, name).then(({ spec }) => spec ?? {})
  const instance = { ...metadata?.instance, storage }
  await lab.api.patch('Hardware', namespace, name, {
    spec: {
      disks: [{ device: machine.disk }],
      userData: userData ?? '',
      metadata: { ...metadata, instance },
    },
  })
}

/** Shows `check` the files on the partition. */
async function look(
  { on }: Case,
  { lab, machine }: Site,
  check: (files: Files) => Promise<void>,
): Promise<void> {
  const folder = join(lab.dir, 'look')
  await mkdir(folder, { recursive: true })
  const files = {
    text: (path: string) => readFile(join(folder, path), 'utf8'),
    mode: async (path: string) => ((await stat(join(folder, path))).mode & 0o7777).toString(8),
  }
  if (on === undefined) return check(files)
  await run('mount', '-o', 'ro', `${machine.disk}p${on}`, folder)
  try {
    await check(files)
  } finally {
    await run('umount', folder)
  }
}
