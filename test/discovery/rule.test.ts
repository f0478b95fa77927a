import t from 'tap'
import { parseRule } from '../../src/discovery/rule.ts'

const deep = (levels: number) => '{"a":'.repeat(levels) + '[1]' + '}'.repeat(levels)

const cases: Record<string, [text: string, path: string, message: RegExp]> = {
  'no JSON': ['{"a":', '', /^not JSON: /],
  'an empty text': ['', '', /^not JSON: /],
  'a list': ['[1]', '', /expected a JSON object/],
  'a value': ['"a"', '', /expected a JSON object/],
  'a value that is in no list': [
    '{"cpu":{"totalCores":4}}',
    'cpu.totalCores',
    /^4 is not in a list: expected \[4\]/,
  ],
  'null that is in no list': ['{"a":null}', 'a', /null is not in a list/],
  'a list within a list': ['{"a":[[1]]}', 'a[0]', /a list within a list/],
  'an unknown type': ['{"a":[1,{"like":"x"}]}', 'a[1]', /"like" is not one of exists, anything-but, /],
  'the name of something of every object': ['{"a":[{"toString":"x"}]}', 'a[0]', /no such type/],
  'two types at once': ['{"a":[{"prefix":"x","suffix":"y"}]}', 'a[0]', /2 names in \{…\}/],
  'no type': ['{"a":[{}]}', 'a[0]', /0 names/],
  'exists of a text': ['{"a":[{"exists":"yes"}]}', 'a[0]', /expected true or false/],
  'exists beside a value': ['{"a":[{"exists":true},1]}', 'a', /"exists" stands beside other values/],
  'anything-but beside a value': ['{"a":[{"anything-but":["x"]},"y"]}', 'a', /"anything-but" stands beside/],
  'anything-but without a list': ['{"a":[{"anything-but":"x"}]}', 'a[0]', /expected a list of texts/],
  'anything-but of nothing': ['{"a":[{"anything-but":[]}]}', 'a[0]', /at least one/],
  'anything-but of numbers': ['{"a":[{"anything-but":[1]}]}', 'a[0]', /expected a list of texts/],
  'prefix of a number': ['{"a":[{"prefix":1}]}', 'a[0]', /expected a text/],
  'a text that is too long': [`{"a":[{"prefix":"${'x'.repeat(2000)}"}]}`, 'a[0]', /longer than 1024/],
  'two stars of shellstyle': ['{"a":[{"shellstyle":"a**b"}]}', 'a[0]', /two "\*" side by side/],
  'two stars of wildcard': ['{"a":[{"wildcard":"a**"}]}', 'a[0]', /two "\*" side by side/],
  'a backslash before a letter': ['{"a":[{"wildcard":"\\\\d"}]}', 'a[0]', /backslash/],
  'a backslash at the end': ['{"a":[{"wildcard":"x\\\\"}]}', 'a[0]', /backslash/],
  'numeric without a number': ['{"a":[{"numeric":[">","4"]}]}', 'a[0]', /expected a comparison and a number/],
  'numeric of one': ['{"a":[{"numeric":[">"]}]}', 'a[0]', /expected a comparison/],
  'numeric with a word': ['{"a":[{"numeric":["over",1]}]}', 'a[0]', /expected a comparison/],
  'regexp: a parenthesis left open': [
    '{"a":[{"regexp":"a(b"}]}',
    'a[0]',
    /at character 2: "\(" without "\)"/,
  ],
  'regexp: one too many': ['{"a":[{"regexp":"ab)"}]}', 'a[0]', /at character 3: "\)" without "\("/],
  'regexp: a class left open': ['{"a":[{"regexp":"[ab"}]}', 'a[0]', /"\[" without "\]"/],
  'regexp: an empty class': ['{"a":[{"regexp":"[]"}]}', 'a[0]', /"\[\]" holds no character/],
  'regexp: a span backwards': ['{"a":[{"regexp":"[z-a]"}]}', 'a[0]', /ends before it begins/],
  'regexp: a minus in the middle': ['{"a":[{"regexp":"[a-c-e]"}]}', 'a[0]', /"-" within/],
  'regexp: nothing to repeat': ['{"a":[{"regexp":"+a"}]}', 'a[0]', /has nothing before it/],
  'regexp: repeated twice': ['{"a":[{"regexp":"a**"}]}', 'a[0]', /has nothing before it/],
  'regexp: a count backwards': ['{"a":[{"regexp":"a{3,2}"}]}', 'a[0]', /wrong way round/],
  'regexp: too many times': ['{"a":[{"regexp":"a{9999}"}]}', 'a[0]', /more than 1000/],
  'regexp: too many states': ['{"a":[{"regexp":"((a{100}){100}){100}"}]}', 'a[0]', /more than 5000 states/],
  'regexp: an unknown escape': ['{"a":[{"regexp":"~d"}]}', 'a[0]', /~d means nothing/],
  'regexp: an escape of nothing': ['{"a":[{"regexp":"a~"}]}', 'a[0]', /ends too early/],
  'regexp: an unknown category': ['{"a":[{"regexp":"~p{Xx}"}]}', 'a[0]', /no category/],
  'regexp: nested too deep': [`{"a":[{"regexp":"${'('.repeat(99)}"}]}`, 'a[0]', /nested deeper than 50/],
  'nested too deep': [deep(40), '', /nested deeper than 32/],
  'too long': [`{"a":["${'x'.repeat(70_000)}"]}`, '', /longer than 65536/],
  'too many fields': [
    JSON.stringify(Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`f${at}`, [1]]))),
    '',
    /300 fields/,
  ],
}

for (const [name, [text, path, message]] of Object.entries(cases))
  t.test(`refused: ${name}`, async (t) => {
    const rule = parseRule(text)
    t.match(rule, { faults: [{ path, message }] })
  })

t.test('every fault is told', async (t) => {
  const rule = parseRule('{"a":1,"b":[{"prefix":2},{"x":1}]}')
  t.match(rule, { faults: [{ path: 'a' }, { path: 'b[0]' }, { path: 'b[1]' }] })
})

t.test('depth is told once and does not end in a crash', async (t) => {
  t.match(parseRule(deep(3000)), { faults: [{ path: '' }] })
})
