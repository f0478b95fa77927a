import { mkdtemp, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Commands } from './commands.ts'

/** File systems of the machine's disks. */
export type Mounts = {
  /** Mounts `device`, calls `use` with the folder, and unmounts whatever happens. */
  during<T>(
    device: string,
    fsType: string,
    readOnly: boolean,
    use: (folder: string) => Promise<T>,
  ): Promise<T>
}

/** @param parent folder for the mount points */
export function systemMounts(commands: Commands, parent: string): Mounts {
  return {
    async during(device, fsType, readOnly, use) {
      const folder = await mkdtemp(join(parent, 'mount-'))
      try {
        await commands.run('mount', ['-t', fsType, '-o', readOnly ? 'ro' : 'rw', device, folder])
        try {
          return await use(folder)
        } finally {
          await commands.run('umount', [folder])
        }
      } finally {
        await rmdir(folder)
      }
    },
  }
}
