import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../model/clock.ts'
import type { Clock } from '../model/clock.ts'
import type { Commands } from './commands.ts'
import { SandboxFault, withSandbox } from './sandbox.ts'
import type { Sandbox, SandboxDeps, SandboxPlan } from './sandbox.ts'

/** File systems of the machine's disks. Nothing stays mounted when an agent is killed. */
export type Mounts = {
  /** Mounts `device`, calls `use` with the folder, and unmounts whatever happens. */
  during<T>(
    device: string,
    fsType: string,
    readOnly: boolean,
    use: (folder: string) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>
}

/** The same, also with programs in it. */
export type DiskMounts = Mounts & {
  /** See `withSandbox`. Without `folder` the mount point is any. */
  sandbox<T>(
    plan: Omit<SandboxPlan, 'folder'> & { folder?: string },
    deps: SandboxDeps,
    use: (sandbox: Sandbox) => Promise<T>,
  ): Promise<T>
}

const releasedWithinMs = 10_000

/** @param parent folder for the mount point */
export function systemMounts(commands: Commands, parent: string, clock: Clock = systemClock): DiskMounts {
  const sandbox: DiskMounts['sandbox'] = async (plan, deps, use) => {
    try {
      return await withSandbox({ folder: join(parent, 'mount'), ...plan }, deps, use)
    } catch (error) {
      if (error instanceof SandboxFault && error.step === 'mount') throw await explain(commands, plan, error)
      throw error
    } finally {
      await released(plan.device, clock)
    }
  }
  return {
    sandbox,
    during: (device, fsType, readOnly, use, signal) =>
      sandbox({ device, fsType, readOnly }, { ...(signal && { signal }) }, ({ root }) => use(root)),
  }
}

/** The kernel lets a device go a moment after the last process of a namespace has ended. */
async function released(device: string, clock: Clock): Promise<void> {
  const giveUpAt = clock.now() + releasedWithinMs
  while (clock.now() < giveUpAt && (await isBusy(device))) await clock.sleep(50)
}

/** O_EXCL without O_CREAT on a block device: EBUSY when the kernel itself uses it (open(2)). */
async function isBusy(device: string): Promise<boolean> {
  try {
    await (await open(device, constants.O_RDONLY | constants.O_EXCL)).close()
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EBUSY'
  }
}

async function explain(
  commands: Commands,
  { device, fsType }: Pick<SandboxPlan, 'device' | 'fsType'>,
  fault: SandboxFault,
): Promise<Error> {
  const said = fault.message.replace(/ *dmesg\(1\) may have.*$/, '').replace(/^mount: /, '')
  const found = await commands.run('blkid', ['-p', '-o', 'export', device]).catch(() => '')
  return new Error(`${device} cannot be mounted as ${fsType}: ${said} (${contents(found)})`, { cause: fault })
}

/** What is on a device, from the output of `blkid -p -o export`. */
export function contents(blkid: string): string {
  const type = /^TYPE=(.*)$/m.exec(blkid)?.[1]
  const table = /^PTTYPE=(.*)$/m.exec(blkid)?.[1]
  if (type) return `it holds ${type}`
  return table
    ? `it holds a partition table, ${table}: name a partition of it`
    : 'it holds no file system that is known here'
}
