import t from 'tap'
import { deepFreeze, nestsDeeperThan, sameJson } from '../../src/store/json.ts'

const pairs = [
  { a: '{"a":1,"b":[1,{"c":null}]}', b: '{"b":[1,{"c":null}],"a":1}', same: true },
  { a: '[]', b: '{}', same: false },
  { a: '[1,2]', b: '[2,1]', same: false },
  { a: '[1]', b: '[1,null]', same: false },
  { a: 'null', b: '{}', same: false },
  { a: '1', b: '"1"', same: false },
  { a: '{"a":null}', b: '{"b":null}', same: false },
  { a: '{"__proto__":{}}', b: '{"x":{}}', same: false },
  { a: '{"toString":1}', b: '{"valueOf":1}', same: false },
  { a: '{"__proto__":{"a":1}}', b: '{"__proto__":{"a":1}}', same: true },
]

t.test('documents are the same when they say the same', async (t) => {
  for (const { a, b, same } of pairs) t.equal(sameJson(JSON.parse(a), JSON.parse(b)), same, `${a} ${b}`)
  t.equal(sameJson({ toString: undefined }, { x: 1 }), false)
  const inherited = Object.prototype
  t.equal(sameJson(JSON.parse('{"__proto__":1}'), { x: inherited }), false)
  t.equal(sameJson({ constructor: Object }, { x: 1 }), false)
})

t.test('nesting is measured, however deep', async (t) => {
  t.equal(nestsDeeperThan('text', 0), false)
  t.equal(nestsDeeperThan({ a: [1] }, 2), false)
  t.equal(nestsDeeperThan({ a: [{}] }, 2), true)
  t.equal(nestsDeeperThan(JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)), 200), true)
})

t.test('a frozen document is frozen in every part', async (t) => {
  const value = deepFreeze({ a: [{ b: 1 }], c: null })
  t.throws(() => (value.a[0]!.b = 2))
  t.throws(() => value.a.push({ b: 2 }))
})
