import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const script = (name: string) => fileURLToPath(new URL(`../../os/${name}`, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'ironwake-missing-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

const which = (name: string) =>
  spawnSync('sh', ['-c', `command -v ${name}`])
    .stdout.toString()
    .trim()

/** Runs a script on a host that has these programs and no others, but for those in /usr/sbin. */
function runWith(name: string, programs: readonly string[]) {
  const bin = mkdtempSync(join(folder, 'bin-'))
  for (const program of ['bash', 'dirname', 'mkdir', 'sed', 'awk', ...programs])
    symlinkSync(which(program), join(bin, program))
  const argv = [script(name), join(folder, 'out'), join(folder, 'cache')]
  const { status, stderr } = spawnSync(join(bin, 'bash'), argv, { env: { PATH: bin } })
  return { status, err: stderr.toString() }
}

for (const name of ['build.sh', 'ipxe.sh'])
  t.test(`${name} says that it needs Debian or Ubuntu`, async (t) => {
    t.match(runWith(name, []), {
      status: 1,
      err: /has no apt-get and dpkg-deb: run this on Debian or Ubuntu\n$/,
    })
  })

const isDebian = which('apt-get') !== '' && which('dpkg-deb') !== ''
t.test(
  'build.sh names all programs that are missing, and their packages',
  { skip: !isDebian && 'no apt-get here' },
  async (t) => {
    const { status, err } = runWith('build.sh', ['apt-get', 'dpkg-deb'])
    t.equal(status, 1)
    t.match(err, /^netboot OS: missing on this host: cpio zstd .*\(apt-get install cpio zstd .*\)\n$/)
  },
)

t.end()
