import t from 'tap'
import {
  barLine,
  bytesText,
  durationText,
  percentOf,
  plainMarks,
  progressFrom,
  progressParts,
  rateOf,
  secondsLeft,
  withSample,
} from '../../src/cli/progress.ts'
import type { Sample } from '../../src/cli/progress.ts'

const from = (pairs: readonly (readonly [number, number])[]) =>
  pairs.reduce<readonly Sample[]>((all, [at, doneBytes]) => withSample(all, { at, doneBytes }), [])
const steady = (seconds: number, perSecond: number) =>
  from(Array.from({ length: seconds + 1 }, (_, second) => [second * 1000, second * perSecond] as const))

const rates = [
  { name: 'nothing seen has no rate', samples: from([]), want: undefined },
  { name: 'one sample has no rate', samples: from([[5, 100]]), want: undefined },
  {
    name: 'two samples at the same moment have no rate',
    samples: from([
      [5, 100],
      [5, 900],
    ]),
    want: undefined,
  },
  {
    name: 'half a second is too short',
    samples: from([
      [0, 0],
      [500, 100],
    ]),
    want: undefined,
  },
  { name: 'a steady stream has its rate', samples: steady(60, 100), want: 100 },
  {
    name: 'what was done before the watch began does not count',
    samples: from([
      [0, 1e9],
      [2000, 1e9 + 50],
    ]),
    want: 25,
  },
  {
    name: 'one fast second among slow ones is smoothed',
    samples: withSample(steady(20, 100), { at: 21_000, doneBytes: 2000 + 900 }),
    want: 200,
  },
  {
    name: 'a stall of ten seconds is no rate',
    samples: from([
      [0, 0],
      [1000, 500],
      [2000, 500],
      [11_000, 500],
    ]),
    want: 0,
  },
  {
    name: 'an action that was started again begins anew',
    samples: from([
      [0, 0],
      [9000, 900],
      [10_000, 5],
    ]),
    want: undefined,
  },
  {
    name: 'a clock that was set back begins anew',
    samples: from([
      [9000, 0],
      [10_000, 50],
      [4000, 60],
    ]),
    want: undefined,
  },
  {
    name: 'a gap of an hour is spread over the hour',
    samples: from([
      [0, 0],
      [3_600_000, 3600],
    ]),
    want: 1,
  },
]
for (const { name, samples, want } of rates) t.test(name, async (t) => t.equal(rateOf(samples), want))

t.test('samples do not pile up', async (t) => {
  t.ok(steady(3600, 1).length < 12)
  t.same(steady(3, 1)[0], { at: 0, doneBytes: 0 }, 'the oldest one of a short time is kept')
})

const lefts = [
  { name: 'half of it at ten a second', progress: { doneBytes: 50, totalBytes: 100 }, rate: 10, want: 5 },
  { name: 'an unknown total', progress: { doneBytes: 50, totalBytes: 0 }, rate: 10, want: undefined },
  { name: 'no rate yet', progress: { doneBytes: 50, totalBytes: 100 }, rate: undefined, want: undefined },
  { name: 'a stall', progress: { doneBytes: 50, totalBytes: 100 }, rate: 0, want: undefined },
  { name: 'more done than there is', progress: { doneBytes: 150, totalBytes: 100 }, rate: 10, want: 0 },
  { name: 'years', progress: { doneBytes: 0, totalBytes: 1e15 }, rate: 1, want: undefined },
]
for (const { name, progress, rate, want } of lefts)
  t.test(`time left: ${name}`, async (t) => t.equal(secondsLeft(progress, rate), want))

t.test('percent is whole and bounded', async (t) => {
  t.equal(percentOf({ doneBytes: 999, totalBytes: 1000 }), 99)
  t.equal(percentOf({ doneBytes: 5000, totalBytes: 1000 }), 100)
  t.equal(percentOf({ doneBytes: 5, totalBytes: 0 }), undefined)
})

t.test('a server that talks nonsense is read as nothing done', async (t) => {
  t.same(progressFrom({ doneBytes: 'x', totalBytes: -5 }), { doneBytes: 0, totalBytes: 0 })
  t.same(progressFrom({ doneBytes: Number.NaN }), { doneBytes: 0, totalBytes: 0 })
})

t.test('parts say what is known', async (t) => {
  const half = { doneBytes: 1_200_000_000, totalBytes: 2_300_000_000 }
  t.same(progressParts(half, 100e6), ['52%', '1.2 GB of 2.3 GB', '100.0 MB/s', '11s left'])
  t.same(progressParts(half, undefined), ['52%', '1.2 GB of 2.3 GB'])
  t.same(progressParts(half, 0), ['52%', '1.2 GB of 2.3 GB', 'stalled'])
  t.same(progressParts({ doneBytes: 5000, totalBytes: 0 }, 500), ['5.0 kB', '500 B/s'])
  t.same(progressParts({ doneBytes: 10, totalBytes: 10 }, 0), ['100%', '10 B of 10 B', '0 B/s'])
})

t.test('bytes and times are short', async (t) => {
  t.same([0, 999, 1000, 999_949, 999_999, 123_456_789, 5e12, 1e20].map(bytesText), [
    '0 B',
    '999 B',
    '1.0 kB',
    '999.9 kB',
    '1.0 MB',
    '123.5 MB',
    '5.0 TB',
    '100000.0 PB',
  ])
  t.same([-5, 0, 59.9, 60, 125, 3599, 3600, 7380].map(durationText), [
    '0s',
    '0s',
    '59s',
    '1m00s',
    '2m05s',
    '59m59s',
    '1h00m',
    '2h03m',
  ])
})

const parts = ['52%', '1.2 GB of 2.3 GB', '100.0 MB/s', '11s left']
const line = (columns: number, title = '[1/4] stream image') =>
  barLine(title, parts, { percent: 50, columns, marks: plainMarks })
const lineWithoutBar = (columns: number) =>
  barLine('[1/4] stream image', parts, { percent: undefined, columns, marks: plainMarks })

t.test('a bar fits the terminal', async (t) => {
  const all = '52%  1.2 GB of 2.3 GB  100.0 MB/s  11s left'
  t.equal(line(120), `[1/4] stream image  ${'#'.repeat(15)}${'-'.repeat(15)}  ${all}`)
  t.equal(line(80), `[1/4] stream image  #######--------  ${all}`)
  t.equal(line(60), '[1/4] stream image  ########---------  52%  1.2 GB of 2.3 GB')
  t.equal(line(20), '[1/4] stream i…  52%')
  t.equal(line(60, 'x'.repeat(200)), `${'x'.repeat(54)}…  52%`)
  t.equal(lineWithoutBar(70), `[1/4] stream image  ${all}`)
  const columns = Array.from({ length: 130 }, (_, count) => count)
  t.same(
    columns.filter((count) => line(count).length > count || lineWithoutBar(count).length > count),
    [],
  )
})

t.end()
