import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { writefile } from '../../../src/agent/actions/writefile.ts'
import { ext4Device, noLoopDevices, ownFolder } from '../loop.ts'
import { fileDevice, testMachine, testRun } from '../machine.ts'
import { realMachine } from '../real.ts'

const mine = { UID: String(process.getuid?.() ?? 0), GID: String(process.getgid?.() ?? 0) }
const base = { DEST_DISK: '/dev/sda2', FS_TYPE: 'ext4', CONTENTS: 'hello\n', ...mine }

function fileSystem(t: Test) {
  const folder = t.testdir({ etc: { hosts: 'old' }, outside: {} })
  return { folder, machine: testMachine({ device: fileDevice('/dev/sda2', 1), folder }) }
}

t.test('a file is written with its folders, owners and modes', async (t) => {
  const { folder, machine } = fileSystem(t)
  const { run } = testRun({ ...base, DEST_PATH: '/etc/cloud/cfg.d/10.cfg', MODE: '0600', DIRMODE: '0700' })
  const { message } = await writefile(run, machine)
  t.match(message, '/etc/cloud/cfg.d/10.cfg written on /dev/sda2, 6 bytes')
  t.equal(readFileSync(join(folder, 'etc/cloud/cfg.d/10.cfg'), 'utf8'), 'hello\n')
  t.equal(statSync(join(folder, 'etc/cloud/cfg.d/10.cfg')).mode & 0o7777, 0o600)
  t.equal(statSync(join(folder, 'etc/cloud')).mode & 0o7777, 0o700)
  t.same(readdirSync(join(folder, 'etc/cloud/cfg.d')), ['10.cfg'], 'nothing else is left')
})

t.test('a new file in a folder that is there is made', async (t) => {
  const { folder, machine } = fileSystem(t)
  await writefile(testRun({ ...base, DEST_PATH: '/etc/new' }).run, machine)
  t.equal(readFileSync(join(folder, 'etc/new'), 'utf8'), 'hello\n')
})

t.test('a file that is there is replaced', async (t) => {
  const { folder, machine } = fileSystem(t)
  await writefile(testRun({ ...base, DEST_PATH: '/etc/hosts' }).run, machine)
  t.equal(readFileSync(join(folder, 'etc/hosts'), 'utf8'), 'hello\n')
})

t.test('links never lead out of the file system', async (t) => {
  const { folder, machine } = fileSystem(t)
  const secret = '/tmp/ironwake-not-there'
  symlinkSync(secret, join(folder, 'etc/escape'))
  await writefile(testRun({ ...base, DEST_PATH: '/etc/escape/x' }).run, machine)
  t.notOk(existsSync(secret))
  t.equal(readFileSync(join(folder, secret, 'x'), 'utf8'), 'hello\n')
})

const faults = [
  {
    name: 'a relative path',
    environment: { DEST_PATH: 'etc/x' },
    says: /DEST_PATH is "etc\/x": the absolute path/,
  },
  { name: 'a path that climbs', environment: { DEST_PATH: '/etc/../../x' }, says: /must not contain "\.\."/ },
  {
    name: 'a folder as destination',
    environment: { DEST_PATH: '/etc' },
    says: /\/etc is there and is not a file/,
  },
  {
    name: 'a mode that is not octal',
    environment: { DEST_PATH: '/x', MODE: '0689' },
    says: /MODE is "0689"/,
  },
  {
    name: 'an owner that is not a number',
    environment: { DEST_PATH: '/x', UID: 'root' },
    says: /UID is "root"/,
  },
  {
    name: 'an unknown file system',
    environment: { DEST_PATH: '/x', FS_TYPE: 'ntfs' },
    says: /FS_TYPE is "ntfs"/,
  },
  { name: 'no partition', environment: { DEST_PATH: '/x', DEST_DISK: '' }, says: /DEST_DISK is not set/ },
  {
    name: 'two kinds of contents',
    environment: { DEST_PATH: '/x', BOOTCONFIG_CONTENTS: 'kernel {}' },
    says: /CONTENTS and BOOTCONFIG_CONTENTS are set: one of them expected/,
  },
]
for (const { name, environment, says } of faults) {
  t.test(`${name} is refused`, async (t) => {
    const { machine } = fileSystem(t)
    await t.rejects(writefile(testRun({ ...base, ...environment }).run, machine), says)
  })
}

const skip = noLoopDevices()

t.test('a full file system: path, size and room are named, and nothing is left', { skip }, async (t) => {
  const device = ext4Device(t, 2 << 20)
  const machine = realMachine(ownFolder(t))
  const environment = {
    ...base,
    DEST_DISK: device,
    DEST_PATH: '/etc/deep/file',
    CONTENTS: 'x'.repeat(3 << 20),
  }
  await t.rejects(writefile(testRun(environment).run, machine), {
    message:
      /^\/etc\/deep\/file was not written: it has 3145728 bytes, and \/dev\/loop\d+ has room for \d+ bytes$/,
  })
  await machine.mounts.during(device, 'ext4', true, async (root) => t.same(readdirSync(root), ['lost+found']))
  const { message } = await writefile(testRun({ ...environment, CONTENTS: 'x' }).run, machine)
  t.match(message, '/etc/deep/file written')
})

t.test('a file system without room for one more file says so', { skip }, async (t) => {
  const device = ext4Device(t, 2 << 20)
  const machine = realMachine(ownFolder(t))
  await machine.mounts.during(device, 'ext4', false, async (root) => {
    for (let count = 0, full = false; !full; count++)
      try {
        writeFileSync(join(root, String(count)), '')
      } catch {
        full = true
      }
  })
  const environment = { ...base, DEST_DISK: device, DEST_PATH: '/new', CONTENTS: 'x' }
  await t.rejects(writefile(testRun(environment).run, machine), { message: /has room for no file more$/ })
})

t.test('a damaged file system says so', { skip }, async (t) => {
  const device = ext4Device(t, 2 << 20, t.testdir({ etc: {} }))
  spawnSync('debugfs', ['-w', '-R', 'clri /etc', device])
  const environment = { ...base, DEST_DISK: device, DEST_PATH: '/etc/new', CONTENTS: 'x' }
  await t.rejects(writefile(testRun(environment).run, realMachine(ownFolder(t))), {
    message: /^\/etc\/new was not written on \/dev\/loop\d+: [^\n]*damaged/,
  })
})
