import { spawn, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import type { ActionRun } from '../../../src/agent/actions/action.ts'
import { container } from '../../../src/agent/actions/container.ts'
import { groupOf, withBox } from '../../../src/agent/container/box.ts'
import { noLoopDevices, ownFolder } from '../loop.ts'
import { testRun } from '../machine.ts'
import { imageOf, layerOf, layers } from '../oci/images.ts'
import { noRegistry, registry } from '../oci/registry.ts'
import { realMachine } from '../real.ts'
import { perform } from './perform.ts'

const missing = spawnSync('crun', ['--version']).status === 0 ? false : 'needs crun'
if (missing && process.env['CI']) throw new Error('crun is missing')
const skip = missing || noRegistry() || noLoopDevices()

const images = skip ? undefined : await registry(t)
let pushed = 0

/** An image with busybox and a user, whose command is a shell. */
async function shellImage(t: Test, config: Record<string, unknown> = {}): Promise<string> {
  const { host, push } = images!
  const folder = ownFolder(t)
  for (const name of ['bin', 'etc', 'tmp']) mkdirSync(join(folder, name))
  const busybox = spawnSync('which', ['busybox'], { encoding: 'utf8' }).stdout.trim()
  copyFileSync(busybox, join(folder, 'bin/busybox'))
  for (const name of [
    'sh',
    'echo',
    'env',
    'ps',
    'cat',
    'ls',
    'sleep',
    'id',
    'ip',
    'pwd',
    'touch',
    'kill',
    'dd',
  ])
    spawnSync('ln', ['-s', 'busybox', join(folder, 'bin', name)])
  writeFileSync(join(folder, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\napp:x:12:34::/home/app:/bin/sh\n')
  writeFileSync(join(folder, 'etc/group'), 'root:x:0:\napp:x:34:\nextra:x:56:app\n')
  const parts = {
    layers: [layers.gzip(layerOf(folder))],
    config: { Entrypoint: ['/bin/sh', '-c'], ...config },
  }
  const { blobs, manifest } = imageOf(parts)
  const tag = `v${++pushed}`
  await push('shell', tag, blobs, [manifest])
  return `${host}/shell:${tag}`
}

type Options = Partial<ActionRun> & { folder?: string }

async function execute(t: Test, options: Options) {
  const { run, lines, progress } = testRun({ ...options.environment })
  const { folder = ownFolder(t), ...given } = options
  const outcome = await container(
    { ...run, ...given, log: (line) => lines.push(line) },
    realMachine(folder),
  ).then(
    (result) => result,
    (error: unknown) => ({ message: (error as Error).message, leave: undefined }),
  )
  const at = lines.findIndex((line) => line.startsWith('running '))
  return { outcome, lines, said: at < 0 ? [] : lines.slice(at + 1), progress, folder }
}

t.test('command, environment, folder, output on both channels, and the exit code', { skip }, async (t) => {
  const image = await shellImage(t, { Env: ['A=image', 'B=image'], WorkingDir: '/etc' })
  const script = 'echo "$A $B $(pwd) $HOME"; echo error >&2; id -u'
  const good = await execute(t, { image, command: [script], environment: { B: 'action, with "quotes"' } })
  t.same(good.said, ['image action, with "quotes" /etc /root', 'error', '0'])
  t.equal(good.outcome.message, `${image} ended with code 0`)
  t.match(good.lines.join('\n'), /image sha256:[0-9a-f]{64}: 1 layer, .* files/)
  const bad = await execute(t, { image, command: ['echo a last word; exit 7'] })
  t.equal(bad.outcome.message, 'the container ended with code 7: a last word')
  const killed = await execute(t, { image, command: ['kill -9 $$'], pidNamespace: 'host' })
  t.equal(killed.outcome.message, 'the container ended with code 137, as by signal 9')
})

t.test("the image's own command and user are taken", { skip }, async (t) => {
  const image = await shellImage(t, { Cmd: ['id; echo $HOME'], User: 'app' })
  const { said } = await execute(t, { image })
  t.match(said, [/^uid=12.* gid=34.* groups=.*56/, '/home/app'])
})

t.test('an image without a command, or with a program that is not there, says so', { skip }, async (t) => {
  const empty = await execute(t, { image: await shellImage(t, { Entrypoint: [] }) })
  t.match(empty.outcome.message, /does not say what to run: a command expected/)
  const absent = await execute(t, { image: await shellImage(t, { Entrypoint: ['/bin/absent'] }) })
  t.match(absent.outcome.message, /container ended with code \d+: .*\/bin\/absent/)
})

t.test('volumes are the folders of the machine, read-only ones too', { skip }, async (t) => {
  const image = await shellImage(t)
  const folder = ownFolder(t)
  writeFileSync(join(folder, 'there'), 'from the machine')
  const volumes = [`${folder}:/data`, `${folder}/made:/made`, `${folder}/there:/read:ro`, '/dev:/dev']
  const script =
    'cat /data/there; echo; echo written > /data/back; touch /made/x; echo no > /read || echo refused; ls /dev/null'
  const { said, outcome } = await execute(t, { image, command: [script], volumes })
  t.equal(outcome.message, `${image} ended with code 0`)
  t.match(said.join('\n'), /^from the machine\n.*Read-only file system\nrefused\n\/dev\/null$/s)
  t.equal(readFileSync(join(folder, 'back'), 'utf8'), 'written\n')
  t.ok(existsSync(join(folder, 'made/x')))
  const wrong = await execute(t, { image, volumes: ['data:/x'] })
  t.match(wrong.outcome.message, /volume "data:\/x": "data" is no absolute path/)
})

t.test("namespaces: its own processes or all, the machine's network or none", { skip }, async (t) => {
  const image = await shellImage(t)
  const script = `ls -d /proc/${process.pid} 2>&1; ip -o link; cat /etc/resolv.conf > /tmp/x && echo names`
  const usual = await execute(t, { image, command: [script] })
  t.match(usual.said[0], 'No such file')
  t.equal(
    usual.said.filter((line) => /^\d+: /.test(line)).length,
    spawnSync('ip', ['-o', 'link']).stdout.toString().trim().split('\n').length,
  )
  const shared = await execute(t, {
    image,
    command: [script],
    pidNamespace: 'host',
    networkNamespace: 'host',
  })
  t.equal(shared.said[0], `/proc/${process.pid}`)
  const alone = await execute(t, { image, command: ['ip -o link'], networkNamespace: 'none' })
  t.match(
    alone.said.filter((line) => /: (eth|en)/.test(line)),
    [],
  )
  const wrong = await execute(t, { image, pidNamespace: 'container:x' })
  t.match(wrong.outcome.message, /"container:x": "host" or nothing expected/)
})

t.test(
  'what it prints comes while it runs, and the end of the action ends all its processes',
  { skip },
  async (t) => {
    const image = await shellImage(t)
    const stop = new AbortController()
    const folder = ownFolder(t)
    const marker = join(folder, 'ticks')
    writeFileSync(marker, '')
    const script =
      "trap '' TERM HUP; (while :; do echo x >> /ticks; sleep 0.1; done) & echo begun; while :; do sleep 1; done"
    const lines: string[] = []
    const { run } = testRun({})
    const action = {
      ...run,
      image,
      command: [script],
      volumes: [`${marker}:/ticks`],
      pidNamespace: 'host',
      signal: stop.signal,
    }
    const log = (line: string) => {
      lines.push(line)
      if (line === 'begun') setTimeout(() => stop.abort(new Error('time is up')), 300)
    }
    await t.rejects(container({ ...action, log }, realMachine(folder)), /time is up/)
    t.ok(lines.includes('begun'))
    const ticks = readFileSync(marker, 'utf8').length
    await new Promise((resolve) => setTimeout(resolve, 500))
    t.ok(ticks > 0)
    t.equal(readFileSync(marker, 'utf8').length, ticks, 'the process in the background is gone')
    t.same(readdirSync(join(folder, 'run/container')), [], 'and so is the image')
  },
)

t.test('a container has so much room and no more', { skip }, async (t) => {
  const plan = { folder: join(ownFolder(t), 'box'), bytes: 4 << 20 }
  const { signal } = new AbortController()
  await withBox(plan, { signal, line: () => undefined }, async ({ folder }) => {
    const full = spawnSync('dd', ['if=/dev/zero', `of=${folder}/x`, 'bs=1M', 'count=9'], { encoding: 'utf8' })
    t.match(full.stderr, /No space left/)
  })
})

t.test(
  'an agent that is killed takes its container along, and the next one begins anew',
  { skip },
  async (t) => {
    const image = await shellImage(t)
    const folder = ownFolder(t)
    const marker = join(folder, 'ticks')
    writeFileSync(marker, '')
    const script = 'echo begun; while :; do echo x >> /ticks; sleep 0.1; done'
    const program = fileURLToPath(new URL('alone.ts', import.meta.url))
    const more = { command: [script], volumes: [`${marker}:/ticks`], pidNamespace: 'host' }
    const child = spawn(process.execPath, [
      '--import=tsx',
      program,
      image,
      folder,
      '{}',
      JSON.stringify(more),
    ])
    await new Promise<void>((resolve) =>
      child.stdout.on('data', (text: Buffer) => /^begun$/m.test(text.toString()) && resolve()),
    )
    child.kill('SIGKILL')
    const next = await execute(t, { image, command: ['echo next'], folder })
    t.equal(next.outcome.message, `${image} ended with code 0`)
    const ticks = readFileSync(marker, 'utf8').length
    await new Promise((resolve) => setTimeout(resolve, 500))
    t.equal(readFileSync(marker, 'utf8').length, ticks)
    t.match(groupOf(join(folder, 'run/container')), /^\/ironwake\/[0-9a-f]{12}$/)
  },
)

t.test('waitdaemon succeeds at once, and the container runs afterwards', { skip }, async (t) => {
  const image = await shellImage(t)
  const folder = ownFolder(t)
  const script = 'echo "$NAME $IMAGE" > /data/later'
  const environment = { IMAGE: image, WAIT_SECONDS: '1', NAME: 'value' }
  const volumes = [`${folder}:/data`, '/var/run/docker.sock:/var/run/docker.sock']
  const more = { command: [script], volumes, pidNamespace: 'host' }
  const { message } = await perform(t, 'ghcr.io/jacobweinstock/waitdaemon:0.2.1', environment, more)
  t.equal(message, `${image} starts in 1 s`)
  for (let tries = 0; !existsSync(join(folder, 'later')) && tries < 200; tries++)
    await new Promise((resolve) => setTimeout(resolve, 50))
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.equal(readFileSync(join(folder, 'later'), 'utf8'), 'value \n')
  const absent = { ...environment, IMAGE: image.replace(/:v\d+$/, ':missing') }
  t.match((await perform(t, 'waitdaemon', absent, more)).message, /the registry has no such tag/)
  t.match((await perform(t, 'waitdaemon', {})).message, /IMAGE is not set/)
  const odd = { ...environment, WAIT_SECONDS: 'soon' }
  t.match((await perform(t, 'waitdaemon', odd, more)).message, /WAIT_SECONDS is "soon": seconds expected/)
})

t.test("waitdaemon with an action of the agent's own ends the boot when the server knows", async (t) => {
  const { message, leave } = await perform(t, 'waitdaemon', { IMAGE: 'quay.io/tinkerbell/actions/reboot' })
  t.match(message, /^restarting/)
  t.equal(leave, 'reboot')
})

t.test(
  'a container that leaves /worker/reboot has the machine restarted',
  { skip: skip || existsSync('/worker') },
  async (t) => {
    t.teardown(() => rmSync('/worker', { recursive: true, force: true }))
    const image = await shellImage(t)
    const { outcome } = await execute(t, {
      image,
      command: ['touch /worker/reboot'],
      volumes: ['/worker:/worker'],
    })
    t.equal(outcome.leave, 'reboot')
  },
)
