import t from 'tap'
import { LineGate, LineSplitter } from '../../src/agent/lines.ts'

const cases = [
  { name: 'lines in pieces', chunks: ['on', 'e\ntw', 'o\nthr'], want: ['one', 'two', 'thr'] },
  { name: 'a progress bar', chunks: ['10%\r20%\r\n', 'done\n'], want: ['10%', '20%', 'done'] },
  { name: 'empty lines', chunks: ['\n\n  \na\n'], want: ['a'] },
  {
    name: 'a long line',
    chunks: ['x'.repeat(1500), 'y'.repeat(5000), '\nz\n'],
    want: [`${'x'.repeat(1500)}${'y'.repeat(500)}…`, 'z'],
  },
  { name: 'nothing', chunks: [], want: [] },
]
for (const { name, chunks, want } of cases) {
  t.test(`output is cut into lines: ${name}`, async (t) => {
    const lines: string[] = []
    const splitter = new LineSplitter((line) => lines.push(line))
    for (const chunk of chunks) splitter.push(Buffer.from(chunk))
    splitter.end()
    t.same(lines, want)
  })
}

t.test('bytes that are no text are replaced; a letter may come in two pieces', async (t) => {
  const lines: string[] = []
  const splitter = new LineSplitter((line) => lines.push(line))
  for (const chunk of [
    [0x61, 0xff, 0x62, 0xc3],
    [0xa9, 0x0a],
  ])
    splitter.push(Buffer.from(chunk))
  t.same(lines, ['a\ufffdb\u00e9'])
})

t.test('too many lines: the first and the last ones come, and how many did not', async (t) => {
  let now = 0
  const lines: string[] = []
  const gate = new LineGate(
    (line) => lines.push(line),
    () => now,
    { burst: 7000, perSecond: 1000 },
  )
  for (let count = 0; count < 1000; count++) gate.push(`line ${count}`)
  const first = lines.length
  t.ok(first > 90 && first < 150, 'a burst')
  gate.settle()
  t.equal(lines.length, first, 'no more for now')
  now = 3000
  gate.settle()
  t.equal(lines[first], `(${1000 - first - 20} lines left out: more than can be shown)`)
  t.same(lines.slice(-2), ['line 998', 'line 999'])
  gate.push('next')
  gate.flush()
  t.equal(lines.at(-1), 'next')
})

t.test('a clock that is set back does no harm', async (t) => {
  let now = 1e6
  const lines: string[] = []
  const gate = new LineGate(
    (line) => lines.push(line),
    () => now,
    { burst: 61, perSecond: 61 },
  )
  gate.push('a')
  now = 0
  gate.push('b')
  now = 5000
  gate.push('c')
  t.same(lines, ['a', 'b', 'c'])
})
