import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from '../fire/machine.ts'

/** Files by their paths; `null` is a folder. Programs are those below `bin`, `sbin` and `usr/sbin`. */
export type Tree = Readonly<Record<string, string | null>>

/** One partition of a disk image; partitions of 1 MiB with nothing in them fill up the numbers before it. */
export type Part = {
  number: number
  mib: number
  format: 'ext4' | 'btrfs' | 'vfat'
  label: string
  tree: Tree
}

const grubConfig = `menuentry 'Linux' {
	linux	/boot/vmlinuz-6.1 root=LABEL=root ro quiet
	initrd	/boot/initrd.img-6.1
}
`

/** What an installed system has of which the templates write, run and start something. */
export const system: Tree = {
  'etc/cloud/cloud.cfg.d': null,
  'etc/netplan': null,
  'etc/NetworkManager/system-connections': null,
  'etc/hostname': 'image\n',
  'boot/vmlinuz-6.1': 'kernel',
  'boot/initrd.img-6.1': 'initrd',
  'boot/grub/grub.cfg': grubConfig,
  'usr/sbin/grub-install': '#!/bin/sh\necho "grub-install $*" >> /var/log/grub\n',
  'usr/sbin/grub-mkconfig':
    '#!/bin/sh\ncat /etc/default/grub.d/*.cfg >> /var/log/grub\necho "grub-mkconfig $*" >> /var/log/grub\n',
  'var/log': null,
  dev: null,
  proc: null,
  sys: null,
  tmp: null,
}

/** Lays a tree down below `root`, with busybox in it. */
export async function plant(root: string, tree: Tree): Promise<void> {
  for (const [path, text] of Object.entries(tree)) {
    const place = join(root, path)
    await mkdir(text === null ? place : dirname(place), { recursive: true })
    if (text === null) continue
    await writeFile(place, text)
    if (/^(usr\/)?s?bin\//.test(path)) await chmod(place, 0o755)
  }
  if (!('dev' in tree)) return
  await mkdir(join(root, 'bin'), { recursive: true })
  await run('cp', '-L', '/bin/busybox', join(root, 'bin/busybox'))
  for (const name of ['sh', 'mount', 'cat']) await symlink('busybox', join(root, 'bin', name))
}

const makers = {
  ext4: (file: string, label: string, tree: string) => ['mkfs.ext4', '-q', '-L', label, '-d', tree, file],
  btrfs: (file: string, label: string, tree: string) => [
    'mkfs.btrfs',
    '-q',
    '--mixed',
    '-L',
    label,
    '--rootdir',
    tree,
    file,
  ],
  vfat: (file: string, label: string) => ['mkfs.fat', '-n', label, file],
}

/** Makes the raw image of a disk with a GPT, at `file`. */
export async function makeDisk(file: string, parts: readonly Part[]): Promise<void> {
  const last = Math.max(...parts.map(({ number }) => number))
  const sizes = Array.from(
    { length: last },
    (_, index) => parts.find(({ number }) => number === index + 1)?.mib ?? 1,
  )
  const starts = sizes.map((_, index) => 1 + sizes.slice(0, index).reduce((sum, mib) => sum + mib, 0))
  const mib = 2 + sizes.reduce((sum, size) => sum + size, 0)
  await run('truncate', '-s', `${mib}M`, file)
  const lines = sizes.map((size, index) => `start=${starts[index]! * 2048}, size=${size * 2048}`)
  const script = ['label: gpt', 'unit: sectors', '', ...lines, ''].join('\n')
  const folder = await mkdtemp(join(dirname(file), '.parts-'))
  try {
    await writeFile(join(folder, 'table'), script)
    await run('sh', '-c', 'sfdisk --quiet "$1" < "$2"', 'sfdisk', file, join(folder, 'table'))
    for (const part of parts) {
      const tree = join(folder, `tree-${part.number}`)
      const content = join(folder, `part-${part.number}`)
      await mkdir(tree)
      await plant(tree, part.tree)
      await run('truncate', '-s', `${part.mib}M`, content)
      const [program = '', ...args] = makers[part.format](content, part.label, tree)
      await run(program, ...args)
      const seek = `seek=${starts[part.number - 1]}`
      await run('dd', `if=${content}`, `of=${file}`, 'bs=1M', seek, 'conv=notrunc,sparse', 'status=none')
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}
