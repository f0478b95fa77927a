import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { writefile } from '../../src/agent/actions/writefile.ts'
import { contents } from '../../src/agent/mounts.ts'
import { ext4Device, noLoopDevices, ownFolder } from './loop.ts'
import { testRun } from './machine.ts'
import { realMachine } from './real.ts'

const skip = noLoopDevices()

t.test('a file system is mounted for a while, and for nobody else', { skip }, async (t) => {
  const device = ext4Device(t, 8 << 20)
  const { mounts } = realMachine(ownFolder(t))
  const folder = await mounts.during(device, 'ext4', false, async (root) => {
    writeFileSync(join(root, 'file'), 'text')
    t.notOk(
      readFileSync('/proc/mounts', 'utf8').includes(device),
      'it is not among the mounts of this process',
    )
    return root
  })
  t.notOk(existsSync(folder), 'it is gone afterwards')
  t.equal(spawnSync('e2fsck', ['-n', device]).status, 0)
  await mounts.during(device, 'ext4', true, async (root) => {
    t.equal(readFileSync(join(root, 'file'), 'utf8'), 'text')
    t.throws(() => writeFileSync(join(root, 'x'), ''), { code: 'EROFS' })
  })
})

t.test('what fails in between is passed on, and the device is free', { skip }, async (t) => {
  const device = ext4Device(t, 8 << 20)
  const { mounts } = realMachine(ownFolder(t))
  const failing = mounts.during(device, 'ext4', false, async () => Promise.reject(new Error('broken')))
  await t.rejects(failing, { message: 'broken' })
  t.equal(spawnSync('e2fsck', ['-n', '-f', device]).status, 0)
})

t.test('a cancelled use ends at once', { skip }, async (t) => {
  const device = ext4Device(t, 8 << 20)
  const { mounts } = realMachine(ownFolder(t))
  const stop = new AbortController()
  const use = async (root: string) => {
    stop.abort(new Error('cancelled'))
    while (existsSync(root)) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await t.rejects(mounts.during(device, 'ext4', false, use, stop.signal), { message: 'cancelled' })
  t.equal(spawnSync('e2fsck', ['-n', device]).status, 0)
})

t.test(
  'an agent that is killed with a mount leaves a device that can be used at once',
  { skip },
  async (t) => {
    const device = ext4Device(t, 8 << 20)
    const folder = ownFolder(t)
    const real = fileURLToPath(new URL('real.ts', import.meta.url))
    const script = `import { realMachine } from ${JSON.stringify(real)}
    await realMachine(${JSON.stringify(folder)}).mounts.during(${JSON.stringify(device)}, 'ext4', false, async (root) => {
      console.log(root)
      await new Promise((resolve) => setTimeout(resolve, 60_000))
    })`
    const agent = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', script])
    agent.stderr.resume()
    const root = await new Promise<string>((resolve) =>
      agent.stdout.once('data', (text: Buffer) => resolve(text.toString().trim())),
    )
    t.ok(statSync(root).isDirectory())
    agent.kill('SIGKILL')
    const environment = { DEST_DISK: device, FS_TYPE: 'ext4', DEST_PATH: '/a/b', CONTENTS: 'text' }
    const { message } = await writefile(testRun(environment).run, realMachine(folder))
    t.match(message, '/a/b written on')
    t.equal(spawnSync('e2fsck', ['-n', '-f', device]).status, 0)
  },
)

const busybox = spawnSync('sh', ['-c', 'command -v busybox']).stdout.toString().trim()
t.test(
  "it works with the netboot OS's shell, which prefers its own programs",
  { skip: skip || (!busybox && 'busybox is missing') },
  async (t) => {
    const folder = ownFolder(t)
    symlinkSync(busybox, join(folder, 'sh'))
    const path = process.env['PATH']
    process.env['PATH'] = `${folder}:${path}`
    t.teardown(() => (process.env['PATH'] = path))
    const device = ext4Device(t, 8 << 20)
    const lines: string[] = []
    const plan = { device, fsType: 'ext4', readOnly: false, work: 'readlink /proc/self/exe; exit 5' }
    const code = await realMachine(folder).mounts.sandbox(plan, { line: (text) => lines.push(text) }, (box) =>
      box.run(''),
    )
    t.equal(code, 5)
    t.match(lines[0], /busybox$/)
  },
)

const found = [
  { says: 'DEVNAME=/dev/sda1\nUUID=x\nTYPE=xfs\n', want: 'it holds xfs' },
  { says: 'PTTYPE=gpt\n', want: 'it holds a partition table, gpt: name a partition of it' },
  { says: '', want: 'it holds no file system that is known here' },
]
for (const { says, want } of found) {
  t.test(`a device that cannot be mounted: ${want}`, async (t) => t.equal(contents(says), want))
}
