import t from 'tap'
import { createManyKeys } from '../../src/model/many-keys.ts'

t.test('it is a map, whatever the numbers and texts', async (t) => {
  const many = createManyKeys<string | number, number>()
  const plain = new Map<string | number, number>()
  const keys = [
    '',
    'a',
    'ns/node-1',
    'ns/node-2',
    '\u{1f600}',
    0,
    1,
    2 ** 18 - 1,
    2 ** 18,
    2 ** 48 - 1,
    2 ** 48 + 2 ** 32 - 1,
  ]
  let seed = 7
  for (let round = 0; round < 2000; round++) {
    seed = (seed * 1103515245 + 12345) % 2 ** 31
    const key = round % 3 === 0 ? Math.floor(seed * 100_000) : keys[seed % keys.length]!
    if (round % 5 === 4) {
      many.delete(key)
      plain.delete(key)
    } else {
      many.set(key, round)
      plain.set(key, round)
    }
  }
  for (const key of [...plain.keys(), ...keys]) t.equal(many.get(key), plain.get(key))
  const sorted = (values: Iterable<number>) => [...values].sort((a, b) => a - b)
  t.same(sorted(many.values()), sorted(plain.values()))
})
