import t from 'tap'
import { jsonLine, resultOf, table } from '../../bench/lib/report.ts'
import { median, spreadOf } from '../../bench/lib/stats.ts'

t.test('percentiles are measured values, by nearest rank', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at)
  t.same(spreadOf(hundred), { n: 100, p50: 50, p99: 99, max: 100 })
  t.same(spreadOf([7]), { n: 1, p50: 7, p99: 7, max: 7 })
  t.throws(() => spreadOf([]), RangeError)
})

t.test('the median of an even number lies between the middle two', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
})

const rate = { name: 'rows', unit: 'rows/s', gate: { atLeast: 100 } }
const wait = { name: 'wait', unit: 'ms', gate: { atMost: 20 } }
const many = (value: number) => ({ value, n: 1000, p50: value / 2, p99: value })

const cases = [
  {
    name: 'a rate that every round reaches',
    result: resultOf(rate, [100, 300, 200]),
    want: { value: 200, n: 3, p50: 200, p99: 100, met: true },
  },
  {
    name: 'one round below the gate is enough to miss it',
    result: resultOf(rate, [99, 300, 200]),
    want: { value: 200, met: false },
  },
  {
    name: 'latencies have the medians of what the rounds say',
    result: resultOf(wait, [many(10), many(30), many(20)]),
    want: { value: 20, n: 3000, p50: 10, p99: 20, met: false },
  },
  {
    name: 'without a gate nothing is judged',
    result: resultOf({ name: 'size', unit: 'MiB' }, [5]),
    want: { value: 5, met: undefined },
  },
]
for (const { name, result, want } of cases) t.test(name, async (t) => t.match(result, want))

t.test('a line of JSON has the figures and where they come from', async (t) => {
  const origin = { node: 'v20.20.2', commit: '46309ed', cpu: '2 x some', load: 1.5 }
  const line = jsonLine('api/import', resultOf(rate, [100.123456, 300]), origin)
  t.same(JSON.parse(line), {
    name: 'api/import: rows',
    unit: 'rows/s',
    value: 200.06,
    n: 2,
    p50: 200.06,
    p99: 100.12,
    rounds: [100.12, 300],
    gate: { atLeast: 100 },
    met: true,
    ...origin,
  })
})

t.test('the table names each measure, its rounds and its gate', async (t) => {
  const text = table('api/import', [resultOf(rate, [45_679, 99]), resultOf(wait, [1.25])])
  t.match(text, /rows +22,889 rows\/s +45,679 99 +≥ 100 +NOT MET/)
  t.match(text, /wait +1\.25 ms +1\.25 +≤ 20 +met/)
})
