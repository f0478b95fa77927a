import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { ActionRun, Machine } from '../../src/agent/actions/action.ts'
import type { Device } from '../../src/agent/image/device.ts'
import { systemClock } from '../../src/model/clock.ts'

/** A disk that is a file. Direct I/O is used where the file system has it. */
export function fileDevice(path: string, bytes: number): Device {
  return {
    path,
    bytes,
    description: 'a file',
    async openDirect() {
      const direct = await open(path, constants.O_RDWR | constants.O_DIRECT).catch(() => undefined)
      return direct ? { file: direct, direct: true } : { file: await open(path, 'r+'), direct: false }
    },
    openBuffered: () => open(path, 'r+'),
    settle: async () => [],
  }
}

type Parts = {
  device?: Device
  folder?: string
  run?: Machine['commands']['run']
  mounts?: Machine['mounts']
}

/** A machine with one disk and one file system. */
export function testMachine(parts: Parts): Machine & { installed: string[] } {
  const installed: string[] = []
  return {
    installed,
    disks: {
      inspect: async (wanted) => {
        if (!parts.device) throw new Error(`${wanted} does not exist`)
        return parts.device
      },
    },
    mounts: parts.mounts ?? {
      during: (_device, _fsType, _readOnly, use) => use(parts.folder ?? '/nonexistent'),
      sandbox: async () => Promise.reject(new Error('this machine has no sandbox')),
    },
    commands: { run: parts.run ?? (async () => '') },
    clock: systemClock,
    uefi: false,
    trusted: [],
    registries: [],
    folder: '/nonexistent',
    installedDisk: { get: () => installed.at(-1), set: (path) => installed.push(path) },
  }
}

/** A run of an action that keeps what it says. */
export function testRun(environment: Record<string, string>, signal = new AbortController().signal) {
  const lines: string[] = []
  const progress: [done: number, total: number][] = []
  const run: ActionRun = {
    image: '',
    environment,
    command: [],
    volumes: [],
    pidNamespace: '',
    networkNamespace: '',
    signal,
    log: (line) => lines.push(line),
    progress: (done, total) => progress.push([done, total]),
  }
  return { run, lines, progress }
}
