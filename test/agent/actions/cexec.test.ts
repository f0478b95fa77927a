import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { cexec } from '../../../src/agent/actions/cexec.ts'
import { testMachine, testRun } from '../machine.ts'
import { ext4Device, loopDevice, noLoopDevices, ownFolder } from '../loop.ts'
import { realMachine } from '../real.ts'

const busybox = spawnSync('sh', ['-c', 'command -v busybox']).stdout.toString().trim()
const skip = noLoopDevices() || (!busybox && 'busybox is missing')
const shell = { FS_TYPE: 'ext4', CHROOT: 'y', DEFAULT_INTERPRETER: '/bin/sh -c' }

const made = !existsSync('/mountAction')
t.teardown(() => made && existsSync('/mountAction') && rmdirSync('/mountAction'))

/** A file system with a system of one program in it. */
function system(t: Test, resolvConf?: (root: string) => void): string {
  const root = join(ownFolder(t), 'root')
  for (const folder of ['dev', 'proc', 'sys', 'etc', 'bin', 'run', 'tmp'])
    mkdirSync(join(root, folder), { recursive: true })
  copyFileSync(busybox, join(root, 'bin/busybox'))
  for (const name of [
    'sh',
    'cat',
    'ls',
    'ps',
    'mount',
    'sleep',
    'env',
    'yes',
    'head',
    'dd',
    'tr',
    'touch',
    'rm',
    'kill',
  ])
    symlinkSync('busybox', join(root, 'bin', name))
  resolvConf?.(root)
  return ext4Device(t, 24 << 20, root)
}

async function run(t: Test, environment: Record<string, string>, signal?: AbortSignal) {
  const { run, lines } = testRun(environment, signal)
  const outcome = await cexec(run, realMachine(ownFolder(t))).then(
    ({ message }) => message,
    (error: unknown) => (error as Error).message,
  )
  return { outcome, lines: lines.slice(1), device: environment['BLOCK_DEVICE'] ?? '' }
}

/** No process refers to the mark, and nobody uses the device. */
function nothingIsLeft(t: Test, device: string, mark: string): void {
  const processes = spawnSync('ps', ['-eo', 'pid,args']).stdout.toString()
  t.notOk(processes.includes(mark), 'no process is left')
  t.equal(spawnSync('e2fsck', ['-n', device]).status, 0, 'the file system is sound')
  const mounts = `grep -l '^[^ ]* [^ ]* [^ ]* [^ ]* .* ${device} ' /proc/[0-9]*/mountinfo`
  t.equal(spawnSync('sh', ['-c', mounts]).stdout.toString(), '', 'no mount is left')
}

t.test('a command runs in the installed system', { skip }, async (t) => {
  const device = system(t)
  const script =
    'echo one; echo two >&2; echo x > /dev/stderr; echo $MINE; touch /etc/made; ls /proc/self/exe /sys/block > /dev/null && ps'
  const { outcome, lines } = await run(t, { ...shell, BLOCK_DEVICE: device, CMD_LINE: script, MINE: "it's" })
  t.equal(outcome, `the command succeeded in ${device}`)
  t.same(lines.slice(0, 4), ['one', 'two', 'x', "it's"])
  t.ok(lines.length < 20, 'it sees its own processes only')
  const again = await run(t, { ...shell, BLOCK_DEVICE: device, CMD_LINE: 'ls /etc; mount' })
  t.equal(again.lines[0], 'made', 'what it wrote is on the disk')
  nothingIsLeft(t, device, '/bin/sh -c ls /etc')
})

t.test('the command has the environment of the action and little else', { skip }, async (t) => {
  const { lines } = await run(t, { ...shell, BLOCK_DEVICE: system(t), CMD_LINE: 'env', A_B: 'c d' })
  const names = lines
    .map((line) => line.split('=')[0])
    .filter((name) => !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name!))
  t.same(
    new Set(names),
    new Set(['A_B', 'BLOCK_DEVICE', 'CHROOT', 'CMD_LINE', 'DEFAULT_INTERPRETER', 'FS_TYPE', 'HOME', 'PATH']),
  )
})

t.test(
  'without CHROOT the file system is at /mountAction; nothing follows a failed command',
  { skip },
  async (t) => {
    const { outcome, lines } = await run(t, {
      BLOCK_DEVICE: system(t),
      FS_TYPE: 'ext4',
      CMD_LINE: 'ls /mountAction; ls /mountAction/none; echo never',
    })
    t.match(lines, ['bin', 'dev'])
    t.match(outcome, /^the command ended with code \d+: .*\/mountAction\/none/)
    t.notOk(lines.includes('never'))
  },
)

t.test('output comes while the command runs', { skip }, async (t) => {
  const { run, lines } = testRun({
    ...shell,
    BLOCK_DEVICE: system(t),
    CMD_LINE: 'echo first; sleep 1; echo second',
  })
  const at: number[] = []
  const log = (line: string) => void (lines.push(line), at.push(Date.now()))
  await cexec({ ...run, log }, realMachine(ownFolder(t)))
  t.same(lines.slice(1), ['first', 'second'])
  t.ok(at[2]! - at[1]! > 500)
})

t.test('too much, too long and binary output is cut; the last lines are there', { skip }, async (t) => {
  const before = process.memoryUsage().rss
  const script =
    'yes | head -n 500000; head -c 1000000 /dev/urandom; head -c 20000000 /dev/zero | tr "\\0" x; echo; echo end'
  const { lines, outcome } = await run(t, { ...shell, BLOCK_DEVICE: system(t), CMD_LINE: script })
  t.match(outcome, /succeeded/)
  t.equal(lines.at(-1), 'end')
  t.ok(lines.some((line) => /^\(\d+ lines left out/.test(line)))
  t.ok(Math.max(...lines.map((line) => line.length)) <= 2001)
  t.ok(process.memoryUsage().rss - before < 100 << 20, 'memory does not grow')
})

const failures = [
  { name: 'an exit code', CMD_LINE: 'echo broken; exit 7', says: /^the command ended with code 7: broken$/ },
  { name: 'a command without a word', CMD_LINE: 'exit 9', says: /^the command ended with code 9$/ },
  { name: 'a signal', CMD_LINE: 'kill -9 $$', says: /code 137, as by signal 9/ },
  {
    name: 'an interpreter that is missing',
    DEFAULT_INTERPRETER: '/bin/zsh -c',
    CMD_LINE: 'x',
    says: /could not be run \(code 127\): .*\/bin\/zsh/,
  },
  {
    name: 'a command that ends its own system',
    CMD_LINE: 'kill -TERM 1; sleep 5',
    says: /ended from within/,
  },
  {
    name: 'a wrong FS_TYPE',
    FS_TYPE: 'xfs',
    CMD_LINE: 'x',
    says: /cannot be mounted as xfs: .* \(it holds ext4\)$/,
  },
]
for (const { name, says, ...environment } of failures) {
  t.test(`${name} fails the action`, { skip }, async (t) => {
    const { outcome, device } = await run(t, { ...shell, BLOCK_DEVICE: system(t), ...environment })
    t.match(outcome, says)
    nothingIsLeft(t, device, `/bin/sh -c ${environment.CMD_LINE}`)
  })
}

t.test('a file system that is no system cannot be CHROOT', { skip }, async (t) => {
  const device = ext4Device(t, 8 << 20)
  const { outcome } = await run(t, { ...shell, BLOCK_DEVICE: device, CMD_LINE: 'x' })
  t.match(outcome, /has no folder \/dev: CHROOT needs a system's root file system/)
})

t.test('with no file system named it runs in this system, and /mountAction is empty', { skip }, async (t) => {
  const environment = { DEFAULT_INTERPRETER: '/bin/sh -c', CMD_LINE: 'ls -A /mountAction; echo "$$ $WORD"' }
  const { outcome, lines } = await run(t, { ...environment, WORD: 'x' })
  t.equal(outcome, 'the command succeeded in the netboot OS')
  t.equal(lines.length, 1)
  t.match(lines[0], /^\d+ x$/)
  t.match((await run(t, { ...environment, CMD_LINE: 'exit 3' })).outcome, /^the command ended with code 3/)
  t.match((await run(t, { ...environment, BLOCK_DEVICE: '' })).outcome, /^BLOCK_DEVICE is not set/)
  t.match((await run(t, { ...environment, CHROOT: 'y' })).outcome, /^BLOCK_DEVICE is not set/)
})

t.test('an empty disk says so', { skip }, async (t) => {
  const device = loopDevice(t, 1 << 20)
  const { outcome } = await run(t, { ...shell, BLOCK_DEVICE: device, CMD_LINE: 'x' })
  t.match(outcome, /cannot be mounted as ext4: .* \(it holds no file system that is known here\)/)
})

const mine = readFileSync('/etc/resolv.conf', 'utf8').trim().split('\n')
const resolvConfs: { name: string; make: (root: string) => void; after: string }[] = [
  {
    name: 'a link into /run',
    make: (root) => symlinkSync('../run/systemd/resolve/stub-resolv.conf', join(root, 'etc/resolv.conf')),
    after: 'ls /run; ls -l /etc/resolv.conf',
  },
  {
    name: 'a link out of the system',
    make: (root) => symlinkSync('../../../../../../tmp/ironwake/resolv.conf', join(root, 'etc/resolv.conf')),
    after: 'ls /tmp; ls -l /etc/resolv.conf',
  },
  { name: 'no file', make: () => undefined, after: 'ls /etc' },
]
for (const { name, make, after } of resolvConfs) {
  t.test(
    `UPDATE_RESOLV_CONF with ${name}: there while the command runs, gone afterwards`,
    { skip },
    async (t) => {
      const device = system(t, make)
      const environment = { ...shell, BLOCK_DEVICE: device, UPDATE_RESOLV_CONF: 'true' }
      const during = await run(t, {
        ...environment,
        CMD_LINE: 'cat /etc/resolv.conf; echo x > /etc/resolv.conf',
      })
      t.same(
        during.lines.slice(0, -1),
        mine.filter((line) => line.trim()),
      )
      t.match(during.outcome, /Read-only file system/, 'nobody writes into the file of the agent')
      const later = await run(t, { ...environment, UPDATE_RESOLV_CONF: '', CMD_LINE: after })
      t.match(later.lines.join('\n'), /^$|^l\S+ .* \/etc\/resolv.conf -> \S+$/, 'the disk is as before')
    },
  )
}

t.test('a cancelled action ends its whole process tree', { skip }, async (t) => {
  const device = system(t)
  const stop = new AbortController()
  const environment = { ...shell, BLOCK_DEVICE: device, CMD_LINE: 'sleep 7771 & (sleep 7772 &) ; sleep 7773' }
  setTimeout(() => stop.abort(new Error('cancelled: by hand')), 700)
  const { outcome } = await run(t, environment, stop.signal)
  t.equal(outcome, 'cancelled: by hand')
  nothingIsLeft(t, device, 'sleep 777')
})

t.test('what a command leaves running ends with it', { skip }, async (t) => {
  const device = system(t)
  const { outcome } = await run(t, { ...shell, BLOCK_DEVICE: device, CMD_LINE: 'sleep 7774 & echo done' })
  t.match(outcome, /succeeded/)
  nothingIsLeft(t, device, 'sleep 7774')
})

t.test('an agent that is killed leaves nothing; the next one runs the same action', { skip }, async (t) => {
  const device = system(t)
  const environment = { ...shell, BLOCK_DEVICE: device, CMD_LINE: 'echo begun; sleep 7775 & sleep 7776' }
  const script = fileURLToPath(new URL('alone.ts', import.meta.url))
  const agent = spawn(process.execPath, [
    '--import=tsx',
    script,
    'cexec',
    ownFolder(t),
    JSON.stringify(environment),
  ])
  for await (const line of createInterface(agent.stdout)) if (line === 'begun') agent.kill('SIGKILL')
  const { outcome } = await run(t, { ...environment, CMD_LINE: 'echo again' })
  t.match(outcome, /succeeded/)
  nothingIsLeft(t, device, 'sleep 777')
})

const refused = [
  { name: 'no device', environment: { FS_TYPE: 'ext4', CMD_LINE: 'x' }, says: /BLOCK_DEVICE is not set/ },
  { name: 'no file system', environment: { BLOCK_DEVICE: '/dev/x', CMD_LINE: 'x' }, says: /FS_TYPE is ""/ },
  {
    name: 'no command',
    environment: { BLOCK_DEVICE: '/dev/x', FS_TYPE: 'ext4', CMD_LINE: ' ; ' },
    says: /CMD_LINE is empty/,
  },
  {
    name: 'a command line that the kernel does not take',
    environment: { BLOCK_DEVICE: '/dev/x', FS_TYPE: 'ext4', CMD_LINE: 'x'.repeat(200_000) },
    says: /too long/,
  },
  {
    name: 'an odd name in the environment',
    environment: { BLOCK_DEVICE: '/dev/x', FS_TYPE: 'ext4', CMD_LINE: 'x', '-i': 'y' },
    says: /"-i" is no name/,
  },
]
for (const { name, environment, says } of refused) {
  t.test(`${name} is refused`, async (t) => {
    await t.rejects(cexec(testRun({ ...environment } as Record<string, string>).run, testMachine({})), says)
  })
}
