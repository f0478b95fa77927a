import t from 'tap'
import { coresOf } from '../../bench/lib/cores.ts'

const cases = [
  { name: 'one core', list: '3', want: [3] },
  { name: 'a range', list: '0-3', want: [0, 1, 2, 3] },
  { name: 'ranges and single ones', list: '0-1,4,8-9', want: [0, 1, 4, 8, 9] },
]
for (const { name, list, want } of cases) t.test(name, async (t) => t.same(coresOf(list), want))
