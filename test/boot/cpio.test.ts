import { execFileSync, spawnSync } from 'node:child_process'
import t from 'tap'
import { cpioArchive } from '../../src/boot/cpio.ts'

const data = new TextEncoder().encode('{"api":1}\n')
const archive = cpioArchive([
  { kind: 'directory', path: 'etc', mode: 0o755 },
  { kind: 'directory', path: 'etc/ironwake', mode: 0o700 },
  { kind: 'file', path: 'etc/ironwake/boot.json', mode: 0o600, data },
])

t.test('an archive is whole words and begins with the newc magic', async (t) => {
  t.equal(archive.length % 4, 0)
  t.equal(Buffer.from(archive.subarray(0, 6)).toString(), '070701')
  t.ok(Buffer.from(archive).includes('TRAILER!!!'))
})

const missing = spawnSync('cpio', ['--version']).error !== undefined
t.test('cpio reads it', { skip: missing && 'cpio is not installed' }, async (t) => {
  const run = (...args: string[]) =>
    execFileSync('cpio', args, { input: archive, stdio: ['pipe', 'pipe', 'ignore'] }).toString()
  t.equal(run('-it'), 'etc\netc/ironwake\netc/ironwake/boot.json\n')
  t.match(run('-itvn'), /-rw------- +1 0 +0 +10 .* etc\/ironwake\/boot.json/)
  t.equal(run('-i', '--to-stdout', 'etc/ironwake/boot.json'), '{"api":1}\n')
})
