import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { importMachines, namespace, workflowOf } from '../../src/lab/install.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import { isCode } from '../../src/model/error.ts'
import type { ActionStatus, Workflow } from '../../src/model/workflow.ts'
import { run } from './machine.ts'
import type { ProcessMachine } from './machine.ts'

export type Format = 'raw' | 'gz' | 'zst' | 'xz'
export type Image = { file: string; sha256: string }

export const sha256Of = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex')

const packers: Record<Exclude<Format, 'raw'>, string> = {
  gz: 'gzip -1 --keep',
  zst: 'zstd -q -1 --keep',
  xz: 'xz -0 --keep --block-size=8MiB',
}
const grubConfig = `set default="0"
menuentry 'Debian GNU/Linux' {
	linux	/boot/vmlinuz-6.1 root=LABEL=fire ro quiet
	initrd	/boot/initrd.img-6.1
}
`

/** A file system with a shell, a kernel's name and incompressible filling, in each format, below `imageDir`. */
export async function makeImages(lab: Lab, fillerMib: number): Promise<Record<Format, Image>> {
  const tree = join(lab.dir, 'tree')
  for (const folder of ['bin', 'etc', 'var/log', 'boot/grub', 'dev', 'proc', 'sys', 'tmp'])
    await mkdir(join(tree, folder), { recursive: true })
  await run('cp', '-L', '/bin/busybox', join(tree, 'bin/busybox'))
  await run('ln', '-s', 'busybox', join(tree, 'bin/sh'))
  await writeFile(join(tree, 'boot/vmlinuz-6.1'), 'kernel')
  await writeFile(join(tree, 'boot/initrd.img-6.1'), 'initrd')
  await writeFile(join(tree, 'boot/grub/grub.cfg'), grubConfig)
  await run('dd', 'if=/dev/urandom', `of=${join(tree, 'filler')}`, 'bs=1M', `count=${fillerMib}`)
  const raw = join(lab.imageDir, 'fire.raw')
  await run('mkfs.ext4', '-q', '-L', 'fire', '-d', tree, raw, `${fillerMib + 16}M`)
  const images = { raw: { file: 'fire.raw', sha256: await sha256Of(raw) } } as Record<Format, Image>
  for (const format of ['gz', 'zst', 'xz'] as const) {
    const [program, ...args] = packers[format].split(' ')
    await run(program!, ...args, raw)
    images[format] = { file: `fire.raw.${format}`, sha256: await sha256Of(`${raw}.${format}`) }
  }
  return images
}

export const imageUrl = (lab: Lab, { file }: Image): string =>
  `http://${lab.network.address}:7171/images/${file}`

export type Action = { name: string; image: string; environment?: Record<string, string>; timeout?: number }

/** The usual installation: an image, a file, a command in the installed system, and the end of the boot. */
export function usualActions(lab: Lab, disk: string, image: Image, end: 'reboot' | 'kexec'): Action[] {
  const place = { BLOCK_DEVICE: disk, FS_TYPE: 'ext4' }
  const shell = { ...place, CHROOT: 'y', DEFAULT_INTERPRETER: '/bin/sh -c' }
  const command = 'echo begun >> /var/log/ran; /bin/busybox sleep 1.5; echo done >> /var/log/ran'
  const environment = { DEST_DISK: disk, IMG_URL: imageUrl(lab, image), SHA256: image.sha256 }
  const file = { DEST_DISK: disk, FS_TYPE: 'ext4', DEST_PATH: '/etc/config', CONTENTS: 'x'.repeat(100_000) }
  return [
    { name: 'stream', image: 'image2disk', environment },
    { name: 'config', image: 'writefile', environment: file },
    { name: 'command', image: 'cexec', environment: { ...shell, CMD_LINE: command } },
    { name: 'end', image: end, ...(end === 'kexec' && { environment: place }) },
  ]
}

/** Puts the machine into the inventory. */
export async function enrol(lab: Lab, machine: ProcessMachine, name: string, last: number): Promise<void> {
  await importMachines(lab, [{ name, mac: machine.mac, last }])
}

/** Creates a Template and a Workflow of that name for the Hardware `hardware`. */
export async function order(
  lab: Lab,
  name: string,
  hardware: string,
  worker: string,
  actions: readonly Action[],
): Promise<void> {
  const full = actions.map(({ image, ...rest }) => ({
    image: `127.0.0.1/embedded/${image}`,
    timeout: 120,
    ...rest,
  }))
  const tasks = [{ name: 'install', worker, actions: full }]
  const apiVersion = 'tinkerbell.org/v1alpha1'
  const metadata = { name, namespace }
  const data = stringify({ version: '0.1', name, global_timeout: 600, tasks })
  await lab.api.create({ apiVersion, kind: 'Template', metadata, spec: { data } })
  const spec = { templateRef: name, hardwareRef: hardware, hardwareMap: {} }
  await lab.api.create({ apiVersion, kind: 'Workflow', metadata, spec })
}

export const actionsOf = (workflow: Workflow): ActionStatus[] =>
  (workflow.status?.tasks ?? []).flatMap((task) => task.actions)

/** The Workflow once it has ended. The server may be away in between. @throws Error after two minutes */
export async function ended(lab: Lab, name: string): Promise<Workflow> {
  const deadline = Date.now() + 120_000
  for (;;) {
    const workflow = await workflowOf(lab, name).catch((error: unknown) => {
      if (isCode(error, 'Unavailable')) return undefined
      throw error
    })
    const state = workflow?.status?.state ?? ''
    if (workflow && ['SUCCESS', 'FAILED', 'TIMEOUT'].includes(state)) return workflow
    if (Date.now() > deadline) throw new Error(`workflow ${name} is still ${state}`)
    await sleep(100)
  }
}
