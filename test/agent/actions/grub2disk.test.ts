import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { ext4Device, loopDevice, noLoopDevices, ownFolder } from '../loop.ts'
import { perform } from './perform.ts'

const skip = noLoopDevices()

/** A root file system with busybox, and programs that write down how they were called. */
function system(t: Test, programs: readonly string[]): string {
  const folder = ownFolder(t)
  for (const name of ['bin', 'usr/sbin', 'dev', 'proc', 'sys', 'boot/grub'])
    mkdirSync(join(folder, name), { recursive: true })
  copyFileSync(
    spawnSync('which', ['busybox'], { encoding: 'utf8' }).stdout.trim(),
    join(folder, 'bin/busybox'),
  )
  for (const name of ['sh', 'mount']) symlinkSync('busybox', join(folder, 'bin', name))
  for (const name of programs) {
    const path = join(folder, 'usr/sbin', name)
    writeFileSync(path, `#!/bin/sh\necho "${name} $*" >> /calls\n`)
    chmodSync(path, 0o755)
  }
  return ext4Device(t, 16 << 20, folder)
}

t.test("the installed system's own GRUB goes to the disk that is named", { skip }, async (t) => {
  const device = system(t, ['grub-install', 'grub-mkconfig'])
  const disk = loopDevice(t, 1 << 20)
  const environment = { GRUB_DISK: device, GRUB_INSTALL_PATH: disk, FS_TYPE: 'ext4' }
  t.equal((await perform(t, 'grub2disk', environment)).message, `GRUB of ${device} installed on ${disk}`)
  const calls = spawnSync('debugfs', ['-R', 'cat /calls', device], { encoding: 'utf8' }).stdout
  t.equal(calls, `grub-install ${disk}\ngrub-mkconfig -o /boot/grub/grub.cfg\n`)
})

t.test('a system without GRUB, and settings that are missing', { skip }, async (t) => {
  const device = system(t, [])
  const environment = { GRUB_DISK: device, GRUB_INSTALL_PATH: loopDevice(t, 1 << 20), FS_TYPE: 'ext4' }
  t.match((await perform(t, 'grub2disk', environment)).message, /code 1: the system has no grub-install/)
  t.match((await perform(t, 'grub2disk', { ...environment, GRUB_DISK: '' })).message, /GRUB_DISK is not set/)
})
