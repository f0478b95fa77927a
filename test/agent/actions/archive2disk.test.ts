import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { files, serve } from '../image/server.ts'
import { ext4Device, noLoopDevices, ownFolder } from '../loop.ts'
import { perform } from './perform.ts'

const skip = noLoopDevices()
const tags = { etag: '"v1"' }

function archive(t: Test, program?: string): Buffer {
  const folder = ownFolder(t)
  mkdirSync(join(folder, 'etc'))
  writeFileSync(join(folder, 'etc/hostname'), 'installed\n')
  writeFileSync(join(folder, 'big'), Buffer.alloc(3_000_000, 'text '))
  symlinkSync('/etc/hostname', join(folder, 'link'))
  spawnSync('chown', ['-h', '1000:1000', join(folder, 'big')])
  const args = ['-C', folder, ...(program ? [`--use-compress-program=${program}`] : []), '-cf', '-', '.']
  return spawnSync('tar', args, { maxBuffer: 1 << 28 }).stdout
}

/** What a file system holds, by debugfs, without mounting it. */
const inside = (device: string, request: string) =>
  spawnSync('debugfs', ['-R', request, device], { encoding: 'utf8' }).stdout

const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

for (const program of [undefined, 'gzip', 'bzip2', 'xz', 'zstd']) {
  t.test(`an archive (${program ?? 'plain'}) is unpacked into a file system`, { skip }, async (t) => {
    const body = archive(t, program)
    const device = ext4Device(t, 24 << 20)
    const url = await serve(t, files([{ body, tags }], program === 'gzip' ? [body.length >> 1] : []))
    const { message, lines } = await perform(t, 'x/archive2disk:latest', {
      ARCHIVE_URL: url,
      ARCHIVE_TYPE: 'targz',
      TARFILE_CHECKSUM: sha256(body),
      DEST_DISK: device,
      FS_TYPE: 'ext4',
      DEST_PATH: '/new/root',
    })
    t.match(message, new RegExp(`^5 files with 3.0 MB .* unpacked into /new/root of ${device}`))
    t.match(lines.join('\n'), `destination ${device}: 25.2 MB`)
    t.equal(inside(device, 'cat /new/root/etc/hostname'), 'installed\n')
    t.match(inside(device, 'stat /new/root/big'), /User: +1000 +Group: +1000 .*Size: 3000000/s)
    t.match(inside(device, 'stat /new/root/link'), /Type: symlink .*"\/etc\/hostname"/s)
  })
}

t.test('what cannot be unpacked is said', { skip }, async (t) => {
  const body = archive(t, 'gzip')
  const device = ext4Device(t, 8 << 20)
  const url = await serve(t, files([{ body, tags }]))
  const usual = { ARCHIVE_URL: url, DEST_DISK: device, FS_TYPE: 'ext4', DEST_PATH: '/' }
  const unchecked = { ...usual, INSECURE_NO_TARFILE_CHECKSUM_VERIFICATION: 'true' }
  const says = async (environment: Record<string, string>, what: RegExp) =>
    t.match((await perform(t, 'archive2disk', environment)).message, what)
  await says(usual, /TARFILE_CHECKSUM is not set/)
  await says({ ...usual, TARFILE_CHECKSUM: 'md5:00' }, /TARFILE_CHECKSUM is "md5:00"/)
  await says({ ...usual, TARFILE_CHECKSUM: '0'.repeat(64) }, /has SHA-256 .*, 0{64} expected/)
  await says({ ...unchecked, DEST_PATH: '../x' }, /DEST_PATH is "\.\.\/x"/)
  await says({ ...unchecked, FS_TYPE: 'xfs' }, /cannot be mounted as xfs: .*it holds ext4/)
  await says(unchecked, /^\d files/)
  const full = ext4Device(t, 2 << 20)
  await says({ ...unchecked, DEST_DISK: full }, /unpacking \.\/big: no space left/)
  const cut = await serve(t, files([{ body: body.subarray(0, 2000), tags }]))
  await says({ ...unchecked, ARCHIVE_URL: cut }, /cut off/)
  const page = await serve(t, files([{ body: Buffer.from('<html>no</html>'.padEnd(2000)), tags }]))
  await says({ ...unchecked, ARCHIVE_URL: page }, /is a HTML page: a tar archive expected/)
  t.ok(readFileSync(device).length > 0)
})
