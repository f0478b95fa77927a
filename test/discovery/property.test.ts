import t from 'tap'
import { explain, matches } from '../../src/discovery/match.ts'
import { parseRule } from '../../src/discovery/rule.ts'

/** A reproducible source of numbers below `bound` (mulberry32). */
function randomOf(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

const names = ['a', 'b', 'cpu', '__proto__', 'constructor', '', 'a.b', 'ä']
const texts = [
  '',
  'a',
  'ab',
  'aaab',
  '\u0000',
  '💾',
  '~p{Lu}',
  '(a*)*b',
  '[a-',
  'a{3,1}',
  '*a*',
  '\\',
  'a**',
  '~',
]
const types = [
  'exists',
  'prefix',
  'suffix',
  'shellstyle',
  'wildcard',
  'regexp',
  'numeric',
  'anything-but',
  'other',
]

function jsonOf(random: (bound: number) => number, depth: number): unknown {
  const kind = random(depth > 5 ? 5 : 9)
  if (kind === 0) return null
  if (kind === 1) return random(2) === 0
  if (kind === 2) return [0, -0, 1.5, 1e300, -1e-300][random(5)]
  if (kind <= 4) return texts[random(texts.length)]
  const size = random(4)
  if (kind <= 6) return Array.from({ length: size }, () => jsonOf(random, depth + 1))
  const words = random(3) === 0 ? types : names
  const entries = Array.from({ length: size }, () => [words[random(words.length)], jsonOf(random, depth + 1)])
  return Object.fromEntries(entries)
}

t.test('any rule is read or refused, and any machine answered, in no more than a moment', async (t) => {
  const random = randomOf(20_261_122)
  let accepted = 0
  for (let round = 0; round < 20_000; round++) {
    const text = JSON.stringify({ a: jsonOf(random, 1), b: jsonOf(random, 1) })
    const rule = parseRule(text)
    if ('faults' in rule) {
      if (rule.faults.length === 0) t.fail(`refused without a word: ${text}`)
      continue
    }
    accepted += 1
    const event = jsonOf(random, 0)
    const why = explain(rule, event)
    if (matches(rule, event) !== (why.length === 0)) t.fail(`${text} on ${JSON.stringify(event)}`)
  }
  t.ok(accepted > 500, `${accepted} rules were read`)
})

t.test('bytes that are no rule', async (t) => {
  const random = randomOf(7)
  const alphabet = '{}[]":,\\~()*+?|-^0123456789aexistsnull .'
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: random(60) }, () => alphabet[random(alphabet.length)]).join('')
    const rule = parseRule(text)
    if (!('faults' in rule)) t.same(rule.fields, [])
  }
  for (const open of ['[', '{"a":', '{"a":[{"prefix":[', '"'])
    t.match(parseRule(open.repeat(10_000)), { faults: [{}] })
  t.match(parseRule(`{"a":[{"prefix":${'['.repeat(30_000)}${']'.repeat(30_000)}}]}`), { faults: [{}] })
})

t.test('expressions that are slow elsewhere', async (t) => {
  const text = `${'a'.repeat(3000)}!`
  for (const regexp of ['(a*)*b', '(a|a)*b', '(a|aa)+b', '(.*)(.*)(.*)(.*)b', '(((a?){50}){10})*b']) {
    const rule = parseRule(JSON.stringify({ a: [{ regexp }] }))
    if ('faults' in rule) t.fail(regexp)
    else t.notOk(matches(rule, { a: text }), regexp)
  }
  const stars = parseRule(JSON.stringify({ a: [{ wildcard: '*a'.repeat(400) }] }))
  t.notOk('faults' in stars || matches(stars, { a: text }))
  t.match(parseRule(JSON.stringify({ a: [{ regexp: '((((){1000}){1000}){1000}){1000}' }] })), {
    faults: [{ message: /more than 5000 states/ }],
  })
})

t.test('machines nested without end, and lists of everything', async (t) => {
  const rule = parseRule('{"a":{"b":[1]}}')
  if ('faults' in rule) return t.fail('a good rule')
  let nested: unknown = { b: 1 }
  for (let depth = 0; depth < 5000; depth++) nested = [nested]
  t.notOk(matches(rule, { a: nested }))
  t.same(explain(rule, { a: nested }), ['a.b: found nothing, expected 1'])
  const many = Array.from({ length: 100_000 }, (_, b) => ({ b: b + 2 }))
  t.match(explain(rule, { a: many }), [/^a\.b: found 2, 3, 4, 5, 6 and \d+ more, expected 1$/])
})
