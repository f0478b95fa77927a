import t from 'tap'
import { duplicateFields } from '../../src/kube/duplicates.ts'

const cases = [
  { name: 'nothing twice', text: '{"a":1,"b":{"a":2},"c":[{"a":1},{"a":2}]}', want: [] },
  { name: 'a field twice', text: '{"a":1,"a":2}', want: ['a'] },
  { name: 'three times is still one fault', text: '{"a":1,"a":2,"a":3}', want: ['a'] },
  {
    name: 'a field inside a list',
    text: '{"spec":{"disks":[{},{"device":"x","size":1,"device":"y"}]}}',
    want: ['spec.disks[1].device'],
  },
  { name: 'a name in two spellings', text: '{"a":1,"\\u0061":2}', want: ['a'] },
  { name: 'the same text as value', text: '{"a":"a","b":["a","a"]}', want: [] },
  { name: 'brackets and quotes inside texts', text: '{"a":"{\\"a\\":1,\\"a\\":","b":"]\\\\"}', want: [] },
  {
    name: 'an object twice, and a field in its second',
    text: '{"m":{"x":1},"m":{"x":1,"x":2}}',
    want: ['m', 'm.x'],
  },
  { name: 'spaces and lines between', text: '{ "a" : 1 ,\n "a"\t: [ ] }', want: ['a'] },
  { name: 'a list of lists', text: '[[1,[{"k":1,"k":2}]]]', want: ['[0][1][0].k'] },
  { name: 'a bare text', text: '"a"', want: [] },
]
for (const { name, text, want } of cases) t.test(name, async (t) => t.same(duplicateFields(text), want))

t.test('a large text is scanned quickly', async (t) => {
  const fields = Array.from({ length: 200_000 }, (_, i) => `"k${i}":${i}`)
  const started = Date.now()
  t.same(duplicateFields(`{${fields.join(',')},"k7":1}`), ['k7'])
  t.same(duplicateFields(`{"a":"${'\\\\'.repeat(1_000_000)}"}`), [])
  t.ok(Date.now() - started < 2000)
})
