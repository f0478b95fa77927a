import t from 'tap'
import { createRecent } from '../../src/store/recent.ts'

t.test('what was used last is kept, and never more than twice as much', async (t) => {
  const recent = createRecent<number, string>(3)
  for (let n = 0; n < 3; n++) recent.set(n, `v${n}`)
  t.equal(recent.get(0), 'v0')
  for (let n = 3; n < 6; n++) {
    recent.set(n, `v${n}`)
    t.equal(recent.get(0), 'v0', 'it is used all the time')
  }
  const kept = Array.from({ length: 100 }, (_, n) => n).filter((n) => {
    recent.set(n + 1000, '')
    return recent.get(n + 1000) === ''
  })
  t.equal(kept.length, 100)
  t.equal(recent.get(0), undefined)
  t.equal(recent.get(1), undefined)
})
