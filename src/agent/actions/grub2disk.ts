import type { ActionResult, ActionRun, Machine } from './action.ts'
import { cexec } from './cexec.ts'
import { fileSystem, needed } from './environment.ts'

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/**
 * Installs GRUB with the installed system's own grub-install. Environment as in Tinkerbell's grub2disk: GRUB_DISK, the
 * partition with the system; FS_TYPE; GRUB_INSTALL_PATH, the disk whose beginning it goes to. On UEFI machines it takes
 * an EFI system partition that the system's fstab mounts at /boot/efi.
 */
export async function grub2disk(run: ActionRun, machine: Machine): Promise<ActionResult> {
  const { environment } = run
  const partition = needed(environment, 'GRUB_DISK', 'the partition with the system, such as /dev/sda1,')
  const target = needed(environment, 'GRUB_INSTALL_PATH', 'a disk such as /dev/sda')
  const { path: disk } = await machine.disks.inspect(target, run.signal)
  const script = [
    'install=$(command -v grub-install || command -v grub2-install) || { echo "the system has no grub-install"; exit 1; }',
    'config=$(command -v grub-mkconfig || command -v grub2-mkconfig)',
    'folder=/boot/grub; case $install in *grub2-install) folder=/boot/grub2 ;; esac',
    'mount -a -t vfat 2> /dev/null',
    `"$install" ${quoted(disk)} && "$config" -o "$folder/grub.cfg"`,
  ].join('\n')
  const inner = {
    BLOCK_DEVICE: partition,
    FS_TYPE: fileSystem(environment),
    CHROOT: 'y',
    DEFAULT_INTERPRETER: '/bin/sh -c',
    CMD_LINE: script,
  }
  await cexec({ ...run, environment: inner }, machine)
  return { message: `GRUB of ${partition} installed on ${disk}` }
}
