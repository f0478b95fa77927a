import type { TemplateAction, TemplateTask } from '../workflow/document.ts'

/** A device that an action names, and the disk of the Hardware it is on; `undefined` when it is on none of them. */
export type Target = { device: string; disk: string | undefined }

/** What an action's image does to the disk that it names, where that is known. */
const effects: Readonly<Record<string, string>> = {
  image2disk: 'overwritten',
  oci2disk: 'overwritten',
  qemuimg2disk: 'overwritten',
  archive2disk: 'files written',
  writefile: 'a file written',
  cexec: 'command run on it',
  rootio: 'partitioned',
  syslinux: 'boot loader written',
  grub2disk: 'boot loader written',
  kexec: 'started from it',
}

/** `quay.io/x/image2disk:v1@sha256:…` → what it does to its disk */
export function effectOf(image: string): string | undefined {
  const last = (image.split('@')[0] ?? '').split('/').at(-1) ?? ''
  const name = (last.split(':')[0] ?? '').toLowerCase()
  return Object.hasOwn(effects, name) ? effects[name] : undefined
}

const devicePath = /\/dev\/[A-Za-z0-9][A-Za-z0-9/_.:+-]*/g
const notDisks =
  /^\/dev\/(?:console|null|zero|full|random|urandom|shm|pts|ptmx|tty|std|kmsg|net|mem|fd)(?![a-z]*disk)/

/** The devices in an action's environment and command, each once. */
export function targetsOf(
  task: Pick<TemplateTask, 'environment'>,
  action: Pick<TemplateAction, 'environment' | 'command'>,
  disks: readonly string[],
): Target[] {
  const texts = [...Object.values({ ...task.environment, ...action.environment }), ...action.command]
  const devices = texts.flatMap((text) => text.match(devicePath) ?? []).filter((path) => !notDisks.test(path))
  return [...new Set(devices)].map((device) => ({ device, disk: diskOf(device, disks) }))
}

/** The disk that `device` is, or is a partition of: `/dev/sda1`, `/dev/nvme0n1p2`, `/dev/disk/by-id/x-part3`. */
export function diskOf(device: string, disks: readonly string[]): string | undefined {
  return disks.find((disk) => {
    if (device === disk) return true
    const rest = device.startsWith(disk) ? device.slice(disk.length) : ''
    if (disk.startsWith('/dev/disk/')) return /^-part\d+$/.test(rest)
    return /\d$/.test(disk) ? /^p\d+$/.test(rest) : /^\d+$/.test(rest)
  })
}
