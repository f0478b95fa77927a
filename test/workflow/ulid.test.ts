import t from 'tap'
import { createUlids } from '../../src/workflow/ulid.ts'

t.test('each ULID is another one, well spelled, and tells its time', async (t) => {
  const [before, newId] = [Date.now(), createUlids()]
  const ids = Array.from({ length: 5000 }, newId)
  t.equal(new Set(ids).size, ids.length)
  t.ok(ids.every((id) => /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(id)))
  const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
  const timeOf = (id: string) => Array.from(id.slice(0, 10)).reduce((ms, c) => ms * 32 + digits.indexOf(c), 0)
  t.ok(ids.every((id) => timeOf(id) >= before && timeOf(id) <= Date.now()))
})

t.test('every digit comes up at every place of the random part', async (t) => {
  const newId = createUlids()
  const ids = Array.from({ length: 2000 }, newId)
  for (let place = 10; place < 26; place++)
    t.equal(new Set(ids.map((id) => id[place])).size, 32, `place ${place}`)
})
