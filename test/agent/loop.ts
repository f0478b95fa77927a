import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

function done(program: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr || error?.message}`)
  return stdout.trim()
}

/** Why tests with real block devices cannot run here; false when they can. */
export function noLoopDevices(): string | false {
  if (process.getuid?.() !== 0) return 'needs root'
  return spawnSync('losetup', ['-f']).status !== 0 && 'this host has no loop devices'
}

/** A folder of its own at every call, until the test ends. */
export function ownFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'ironwake-test-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Another program may take the free device first. */
function attached(file: string, triesLeft = 9): string {
  try {
    return done('losetup', '-P', '-f', '--show', file)
  } catch (error) {
    if (triesLeft === 0) throw error
    return attached(file, triesLeft - 1)
  }
}

/** A block device on a sparse file, until the test ends. */
export function loopDevice(t: Test, bytes: number, folder = ownFolder(t)): string {
  const file = join(folder, 'disk')
  writeFileSync(file, '')
  truncateSync(file, bytes)
  const device = attached(file)
  t.teardown(() => done('losetup', '-d', device))
  return device
}

/** A block device with an ext4 file system that holds the tree below `source`. */
export function ext4Device(t: Test, bytes: number, source?: string): string {
  const device = loopDevice(t, bytes)
  done('mke2fs', '-q', '-F', '-t', 'ext4', ...(source === undefined ? [] : ['-d', source]), device)
  return device
}

/** A RAM disk of `bytes` in a folder, until the test ends. */
export function smallFolder(t: Test, bytes: number): string {
  const folder = ownFolder(t)
  done('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'small', folder)
  t.teardown(() => done('umount', folder))
  return folder
}
