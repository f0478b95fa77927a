import t from 'tap'
import { createLimiter } from '../../src/model/limiter.ts'

t.test('strangers are noted once in a while, and not more than a minute holds', async (t) => {
  const limiter = createLimiter({ everyMs: 600_000, perMinute: 2, maxKeys: 2 })
  const cases: [string, number, boolean][] = [
    ['a', 0, true],
    ['a', 1, false],
    ['b', 2, true],
    ['c', 3, false],
    ['c', 60_000, true],
    ['b', 60_001, false],
    ['a', 60_002, true],
    ['c', 700_000, true],
  ]
  for (const [key, now, want] of cases) t.equal(limiter.allow(key, now), want, `${key} at ${now}`)
})
