import { execFile, spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pino } from 'pino'
import t from 'tap'
import type { Test } from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { createBudget } from '../../src/syslog/budget.ts'
import { syslogServer } from '../../src/syslog/server.ts'
import { createTimeline } from '../../src/timeline/timeline.ts'
import { loopback, mac, machineOf } from '../boot/things.ts'
import { absent, end, missing, until } from '../interop/spaces.ts'

const exec = promisify(execFile)

/** A receiver that knows 127.0.0.1, with a real timeline; `logged` is what it logs. */
async function setUp(t: Test, { port = 0, known = true } = {}) {
  const opened = await openSqlite(':memory:', { clock: systemClock })
  const logged: Record<string, unknown>[] = []
  const output: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(JSON.parse(line)) })
  const timeline = createTimeline({ side: opened.side, clock: systemClock, log: pino({ level: 'silent' }) })
  await timeline.load()
  const stop = new AbortController()
  let running: Promise<void> | undefined
  const bound = await new Promise<number | undefined>((resolve) => {
    running = syslogServer({
      machineByIp: (ip) => (known && ip === loopback ? machineOf() : undefined),
      record: timeline.record,
      outputOf: () => (line) => void output.push(line),
      log,
      clock: systemClock,
      address: loopback,
      port,
      onListening: resolve,
    })(stop.signal)
  })
  t.teardown(async () => {
    stop.abort()
    await running
    await opened.close()
  })
  const said = () => timeline.entries(mac).filter(({ stage }) => stage === 'syslog')
  return { port: bound, timeline, said, logged, output, side: opened.side }
}

async function send(port: number, ...lines: (string | Buffer)[]): Promise<void> {
  const socket = dgram.createSocket('udp4')
  for (const line of lines) await new Promise((resolve) => socket.send(line, port, '127.0.0.1', resolve))
  socket.close()
}

const noLogger = await absent('logger')
for (const format of ['--rfc3164', '--rfc5424']) {
  t.test(`logger ${format} is heard`, { skip: noLogger }, async (t) => {
    const { port, said, logged } = await setUp(t)
    const words = ['-n', '127.0.0.1', '-P', `${port}`, '-d', format, '-t', 'mytag', '-p', 'daemon.err']
    await exec('logger', [...words, 'the disk: is full'])
    await until(
      () => said().length > 0,
      () => JSON.stringify(logged),
    )
    t.match(said(), [{ facts: { severity: 'err', app: 'mytag', text: 'the disk: is full' } }])
    t.match(logged.filter(({ level }) => level === 30).at(-1), {
      mac,
      msg: 'syslog',
      said: { facility: 3, app: 'mytag' },
    })
  })
}

t.test('the output of an action is more than the timeline keeps, and bounded', async (t) => {
  const { port, said, output } = await setUp(t)
  const lines = Array.from({ length: 1000 }, (_, index) => `<14>tag: line ${index}`)
  for (let from = 0; from < lines.length; from += 50) {
    await send(port!, ...lines.slice(from, from + 50))
    await until(
      () => output.length >= Math.min(600, from + 50),
      () => `${output.length} lines`,
    )
  }
  await send(port!, '<11>tag: the end')
  await until(
    () => said().some(({ facts }) => facts['text'] === 'the end'),
    () => JSON.stringify(said()),
  )
  t.same(output.slice(0, 2), ['tag: line 0', 'tag: line 1'])
  t.ok(output.length >= 600 && output.length < 700, `${output.length} of 1001 lines`)
  t.ok(said().length <= 21, `${said().length} in the timeline`)
})

t.test('syslogd of busybox is heard', { skip: await missing('busybox', 'unshare') }, async (t) => {
  const { port, said } = await setUp(t)
  const folder = await mkdtemp(join(tmpdir(), 'syslog-'))
  // its socket is /dev/log: a mount namespace gives it a /dev of its own
  const script =
    `mount -t tmpfs none /dev && mknod /dev/null c 1 3 && busybox syslogd -n -R 127.0.0.1:${port} -O ${folder}/log & ` +
    'sleep 1; busybox logger -t boxed -p daemon.warn "it is hot"; wait'
  const child = spawn('unshare', ['--mount', '--kill-child', '--pid', '--fork', 'sh', '-c', script])
  t.teardown(async () => {
    await end(child, 'SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })
  await until(
    () => said().some(({ facts }) => facts['app'] === 'boxed'),
    () => JSON.stringify(said()),
  )
  t.match(
    said().find(({ facts }) => facts['app'] === 'boxed'),
    { facts: { severity: 'warning', text: 'it is hot' } },
  )
})

t.test('a flood takes no room from the stages, and is counted', async (t) => {
  const { port, said, timeline, logged } = await setUp(t)
  for (let number = 0; number < 300; number++)
    timeline.record(mac, 'action-started', { action: `a${number}` })
  const lines = Array.from({ length: 2000 }, (_, number) => `<14>app: line ${number}`)
  await send(port!, ...lines)
  await send(port!, '<11>app: the end')
  await until(
    () => said().some(({ facts }) => facts['text'] === 'the end'),
    () => `${said().length} lines`,
  )
  t.ok(said().length <= 25, `${said().length} lines are kept`)
  t.equal(timeline.entries(mac).filter(({ stage }) => stage === 'action-started').length, 300)
  t.ok(logged.filter(({ level }) => level === 30).length <= 26)
})

t.test('what a machine says over days keeps the newest lines, and is there after a restart', async (t) => {
  const { timeline, side, said } = await setUp(t)
  timeline.record(mac, 'phone-home')
  for (let number = 0; number < 250; number++) timeline.record(mac, 'syslog', { text: `line ${number}` })
  t.equal(said().length, 100)
  t.equal(said().at(-1)?.facts['text'], 'line 249')
  t.equal(timeline.entries(mac).filter(({ stage }) => stage === 'phone-home').length, 1)
  await timeline.flush()
  const again = createTimeline({ side, clock: systemClock, log: pino({ level: 'silent' }) })
  await again.load()
  t.same(again.entries(mac), timeline.entries(mac))
})

t.test('the same line again is counted', async (t) => {
  const { port, said } = await setUp(t)
  await send(port!, '<11>app: same', '<11>app: same', '<11>app: same', '<11>app: other')
  await until(
    () => said().length === 2,
    () => JSON.stringify(said()),
  )
  t.match(said(), [{ count: 3 }, { count: 1 }])
})

t.test('unknown senders are logged at debug and recorded nowhere', async (t) => {
  const { port, timeline, logged } = await setUp(t, { known: false })
  await send(port!, '<11>app: who am I')
  await until(
    () => logged.some(({ msg }) => msg === 'syslog of an unknown address'),
    () => JSON.stringify(logged),
  )
  t.match(logged.at(-1), { level: 20, from: '127.0.0.1', said: { text: 'who am I' } })
  t.same(timeline.macs(), [])
})

t.test('garbage ends nothing', async (t) => {
  const { port, said } = await setUp(t)
  await send(
    port!,
    Buffer.alloc(0),
    Buffer.alloc(60_000, 255),
    Buffer.from([0, 1, 2]),
    '<',
    '<11>',
    '<11>1 [[[',
  )
  await send(port!, '<11>app: still here')
  await until(
    () => said().some(({ facts }) => facts['text'] === 'still here'),
    () => JSON.stringify(said()),
  )
  t.ok(said().every(({ facts }) => String(facts['text']).length <= 200))
})

t.test('a port in use is a warning, not the end', async (t) => {
  const taken = dgram.createSocket('udp4')
  await new Promise<void>((resolve) => taken.bind(0, '127.0.0.1', resolve))
  t.teardown(() => taken.close())
  const { port, logged } = await setUp(t, { port: taken.address().port })
  t.equal(port, undefined)
  await until(
    () => logged.some(({ level }) => level === 40),
    () => JSON.stringify(logged),
  )
})

t.test('a budget lets so many through, and says what it left out', async (t) => {
  const budget = createBudget({ perMinute: 6, burst: 2, maxKeys: 2 })
  t.same(
    [0, 0, 0, 0].map((at) => budget.spend('a', at)),
    [0, 0, undefined, undefined],
  )
  t.equal(budget.spend('a', 10_000), 2)
  t.equal(budget.spend('b', 10_000), 0)
  t.equal(budget.spend('c', 10_000), 0)
  t.equal(budget.spend('a', 10_000), 0, 'the one used least recently was forgotten')
})
