import { readFileSync } from 'node:fs'
import t from 'tap'
import { AppError } from '../../src/model/error.ts'
import { fn } from '../../src/template/func.ts'
import { render } from '../../src/template/render.ts'
import { GoStruct } from '../../src/template/value.ts'

/** Templates with what Go 1.19 text/template with Sprig 3 made of them. */
const recorded = JSON.parse(readFileSync(new URL('go-outputs.json', import.meta.url), 'utf8'))

for (const { name, text, want } of recorded.cases) {
  t.test(`${name}, as Go renders it`, async (t) => t.equal(render(text, recorded.data), want))
}

const ours = [
  { name: 'a disk partition', text: '{{formatPartition "/dev/sda" 2}}', want: '/dev/sda2' },
  {
    name: 'a partition of a disk whose name ends in a digit',
    text: '{{formatPartition "/dev/nvme0n1" 1}}',
    want: '/dev/nvme0n1p1',
  },
  {
    name: 'a partition of a disk by path',
    text: '{{formatPartition "/dev/disk/by-id/x" 3}}',
    want: '/dev/disk/by-id/x-part3',
  },
  {
    name: 'a partition of an unknown device',
    text: '{{"/dev/xvda" | printf "%s" | len}} {{formatPartition "x" 1}}',
    want: '9 x1',
  },
  { name: 'a netmask', text: '{{netmaskToPrefixLength "255.255.254.0"}}', want: '23' },
  { name: 'a netmask by its old name', text: '{{netmaskToCIDR "255.255.255.255"}}', want: '32' },
  { name: 'YAML of a map', text: '{{toYaml .}}', want: 'a: 1\nl:\n- x\n- "true"\nm:\n  k: v' },
  { name: 'YAML indented', text: 'm:{{ .m | toYaml | nindent 2 }}', want: 'm:\n  k: v' },
  { name: 'a field of parsed YAML', text: '{{(fromYaml "a: {b: [1, x]}").a.b}}', want: '[1 x]' },
  { name: 'a count as in newer Go', text: '{{range $i := 3}}{{$i}}{{end}}', want: '012' },
  { name: 'else with as in newer Go', text: '{{with ""}}a{{else with "b"}}{{.}}{{end}}', want: 'b' },
  { name: 'split at an empty match', text: '{{regexSplit "x*" "axbc" -1}}', want: '[a b c]' },
  { name: 'operands by number', text: '{{printf "%[2]d %[1]d" 1 2}}', want: '2 1' },
  { name: 'names of JavaScript objects are no data', text: '{{hasKey . "constructor"}}', want: 'false' },
]
for (const { name, text, want } of ours) {
  t.test(`${name} is rendered`, async (t) => {
    t.equal(render(text, { a: 1, l: ['x', 'true'], m: { k: 'v' } }), want)
  })
}

const data = { name: 'n', list: ['a', 'b'], m: { a: 1 }, none: null, n: 3 }
const faults = [
  {
    name: 'a missing key',
    text: 'x\ny {{ .missing }}',
    want: '2:6: map has no entry for key "missing" (near `.missing`)',
  },
  {
    name: 'a missing key below',
    text: '{{ .m.zz }}',
    want: '1:4: map has no entry for key "zz" (near `.m.zz`)',
  },
  { name: 'a prototype name', text: '{{ .constructor }}', want: 'map has no entry for key "constructor"' },
  {
    name: 'a field of a text',
    text: '{{.name.x}}',
    want: "1:3: can't evaluate field x in type string (near `.name.x`)",
  },
  { name: 'a field of nil', text: '{{.none.x}}', want: 'nil pointer evaluating .x' },
  {
    name: 'an index out of range',
    text: '{{index .list 5}}',
    want: '1:3: error calling index: index out of range: 5 (near `index .list 5`)',
  },
  {
    name: 'an index of the wrong type',
    text: '{{index .list "a"}}',
    want: 'cannot index slice/array with type string',
  },
  { name: 'an index of nil', text: '{{index .none 1}}', want: 'index of untyped nil' },
  {
    name: 'an unknown function',
    text: '{{if true}}\n  {{nofunc 1}}{{end}}',
    want: '2:5: function "nofunc" not defined (near `nofunc`)',
  },
  { name: 'an open action', text: 'a{{ .name', want: '1:2: action is not closed (near `{{ .name`)' },
  { name: 'an open text', text: '{{"abc}}', want: '1:3: string literal is not closed' },
  { name: 'an open comment', text: '{{/* a }}', want: '1:3: comment is not closed' },
  {
    name: 'a comment with more behind it',
    text: '{{/* a */ x}}',
    want: 'comment ends before the closing }}',
  },
  { name: 'an if without end', text: 'a\n{{if .name}}x', want: '2:1: {{if}} has no {{end}} (near `{{`)' },
  { name: 'an end too many', text: 'a{{end}}', want: '1:4: unexpected {{end}} (near `end`)' },
  {
    name: 'an else too many',
    text: '{{if true}}{{else}}{{else}}{{end}}',
    want: 'unexpected {{else}} in {{if}}',
  },
  { name: 'an if without condition', text: '{{if}}x{{end}}', want: '1:5: missing value for if (near `}}`)' },
  { name: 'an empty action', text: '{{ }}', want: '1:4: missing value for action' },
  { name: 'an unknown variable', text: '{{$x}}', want: '1:3: undefined variable $x (near `$x`)' },
  {
    name: 'a variable after its block',
    text: '{{if true}}{{$x := 1}}{{end}}{{$x}}',
    want: 'undefined variable $x',
  },
  {
    name: 'a variable only declared in the other branch',
    text: '{{if false}}{{$x := 1}}{{else}}{{$x}}{{end}}',
    want: 'undefined variable $x',
  },
  {
    name: 'a break outside of a range',
    text: '{{break}}',
    want: '1:3: {{break}} outside of {{range}} (near `break`)',
  },
  {
    name: 'a define inside a block',
    text: '{{if true}}{{define "a"}}{{end}}{{end}}',
    want: '{{define}} must stand outside of other blocks',
  },
  {
    name: 'a template defined twice',
    text: '{{define "a"}}1{{end}}{{define "a"}}2{{end}}',
    want: 'template "a" is defined twice',
  },
  { name: 'a template that is not there', text: '{{template "nope"}}', want: 'template "nope" not defined' },
  {
    name: 'a template without a name',
    text: '{{template name}}',
    want: '{{template}} needs a name in quotes, not "name"',
  },
  {
    name: 'a value as a stage',
    text: '{{1 | 2}}',
    want: '1:7: a value cannot be stage 2 of a pipeline (near `2`)',
  },
  { name: 'an open parenthesis', text: '{{print (1}}', want: '1:9: parenthesis is not closed' },
  {
    name: 'a closing parenthesis too many',
    text: '{{1)}}',
    want: 'closing parenthesis without an opening one',
  },
  { name: 'arguments that touch', text: '{{print (1)(2)}}', want: '1:12: unexpected "(" in action' },
  { name: 'a bad number', text: '{{08}}', want: '1:3: bad number "08": a leading 0 is octal (near `08`)' },
  { name: 'a number too large', text: '{{9223372036854775808}}', want: 'overflows 64 bits' },
  { name: 'a bad escape', text: '{{"\\q"}}', want: 'bad escape "\\\\" in literal' },
  {
    name: 'a strange character',
    text: '{{ @ }}',
    want: '1:4: unexpected character "@" in action (near `@`)',
  },
  {
    name: 'an argument of the wrong type',
    text: '{{upper 1}}',
    want: 'error calling upper: wrong type for value; expected string; got int',
  },
  { name: 'too many arguments', text: '{{upper "a" "b"}}', want: 'wrong number of args: want 1 got 2' },
  {
    name: 'a comparison across types',
    text: '{{eq 1 "a"}}',
    want: 'incompatible types for comparison: int and string',
  },
  { name: 'a comparison of lists', text: '{{eq .list .list}}', want: 'non-comparable type []interface {}' },
  { name: 'a range over a text', text: '{{range "abc"}}{{end}}', want: "range can't iterate over string" },
  {
    name: 'a bad netmask',
    text: '{{netmaskToPrefixLength "255.0.255.0"}}',
    want: 'invalid netmask "255.0.255.0"',
  },
  {
    name: 'a partition given as text',
    text: '{{formatPartition "/dev/sda" "1"}}',
    want: 'expected int; got string',
  },
  { name: 'a division by zero', text: '{{div 1 0}}', want: 'integer divide by zero' },
  {
    name: 'a fail',
    text: '{{fail "no disk"}}',
    want: '1:3: error calling fail: no disk (near `fail "no disk"`)',
  },
  { name: 'columns counted in characters', text: 'é😀{{.zz}}', want: '1:5: map has no entry' },
]
for (const { name, text, want } of faults) {
  t.test(`${name} is a fault with its place`, async (t) => {
    t.throws(() => render(text, data), { code: 'Invalid' })
    t.match(
      messageOf(() => render(text, data)),
      want,
    )
  })
}

const hostile = [
  {
    name: 'an endless recursion',
    text: '{{define "a"}}{{template "a"}}{{end}}{{template "a"}}',
    want: 'deeper than 500',
  },
  {
    name: 'a text that doubles',
    text: '{{$x := "ab"}}{{range until 60}}{{$x = print $x $x}}{{end}}',
    want: 'text longer than',
  },
  {
    name: 'too much output',
    text: '{{range until 3000}}{{repeat 100 "x"}}{{end}}',
    want: 'rendered template exceeds 262144 bytes',
  },
  {
    name: 'loops in loops',
    text: '{{range until 90000}}{{range until 90000}}{{end}}{{end}}',
    want: /more than 500000 steps|longer than 2000 ms/,
  },
  { name: 'a long repetition', text: '{{repeat 1000000000 "x"}}', want: 'text longer than' },
  { name: 'a wide format', text: '{{printf "%1000000000d" 1}}', want: 'width 1000000000' },
  { name: 'a long list', text: '{{until 1000000000}}', want: 'list longer than' },
  {
    name: 'a list that holds itself many times',
    text: '{{$x := list 1}}{{range until 60}}{{$x = list $x $x}}{{end}}{{$x}}',
    want: 'text longer than',
  },
  {
    name: 'a comparison of lists that hold themselves many times',
    text: '{{$x := list 1}}{{$y := list 1}}{{range until 60}}{{$x = list $x $x}}{{$y = list $y $y}}{{end}}{{deepEqual $x $y}}',
    want: /more than 500000 steps|longer than 2000 ms/,
  },
  {
    name: 'a map that holds itself',
    text: '{{$x := dict}}{{$_ := set $x "a" $x}}{{toJson $x}}',
    want: 'nested deeper than 200',
  },
  {
    name: 'deep parentheses',
    text: `{{${'('.repeat(5000)}1${')'.repeat(5000)}}}`,
    want: 'nested deeper than 200',
  },
  { name: 'deep blocks', text: '{{if true}}'.repeat(5000), want: 'nested deeper than 200' },
  {
    name: 'a replacement that explodes',
    text: '{{$x := repeat 1000000 "a"}}{{replace "a" $x $x}}',
    want: 'text longer than',
  },
  {
    name: 'a YAML bomb',
    text: '{{fromYaml "a: &a [1,1]\\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\\nd: [*c,*c,*c,*c,*c,*c,*c]"}}',
    want: 'alias',
  },
]
for (const { name, text, want } of hostile) {
  t.test(`${name} is stopped`, async (t) =>
    t.match(
      messageOf(() => render(text, data)),
      want,
    ),
  )
}

t.test('a Go struct has its fields and no others', async (t) => {
  const Disk = new GoStruct('Disk', new Map([['Device', { json: 'device', value: '/dev/sda' }]]))
  t.equal(
    render('{{.Disk.Device}} {{toJson .Disk}} {{.Disk}}', { Disk }),
    '/dev/sda {"device":"/dev/sda"} {/dev/sda}',
  )
  t.match(
    messageOf(() => render('{{.Disk.Size}}', { Disk })),
    "can't evaluate field Size in type Disk",
  )
})

t.test('a missing key may be no value', async (t) => {
  t.equal(render('{{.a}} {{.a.b}}', {}, { missingKey: 'default' }), '<no value> <no value>')
})

t.test('functions can be added', async (t) => {
  t.equal(render('{{twice "a"}}', {}, { functions: { twice: fn(['string'], (text) => text + text) } }), 'aa')
})

t.test('any text renders or is a fault, never another failure', async (t) => {
  const pieces = [
    '{{',
    '}}',
    '{{-',
    '-}}',
    ' ',
    '.a',
    '$x',
    ':=',
    '=',
    '|',
    '(',
    ')',
    '"s"',
    '`r`',
    "'c'",
    '1',
    '.5',
    'if',
    'end',
    'else',
    'range',
    'with',
    'define',
    'template',
    'block',
    'break',
    'print',
    'and',
    ',',
    '\n',
    '/*',
    '*/',
    'é',
    '\\',
    '"',
    'nil',
  ]
  let seed = 7
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below
  for (let i = 0; i < 3000; i++) {
    const text = Array.from({ length: 1 + random(14) }, () => pieces[random(pieces.length)]).join(
      random(2) ? ' ' : '',
    )
    try {
      render(`{{${text}`, { a: 1 })
    } catch (error) {
      if (!(error instanceof AppError) || /cannot be rendered|undefined \(/.test(error.message))
        t.fail(text, { error })
    }
  }
})

function messageOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return (error as Error).message
  }
  return 'no fault'
}
