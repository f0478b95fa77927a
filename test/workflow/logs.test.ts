import t from 'tap'
import type { Test } from 'tap'
import { pino } from 'pino'
import { openSqlite } from '../../src/store/sqlite.ts'
import { cleanLine, createLogs, lineBytes, linesKept } from '../../src/workflow/logs.ts'
import type { LogLine } from '../../src/workflow/logs.ts'
import { fakeClock } from './clock.ts'
import { t0 } from './runs.ts'

const silent = pino({ level: 'silent' })

async function open(t: Test) {
  const clock = fakeClock(t0)
  const sqlite = await openSqlite(':memory:', { clock })
  t.teardown(() => sqlite.close())
  const { side } = sqlite
  return { clock, side, logs: createLogs({ side, clock, log: silent }) }
}

const numbers = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `line ${from + index}`)

t.test('lines come back in order, with their numbers and times, from where the reader asks', async (t) => {
  const { clock, logs } = await open(t)
  logs.append('u1', 'a1', ['one', 'two'])
  await clock.advance(1000)
  logs.append('u1', 'a1', ['three'])
  logs.append('u1', 'a2', ['other'])
  t.same(await logs.read('u1', 'a1'), {
    lines: [
      { line: 0, at: t0, text: 'one' },
      { line: 1, at: t0, text: 'two' },
      { line: 2, at: t0 + 1000, text: 'three' },
    ],
    next: 3,
    dropped: 0,
  })
  t.match(await logs.read('u1', 'a1', 2), { lines: [{ text: 'three' }], next: 3 })
  t.same(await logs.read('u1', 'a1', 3), { lines: [], next: 3, dropped: 0 })
  t.same(await logs.read('u1', 'unknown'), { lines: [], next: 0, dropped: 0 })
})

t.test('only the newest lines are kept, and a reader is told how many are not', async (t) => {
  const { clock, logs, side } = await open(t)
  for (let part = 0; part < 30; part++) {
    logs.append('u1', 'a1', numbers(part * 100, 100))
    await clock.advance(300)
  }
  const { lines, next, dropped } = await logs.read('u1', 'a1')
  t.equal(lines.length, linesKept + 1)
  t.match(lines[0], { line: 999, text: '(1000 earlier lines are not kept)' })
  t.match(lines[1], { line: 1000, text: 'line 1000' })
  t.match(lines.at(-1), { line: 2999, text: 'line 2999' })
  t.same({ next, dropped }, { next: 3000, dropped: 1000 })
  t.equal((await side.list('actionLog', 'u1/')).length, 20, 'the disk holds no more either')
  t.equal((await logs.read('u1', 'a1', 1500)).dropped, 0)
})

t.test('more lines at once than are kept', async (t) => {
  const { logs } = await open(t)
  logs.append('u1', 'a1', ['before'])
  logs.append('u1', 'a1', numbers(1, linesKept + 50))
  const { lines, dropped } = await logs.read('u1', 'a1')
  t.equal(lines.length, linesKept + 1)
  t.match(lines[1], { line: 51, text: 'line 51' })
  t.equal(dropped, 51)
})

t.test('numbers go on after a restart', async (t) => {
  const { clock, logs, side } = await open(t)
  logs.append('u1', 'a1', ['one'])
  await logs.flush()
  const later = createLogs({ side, clock, log: silent })
  later.append('u1', 'a1', ['two'])
  t.match(await later.read('u1', 'a1'), { lines: [{ line: 0 }, { line: 1, text: 'two' }], next: 2 })
})

t.test('a line says where it comes from, if not from the agent, also after a restart', async (t) => {
  const { clock, logs, side } = await open(t)
  logs.append('u1', 'a1', ['said by the agent'])
  logs.append('u1', 'a1', ['heard'], 'syslog')
  await logs.flush()
  const later = createLogs({ side, clock, log: silent })
  t.same((await later.read('u1', 'a1')).lines, [
    { line: 0, at: t0, text: 'said by the agent' },
    { line: 1, at: t0, source: 'syslog', text: 'heard' },
  ])
})

t.test('lines that could not be written are written with the next, or counted', async (t) => {
  const { clock, side } = await open(t)
  let isFull = true
  const put: typeof side.put = async (...row) => {
    if (isFull) throw new Error('the disk is full')
    return side.put(...row)
  }
  const logs = createLogs({ side: { ...side, put }, clock, log: silent })
  logs.append('u1', 'a1', ['one'])
  await clock.advance(300)
  logs.append('u1', 'a1', numbers(1, linesKept))
  await clock.advance(300)
  t.same((await logs.read('u1', 'a1')).lines, [])
  isFull = false
  logs.append('u1', 'a1', ['last'])
  const { lines, dropped } = await logs.read('u1', 'a1')
  t.match(lines.slice(0, 2), [{ text: '(2 earlier lines are not kept)' }, { line: 2, text: 'line 2' }])
  t.match(lines.at(-1), { line: linesKept + 1, text: 'last' })
  t.equal(dropped, 2)
})

t.test('listeners hear of lines when they are written', async (t) => {
  const { clock, logs } = await open(t)
  const heard: [string, string, readonly LogLine[]][] = []
  const end = logs.subscribe((...event) => heard.push(event))
  logs.append('u1', 'a1', ['one'])
  t.same(heard, [])
  await clock.advance(300)
  t.match(heard, [['u1', 'a1', [{ line: 0, text: 'one' }]]])
  end()
  logs.append('u1', 'a1', ['two'])
  await clock.advance(300)
  t.equal(heard.length, 1)
})

t.test('logs of Workflows that are gone are removed', async (t) => {
  const { logs, side } = await open(t)
  for (const uid of ['u1', 'u2', 'u3']) logs.append(uid, 'a1', ['one'])
  await logs.flush()
  await logs.forget('u1')
  t.same((await logs.read('u1', 'a1')).lines, [])
  await logs.sweep((uid) => uid === 'u2')
  const keys = (await side.list('actionLog', '')).map(({ key }) => key)
  t.same(keys, ['!u2', 'u2/a1/0000000000'])
})

t.test('lines are printable and short', async (t) => {
  const cases: [string, string, string][] = [
    ['plain text stays', 'plain\ttext', 'plain\ttext'],
    ['colours go', '\u001b[1;31mred\u001b[0m', 'red'],
    ['titles go', '\u001b]0;title\u0007text', 'text'],
    ['a carriage return becomes a space', '10%\r20%', '10% 20%'],
    ['several lines become one', 'a\nb\r\nc', 'a b c'],
    ['a broken sequence loses its escape', 'a\u001b', 'a'],
    ['text direction marks go', 'a\u202eb', 'a b'],
  ]
  for (const [name, text, want] of cases) t.equal(cleanLine(text), want, name)
  for (const text of [
    'x'.repeat(10_000),
    'ä'.repeat(5000),
    '€'.repeat(3000),
    '😀'.repeat(3000),
    `x${'😀'.repeat(3000)}`,
  ]) {
    const clean = cleanLine(text)
    t.ok(Buffer.byteLength(clean) <= lineBytes, `${clean.slice(0, 3)}: ${Buffer.byteLength(clean)} bytes`)
    t.notMatch(clean, /\ufffd/)
    t.ok(clean.endsWith('…'))
  }
})
