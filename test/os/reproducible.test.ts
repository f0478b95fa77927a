import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat, statfs, symlink, utimes } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createHash } from 'node:crypto'
import t from 'tap'

const project = fileURLToPath(new URL('../..', import.meta.url))
const cache = process.env['IRONWAKE_CACHE'] ?? join(homedir(), '.cache/ironwake')
const hasCache =
  existsSync(join(cache, 'ipxe-version.txt')) &&
  readdirSync(cache).some((name) => name.startsWith('versions-'))
const skip = !hasCache && 'the set-up has made no cache of Debian packages (it does so as root on Debian)'

type Ended = { code: number | null; out: string; err: string }
type How = { env?: Record<string, string>; umask?: string; cpus?: string }

/** Runs a program with a cache of its own packages and no network; ends with what it printed. */
async function run(argv: string[], { env = {}, umask = '022', cpus }: How): Promise<Ended> {
  const pinned = cpus === undefined ? [] : ['taskset', '-c', cpus]
  const script = 'umask "$1" && shift && exec "$@"'
  const child = spawn('sh', ['-c', script, 'sh', umask, ...pinned, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: project,
    env: {
      ...process.env,
      IRONWAKE_ZSTD_LEVEL: '1',
      IRONWAKE_DEBIAN_MIRROR: 'http://127.0.0.1:9/debian',
      ...env,
    },
  })
  const ended = once(child, 'close')
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = (await ended) as [number | null]
  return { code, out: output, err: errors }
}

const build = (checkout: string, out: string, how: How) =>
  run(['bash', join(checkout, 'os/build.sh'), out, cache], how)

const hashOf = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex')

/** Whether a folder is there with two gigabytes to spare. */
const hasRoom = async (path: string) => {
  const room = await statfs(path).catch(() => undefined)
  return room !== undefined && room.bavail * room.bsize > 2e9
}

/** What a build reads, somewhere else. */
async function copyCheckout(from: string, to: string): Promise<void> {
  const names = ['os', 'src', 'proto', 'package.json', 'tsconfig.json']
  for (const name of names) await cp(join(from, name), join(to, name), { recursive: true })
  await symlink(join(project, 'node_modules'), join(to, 'node_modules'))
}

t.setTimeout(300_000)
t.test('the netboot OS is the same bytes wherever and however it is built', { skip }, async (t) => {
  const here = await mkdtemp(join(tmpdir(), 'ironwake-os-test-'))
  // Another file system lists its folders in another order.
  const there = await mkdtemp(join((await hasRoom('/dev/shm')) ? '/dev/shm' : tmpdir(), 'ironwake os test-'))
  t.teardown(async () => {
    for (const folder of [here, there]) await rm(folder, { recursive: true, force: true })
  })
  const checkout = { first: join(here, 'checkout'), second: join(there, 'another place') }
  await copyCheckout(project, checkout.first)
  await copyCheckout(checkout.first, checkout.second)
  await chmod(join(checkout.second, 'proto/ironwake/v1/agent.proto'), 0o600)
  await chmod(join(checkout.second, 'os/init'), 0o700)
  for (const name of ['bin', 'tmp']) await mkdir(join(there, name))
  await cp(process.execPath, join(there, 'bin/node'), { dereference: true })
  await utimes(join(there, 'bin/node'), 1, 1)
  await chmod(join(there, 'tmp'), 0o2755)

  const surroundings = {
    TMPDIR: join(there, 'tmp'),
    TZ: 'Asia/Kathmandu',
    LC_ALL: 'POSIX',
    CDPATH: '/usr',
    NODE_OPTIONS: '--no-deprecation',
    ZSTD_NBTHREADS: '3',
    PATH: `${join(there, 'bin')}:${process.env['PATH']}`,
  }
  const out = { first: join(here, 'out'), second: join(there, 'second out') }
  const ended = await Promise.all([
    build(checkout.first, out.first, {}),
    build(checkout.second, out.second, { env: surroundings, umask: '077', cpus: '0' }),
  ])
  for (const { code, err } of ended) t.same({ code, err }, { code: 0, err: '' })

  for (const name of ['vmlinuz-x86_64', 'initramfs-x86_64', 'netboot-os.txt'])
    t.equal(await hashOf(join(out.first, name)), await hashOf(join(out.second, name)), name)
  const record = await readFile(join(out.first, 'netboot-os.txt'), 'utf8')
  for (const name of ['vmlinuz-x86_64', 'initramfs-x86_64'])
    t.match(record, `\n${await hashOf(join(out.first, name))}  ${name}\n`, 'the record names the bytes')
  t.match(record, /^VERSION=.*\n/)
  t.match(record, /\nNODE_SHA256=[0-9a-f]{64}\n/)
  t.match(record, /\nlibc6=2\./)
  t.equal((await stat(join(out.second, 'initramfs-x86_64'))).mode & 0o777, 0o644, 'readable for a server')

  const main = join(checkout.second, 'src/main.ts')
  const argv = ['node', '--import', 'tsx', main, 'os', 'build', '--output', out.first, '--cache', cache]
  const again = await run(argv, { env: surroundings })
  t.match(again, { code: 0, err: '' })
  t.match(
    again.out,
    /^netboot OS: up to date in .*\niPXE: done: .*undionly\.kpxe/,
    'equal inputs are known again',
  )
  t.ok((await stat(join(out.first, 'ipxe.efi'))).size > 0)
})

t.end()
