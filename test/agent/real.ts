import { join } from 'node:path'
import type { Machine } from '../../src/agent/actions/action.ts'
import { systemCommands } from '../../src/agent/commands.ts'
import { systemDisks } from '../../src/agent/image/device.ts'
import { systemMounts } from '../../src/agent/mounts.ts'
import { systemClock } from '../../src/model/clock.ts'

/** This computer as the agent sees its machine, with `folder` for what it keeps. */
export function realMachine(folder: string): Machine {
  return {
    disks: systemDisks({ commands: systemCommands, clock: systemClock }),
    mounts: systemMounts(systemCommands, join(folder, 'run')),
    commands: systemCommands,
    clock: systemClock,
    uefi: false,
    trusted: [],
    registries: [],
    folder: join(folder, 'run'),
    installedDisk: { get: () => undefined, set: () => undefined },
  }
}
