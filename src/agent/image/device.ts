import { constants } from 'node:fs'
import { open, readdir, readFile, realpath, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Clock } from '../../model/clock.ts'
import { CommandFault } from '../commands.ts'
import type { Commands } from '../commands.ts'
import { readDisks } from '../facts.ts'
import { diskAsHinted, isHint, parseHint } from './hint.ts'
import type { Hint } from './hint.ts'
import { diskNamed } from './name.ts'
import type { DiskFacts } from '../../model/agent-protocol.ts'

/** An inspected target: what it is, and the ways to write it. */
export type Device = {
  /** real path, links resolved */
  path: string
  bytes: number
  /** for people: model, serial number */
  description: string
  /** Opens for writing past the page cache where that works, else through it. The caller closes. */
  openDirect(): Promise<{ file: FileHandle; direct: boolean }>
  /** Opens for writing through the page cache, also while it is open for direct writing. */
  openBuffered(): Promise<FileHandle>
  /** Has the disk itself make zeros of whole pages; missing where it cannot. */
  zero?: (from: number, length: number) => Promise<void>
  /** Has the kernel read the new partition table; returns the partitions' paths (a kind of device may have none). */
  settle(): Promise<string[]>
}

/** The block devices of the machine. */
export type Disks = {
  /**
   * Looks at a block device before it is written.
   * @throws Error when it is missing (naming the disks there are), no block device, read-only or in use
   */
  inspect(path: string, signal: AbortSignal): Promise<Device>
}

type Deps = { commands: Commands; clock: Clock }

const appearMs = 10_000
const partitionsMs = 10_000
const busyMs = 5000

/** O_EXCL without O_CREAT on a block device: EBUSY when the kernel itself uses it (open(2)). */
const exclusive = constants.O_RDWR | constants.O_EXCL

export function systemDisks(deps: Deps): Disks {
  return { inspect: (path, signal) => inspect(deps, path, signal) }
}

async function inspect(deps: Deps, wanted: string, signal: AbortSignal): Promise<Device> {
  const hint = isHint(wanted) ? parseHint(wanted) : undefined
  if (!hint && (!/^\/dev\/[\w./:+-]+$/.test(wanted) || wanted.includes('..'))) {
    throw new Error(`"${wanted}" is not a device: a path below /dev, or a hint such as size>=400GB, expected`)
  }
  const path = await appeared(deps, wanted, hint, signal)
  if (!(await stat(path)).isBlockDevice()) throw new Error(`${wanted} is not a block device`)
  const name = basename(path)
  const folder = await realpath(`/sys/class/block/${name}`)
  const bytes = Number(await read(`${folder}/size`)) * 512
  if (!bytes) throw new Error(`${path} has no medium (size 0)`)
  if ((await read(`${folder}/ro`)) === '1') throw new Error(`${path} is read-only`)
  const disk = (await read(`${folder}/partition`)) ? basename(dirname(folder)) : name
  const facts = (await readDisks('')).find((found) => found.device === `/dev/${disk}`)
  await refuseInUse(deps, path, folder, signal)
  return {
    path,
    bytes,
    description: describe(facts),
    openDirect: () => openDirect(path),
    openBuffered: () => open(path, constants.O_RDWR),
    ...((await makesZeros(folder)) && {
      zero: (from: number, length: number) => zero(deps, path, from, length),
    }),
    settle: () => settle(deps, path, folder),
  }
}

/** A disk behind a slow controller may come some seconds after the agent. */
async function appeared(
  deps: Deps,
  wanted: string,
  hint: Hint | undefined,
  signal: AbortSignal,
): Promise<string> {
  const giveUpAt = deps.clock.now() + appearMs
  for (;;) {
    const disks = await readDisks('')
    const path = hint ? diskAsHinted(hint, disks) : (diskNamed(wanted, disks) ?? wanted)
    const found = path && (await realpath(path).catch(() => undefined))
    if (found?.startsWith('/dev/')) return found
    if (deps.clock.now() >= giveUpAt) {
      const there = disks.map((disk) => `${disk.device} (${describe(disk)}, ${readable(disk.bytes)})`)
      const why = wanted.startsWith('/dev/disk/')
        ? 'names no disk (of the names below /dev/disk this system knows those by-id that hold a serial number or WWN)'
        : hint
          ? 'describes no disk'
          : 'does not exist'
      throw new Error(`${wanted} ${why}; this machine has ${there.join(', ') || 'no disks'}`)
    }
    await deps.clock.sleep(500, signal)
    signal.throwIfAborted()
  }
}

/** What has just been unmounted or probed may be busy for a moment; a mount of this process's own is not waited for. */
async function refuseInUse(deps: Deps, path: string, folder: string, signal: AbortSignal): Promise<void> {
  const giveUpAt = deps.clock.now() + busyMs
  for (;;) {
    try {
      return await (await open(path, exclusive)).close()
    } catch (error) {
      if (codeOf(error) !== 'EBUSY') throw error
      const users = [...(await mountsOf(path)), ...(await readdir(`${folder}/holders`).catch(() => []))]
      if (users.length || deps.clock.now() >= giveUpAt)
        throw new Error(`${path} is in use${users.length ? `: ${users.join(', ')}` : ''}`, { cause: error })
    }
    await deps.clock.sleep(100, signal)
    signal.throwIfAborted()
  }
}

/** Mounts of a disk or its partitions. */
async function mountsOf(path: string): Promise<string[]> {
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' '))
  return mounts
    .filter(([source = '']) => source.startsWith(path) && /^(p?\d+)?$/.test(source.slice(path.length)))
    .map(([source, folder]) => `${source} is mounted on ${folder}`)
}

async function openDirect(path: string): Promise<{ file: FileHandle; direct: boolean }> {
  try {
    return { file: await open(path, exclusive | constants.O_DIRECT), direct: true }
  } catch (error) {
    if (codeOf(error) !== 'EINVAL') throw error
    return { file: await open(path, exclusive), direct: false }
  }
}

/** A partition's limits are those of its disk. */
async function makesZeros(folder: string): Promise<boolean> {
  const limit = 'queue/write_zeroes_max_bytes'
  return Number((await read(`${folder}/${limit}`)) || (await read(`${dirname(folder)}/${limit}`))) > 0
}

const zeroedAtOnce = 4 * 2 ** 30

/** With `-f`, because the disk is open for exclusive use by the one who writes the rest. */
async function zero({ commands }: Deps, path: string, from: number, length: number): Promise<void> {
  for (let done = 0; done < length; done += zeroedAtOnce) {
    const part = Math.min(zeroedAtOnce, length - done)
    await commands.run('blkdiscard', ['-f', '-z', '-o', `${from + done}`, '-l', `${part}`, path])
  }
}

async function settle(deps: Deps, path: string, folder: string): Promise<string[]> {
  if (await read(`${folder}/partition`)) return []
  const giveUpAt = deps.clock.now() + partitionsMs
  for (;;) {
    const fault = await deps.commands.run('blockdev', ['--rereadpt', path]).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (fault === undefined) break
    if (fault instanceof CommandFault && fault.said.includes('Invalid argument')) return []
    if (deps.clock.now() >= giveUpAt) throw fault
    await deps.clock.sleep(300)
  }
  for (;;) {
    const parts = (await readdir(folder))
      .filter((name) => name.startsWith(basename(path)))
      .map((name) => `/dev/${name}`)
    const present = await Promise.all(
      parts.map((part) =>
        stat(part).then(
          () => true,
          () => false,
        ),
      ),
    )
    if (present.every(Boolean) || deps.clock.now() >= giveUpAt) return parts.sort()
    await deps.clock.sleep(100)
  }
}

function describe(disk: DiskFacts | undefined): string {
  const words = [disk?.model, disk?.serial && `serial ${disk.serial}`]
  return words.filter(Boolean).join(', ') || 'model unknown'
}

/** Bytes for people, in powers of 1000 as disks are sold. */
export function readable(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let power = 0
  for (let rest = bytes; rest >= 1000 && power < units.length - 1; rest /= 1000) power++
  return `${power ? (bytes / 1000 ** power).toFixed(1) : bytes} ${units[power]}`
}

async function read(file: string): Promise<string> {
  return readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => '',
  )
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
