import t from 'tap'
import { backoffMs } from '../../src/agent/backoff.ts'

const cases = [
  { name: 'the first wait is half a second', failures: 0, random: 0, want: 500 },
  { name: 'it is never shorter', failures: 0, random: 0.99, want: 500 },
  { name: 'it doubles', failures: 2, random: 0, want: 2000 },
  { name: 'up to half is taken off at random', failures: 2, random: 0.5, want: 1500 },
  { name: 'it ends at five seconds', failures: 1000, random: 0, want: 5000 },
]
for (const { name, failures, random, want } of cases) {
  t.test(name, async (t) => t.equal(backoffMs(failures, random), want))
}
