import t from 'tap'
import type { Test } from 'tap'
import { AppError } from '../../src/model/error.ts'
import { maxOutputBytes, maxRenderMs } from '../../src/template/limits.ts'
import { regexSize } from '../../src/template/regex-size.ts'
import { render, templateFunctions } from '../../src/template/render.ts'
import { bombs } from './bombs.ts'

const data = {
  name: 'node-1',
  list: ['a', 'b', 'c'],
  nums: [3, 1, 2],
  m: { a: 1, b: { c: [1, { d: 'x' }] } },
  big: 'ab'.repeat(5000),
  n: 3,
  f: 2.5,
  none: null,
  yes: true,
}

/** Pseudo-random numbers of a fixed seed, so that a failure comes again. */
function dice(seed: number) {
  let state = seed
  const below = (bound: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
  return { below, pick: <T>(choices: readonly T[]): T => choices[below(choices.length)]! }
}
type Dice = ReturnType<typeof dice>

/** Renders, or is an Invalid fault with a place. Anything else is a failure of the test. */
function outcome(text: string): 'rendered' | 'refused' {
  try {
    const out = render(text, data)
    if (new TextEncoder().encode(out).length > maxOutputBytes) throw new Error(`output of ${out.length}`)
    return 'rendered'
  } catch (error) {
    const isFault = error instanceof AppError && error.code === 'Invalid'
    if (!isFault || !/^\d+:\d+: |^template of \d+ characters/.test(error.message)) throw error
    return 'refused'
  }
}

function checkAll(t: Test, texts: Iterable<string>, least: number): void {
  let rendered = 0
  for (const text of texts) {
    try {
      if (outcome(text) === 'rendered') rendered++
    } catch (error) {
      t.fail(text.slice(0, 2000), { error })
    }
  }
  t.ok(rendered >= least, `${rendered} were rendered`)
}

const names = Object.keys(templateFunctions).sort()
const literals = [
  '0',
  '1',
  '-1',
  '7',
  '1.5',
  '-0.5',
  '1e300',
  '0x7fffffffffffffff',
  '-9223372036854775808',
  "'a'",
  '100000',

  '""',
  '"a"',
  '"a,b,c"',
  '"%*[1]d%[3]*.[2]*f%!"',
  '"%99999d"',
  '`(a*)*b`',
  '"[a-z]{2,9}"',
  '"2006-01-02"',
  '"1.2.3"',

  '">=1.0 || *"',
  '"a: [1, {b: c}]"',
  '"{\\"a\\":[1]}"',
  '"http://u:p@h:1/p?q#f"',
  '"é世😀"',
  '"\\xff\\x00"',
  '"__proto__"',

  'true',
  'nil',
  '.',
  '$',
  '.name',
  '.list',
  '.nums',
  '.m',
  '.big',
  '.n',
  '.f',
  '.none',
  '.yes',
  '.m.b.c',
  '.nothere',
]

/** An expression of the grammar: literals, fields, calls of any function, parentheses, pipelines. */
function expression({ below, pick }: Dice, depth: number): string {
  if (depth <= 0 || below(3) === 0) return pick(literals)
  const args = Array.from({ length: below(4) }, () => ` ${operand({ below, pick }, depth - 1)}`)
  const call = pick(names) + args.join('')
  return below(4) === 0 ? `${operand({ below, pick }, depth - 1)} | ${call}` : call
}

function operand(one: Dice, depth: number): string {
  const inner = expression(one, depth)
  return inner.includes(' ') ? `(${inner})${one.below(9) === 0 ? '.a' : ''}` : inner
}

function template(one: Dice, depth: number): string {
  const { below, pick } = one
  const body = () => (depth <= 0 ? 'x' : template(one, depth - 1))
  const value = () => expression(one, 3)
  const kinds = [
    () => `{{${value()}}}`,
    () => `{{${value()}}}`,
    () => `{{- ${value()} -}}`,
    () => `{{if ${value()}}}${body()}{{else if ${value()}}}${body()}{{else}}${body()}{{end}}`,
    () => `{{with $w := ${value()}}}${body()}{{$w}}{{else with ${value()}}}${body()}{{end}}`,
    () => `{{range $i, $e := ${value()}}}${body()}{{if $i}}{{break}}{{end}}{{else}}${body()}{{end}}`,
    () => `{{range ${value()}}}{{continue}}{{end}}`,
    () =>
      `{{$v := ${value()}}}{{range until ${below(2000)}}}{{$v = ${pick(['list $v $v', 'print $v $v', 'dict "a" $v', 'set dict "x" $v', 'cat $v $v', 'append (list) $v'])}}}{{end}}${pick(['', '{{$v}}', '{{toJson $v}}', '{{len $v}}', '{{deepEqual $v $v}}', '{{toYaml $v}}', '{{deepCopy $v}}'])}`,
    () => `{{block "b${below(3)}" ${value()}}}${body()}{{end}}`,
    () => `{{template "b${below(3)}" .}}`,
    () => `${body()} text ${body()}`,
  ]
  return pick(kinds)()
}

t.test('any template of the grammar renders or is a fault with its place', async (t) => {
  const one = dice(20_240_601)
  const texts = function* () {
    for (let i = 0; i < 1200; i++) yield template(one, one.below(4))
  }
  checkAll(t, texts(), 100)
})

t.test('any call of any function with any arguments returns or is a fault', async (t) => {
  const one = dice(77)
  const texts = function* () {
    for (const name of names)
      for (let i = 0; i < 20; i++) {
        const args = Array.from({ length: one.below(5) }, () => ` ${one.pick(literals)}`)
        yield `{{${name}${args.join('')}}}`
      }
  }
  checkAll(t, texts(), 500)
})

t.test('any bytes in an action render or are a fault', async (t) => {
  const one = dice(5)
  const texts = function* () {
    for (let i = 0; i < 4000; i++) {
      const units = Array.from({ length: one.below(24) }, () =>
        one.below(one.below(5) === 0 ? 0x10000 : 0x80),
      )
      yield `${one.pick(['{{', '{{- ', 'a{{"', '{{`', '{{/*', ''])}${String.fromCharCode(...units)}${one.pick(['}}', ' -}}', '', '"}}', '*/}}'])}`
    }
  }
  checkAll(t, texts(), 500)
})

t.test('any cut or change of a good template renders or is a fault', async (t) => {
  const good =
    '{{define "d"}}{{.}}{{end}}{{range $i, $e := .list}}{{if eq $e "b"}}{{continue}}{{else}}{{printf "%d %s" $i $e | quote}}{{end}}{{end}}{{with .m}}{{.a}}{{end}}{{template "d" .name}}'
  const one = dice(9)
  const texts = function* () {
    for (let cut = 0; cut <= good.length; cut++) yield good.slice(0, cut)
    for (let i = 0; i < 1500; i++) {
      const at = one.below(good.length)
      const by = one.pick([
        '',
        '{{',
        '}}',
        '"',
        '`',
        '$',
        '.',
        '|',
        '(',
        ')',
        ' ',
        '-',
        '{{end}}',
        '\0',
        good.slice(0, at),
      ])
      yield good.slice(0, at) + by + good.slice(at + one.below(4))
    }
  }
  checkAll(t, texts(), 200)
})

/** No rendering that hangs would end within this, and every one that keeps its caps does, on a slow machine too. */
const hangMs = 20 * maxRenderMs
for (const { name, text } of bombs)
  t.test(`${name}: ends within its caps`, async (t) => {
    const start = performance.now()
    t.match(outcome(text), /rendered|refused/)
    t.ok(performance.now() - start < hangMs, `took ${Math.round(performance.now() - start)} ms`)
  })

t.test('the time cap ends what the step cap does not', async (t) => {
  t.throws(
    () => render('{{range until 9999}}{{end}}{{range until 9999}}{{end}}', {}, { maxMs: 0 }),
    /takes longer than 0 ms/,
  )
})

const sizes = [
  { pattern: 'abc', at: 3 },
  { pattern: 'a{100}', at: 100 },
  { pattern: '(ab){10}', at: 40 },
  { pattern: '((a{10}){10}){10}', at: 1000 },
  { pattern: '[a-z]{5}', at: 5 },
  { pattern: '[]a]{5}', at: 5 },
  { pattern: '\\p{Greek}{7}', at: 7 },
  { pattern: 'a{x', at: 3 },
  { pattern: '(((', at: 6 },
]
t.test('the size of a regular expression is known before it is compiled', async (t) => {
  for (const { pattern, at } of sizes)
    t.ok(regexSize(pattern) >= at && regexSize(pattern) <= at * 2.5, `${pattern}: ${regexSize(pattern)}`)
})
