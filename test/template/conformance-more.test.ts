import t from 'tap'
import { AppError } from '../../src/model/error.ts'
import { nonHermeticNames } from '../../src/template/outside.ts'
import type { Outside } from '../../src/template/outside.ts'
import { processOutside } from '../../src/template/outside/process.ts'
import { checkTemplate, render } from '../../src/template/render.ts'
import { GoStruct } from '../../src/template/value.ts'

const data = { name: 'node-1', disk: '/dev/nvme0n1', empty: '', list: ['a', 'b'], n: 3, nothing: null }

const newer = [
  { text: '{{range 3}}{{.}}{{end}}', want: '012' },
  { text: '{{range $i := 3}}{{$i}}{{end}}', want: '012' },
  { text: '{{range .n}}{{.}}{{else}}none{{end}}', want: '012' },
  { text: '{{range 0}}x{{else}}none{{end}}', want: 'none' },
  {
    text: '{{range 9}}{{if eq . 2}}{{continue}}{{end}}{{if gt . 3}}{{break}}{{end}}{{.}}{{end}}',
    want: '013',
  },
  { text: '{{with .empty}}a{{else with .name}}{{.}}{{else}}c{{end}}', want: 'node-1' },
  { text: '{{with .empty}}a{{else with .nothing}}b{{else}}c{{end}}', want: 'c' },
  { text: '{{with $x := .empty}}a{{else with $y := 2}}{{$x}}{{$y}}{{end}}', want: '2' },
  { text: '{{sha512sum "abc"}}', want: sha512OfAbc() },
]
t.test('what Go learned after 1.19, and Sprig after 3.2', async (t) => {
  for (const { text, want } of newer) t.equal(render(text, data), want, text)
  t.match(faultOf('{{range $i, $x := 3}}{{end}}'), "can't use 3 to iterate over more than one variable")
  t.match(faultOf('{{with 1}}{{else if 2}}{{end}}'), '{{else if}} cannot stand in {{with}}')
  t.match(faultOf('{{if 1}}{{else with 2}}{{end}}'), '{{else with}} cannot stand in {{if}}')
})

/** FIPS 180-4 example */
function sha512OfAbc(): string {
  return (
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
    '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f'
  )
}

const orders = [
  { name: 'part first, as in Sprig', text: '{{contains "nvme" .disk}}', want: 'true' },
  { name: 'text first, as before Sprig', text: '{{contains .disk "nvme"}}', want: 'true' },
  { name: 'text first and no part of it', text: '{{contains .disk "sda"}}', want: 'false' },
  { name: 'a prefix, part first', text: '{{hasPrefix "/dev/" .disk}}', want: 'true' },
  { name: 'a prefix, text first', text: '{{hasPrefix .disk "/dev/"}}', want: 'true' },
  { name: 'a prefix that is a suffix', text: '{{hasPrefix .disk "n1"}}', want: 'false' },
  { name: 'a suffix, part first', text: '{{hasSuffix "n1" .disk}}', want: 'true' },
  { name: 'a suffix, text first', text: '{{hasSuffix .disk "n1"}}', want: 'true' },
  { name: 'piped in', text: '{{.disk | contains "nvme"}}', want: 'true' },
  { name: 'a part looked for in a list of names', text: '{{contains .name "node-1 node-2"}}', want: 'true' },
  { name: 'a longer literal is no part', text: '{{contains .name "node-10"}}', want: 'true' },
  {
    name: 'a longer literal that has no such part',
    text: '{{contains .name "a longer literal"}}',
    want: 'false',
  },
  { name: 'two fields are read as in Sprig', text: '{{contains .disk .name}}', want: 'false' },
  { name: 'two literals are read as in Sprig', text: '{{contains "abc" "b"}}', want: 'false' },
]
for (const { name, text, want } of orders)
  t.test(`contains, hasPrefix, hasSuffix: ${name}`, async (t) => t.equal(render(text, data), want, text))

t.test('a struct of Go prints by its String method, and only methods take arguments', async (t) => {
  const text = new GoStruct('main.T', new Map(), {
    text: 'shown',
    methods: new Map([['Twice', { params: 1, call: (value = null) => [value, value] }]]),
  })
  t.equal(
    render('{{.T}} {{.T.Twice 1}} {{1 | .T.Twice}} {{$x := .T}}{{$x.Twice "a"}}', { T: text }),
    'shown [1 1] [1 1] [a a]',
  )
  t.match(faultOf('{{.T.Twice}}', { T: text }), 'wrong number of args for Twice: want 1 got 0')
  t.match(faultOf('{{call .n}}'), '1:3: error calling call: non-function of type int')
  t.equal(render('{{netmaskToCIDR "255.255.255.0"}}', data), '24')
})

t.test('what asks clock, chance, environment or keys is switched off, by name', async (t) => {
  for (const name of nonHermeticNames) {
    const want = `1:3: function "${name}" depends on more than the template and its data, and is switched off: set templates.allowNonHermetic to true to allow it`
    t.match(faultOf(`{{${name}}}`), want)
    t.throws(() => checkTemplate(`{{if false}}{{${name}}}{{end}}`), { code: 'Invalid' })
  }
})

const now = Date.UTC(2026, 6, 31, 12, 34, 56)
const outside: Outside = processOutside({ SITE: 'berlin', A: '1' }, () => now)
const allowed = [
  { text: '{{now | date "2006"}}', want: '2026' },
  { text: '{{dateInZone "2006-01-02 15:04:05 MST" now "UTC"}}', want: '2026-07-31 12:34:56 UTC' },
  { text: '{{dateInZone "15:04 -0700" now "Europe/Berlin"}}', want: '14:34 +0200' },
  { text: '{{date_in_zone "15:04 MST" now "America/New_York"}}', want: '08:34 EDT' },
  { text: '{{dateInZone "15:04 MST" now "No/Where"}}', want: '12:34 UTC' },
  {
    text: '{{dateInZone "2006-01-02" 0 "UTC"}} {{htmlDateInZone 86400 "UTC"}}',
    want: '1970-01-01 1970-01-02',
  },
  { text: '{{dateInZone "15:04" (now | dateModify "-1h30m") "UTC"}}', want: '11:04' },
  { text: '{{dateInZone "15:04" (now | date_modify "nonsense") "UTC"}}', want: '12:34' },
  { text: '{{htmlDate now | len}} {{now.UTC.Year}} {{now.Unix}}', want: `10 2026 ${now / 1000}` },
  { text: '{{ago (now | dateModify "-65s")}}', want: '1m5s' },
  { text: '{{env "SITE"}}|{{env "NONE"}}|{{expandenv "$SITE-${A}-$NONE"}}', want: 'berlin||berlin-1-' },
  { text: '{{len (randAlphaNum 20)}} {{regexMatch "^[0-9]{9}$" (randNumeric 9)}}', want: '20 true' },
  {
    text: '{{regexMatch "^[A-Za-z]{99}$" (randAlpha 99)}} {{len (randAscii 5)}} {{len (randBytes 6)}}',
    want: 'true 5 8',
  },
  { text: '{{$i := randInt 3 5}}{{and (ge $i 3) (lt $i 5)}} {{shuffle "ab" | len}}', want: 'true 2' },
  { text: '{{regexMatch "^[0-9a-f]{8}-[0-9a-f]{4}-4" uuidv4}}', want: 'true' },
  { text: '{{derivePassword 1 "long" "password" "user" "example.com"}}', want: 'ZedaFaxcZaso9*' },
  { text: '{{derivePassword 2 "maximum" "password" "user" "example.com"}}', want: 'O8-6Bwz1*I5XVPPq)@H!' },
  { text: '{{encryptAES "key" "secret é" | decryptAES "key"}}', want: 'secret é' },
  { text: '{{genPrivateKey "ecdsa" | splitList "\\n" | first}}', want: '-----BEGIN EC PRIVATE KEY-----' },
  { text: '{{genPrivateKey "ed25519" | splitList "\\n" | first}}', want: '-----BEGIN PRIVATE KEY-----' },
]
t.test('with the setting they answer', async (t) => {
  for (const { text, want } of allowed) t.equal(render(text, data, { outside }), want, text)
  for (const name of nonHermeticNames) t.doesNotThrow(() => checkTemplate(`{{${name}}}`, { outside }), name)
})

const refused = [
  { text: '{{getHostByName "example.com"}}', want: 'getHostByName asks DNS' },
  { text: '{{bcrypt "x"}}', want: 'bcrypt takes the server a long time' },
  { text: '{{htpasswd "a" "b"}}', want: 'htpasswd takes the server a long time' },
  { text: '{{genCA "x" 365}}', want: 'genCA makes a certificate' },
  { text: '{{genPrivateKey "rsa"}}', want: 'expected "ecdsa" or "ed25519"' },
  { text: '{{decryptAES "key" "bm90"}}', want: 'text was not encrypted with this password' },
  { text: '{{derivePassword 1 "none" "a" "b" "c"}}', want: 'cannot find password template none' },
  { text: '{{randInt 5 5}}', want: 'expected a range of 1' },
  { text: '{{randAlpha -1}}', want: 'expected at least 0' },
  { text: '{{randBytes 9999999}}', want: 'text longer than' },
]
t.test('what they cannot do they say', async (t) => {
  for (const { text, want } of refused) t.match(faultOf(text, data, outside), want, text)
})

const nasty = [
  'true',
  'yes',
  'off',
  'null',
  '~',
  '',
  '0755',
  '1e3',
  '1.10',
  '0x1F',
  '12:30',
  '2021-01-01',
  '.inf',
  '=',
  '<<',

  ' a',
  'a ',
  '\n',
  'a\n',
  '\na',
  'a\n\n',
  'a\r\nb',
  'a\tb',
  '#a',
  'a #b',
  'a: b',
  '- a',
  '* a',
  '&a',
  '!a',
  '%a',
  '@a',
  '`a',

  '"',
  "'",
  '\\',
  '{',
  '[a]',
  '?',
  '|',
  '>',
  'a\u0001b',
  '\u2028',
  'é世😀',
  'x '.repeat(90),
  `  lead\n${'y'.repeat(200)}`,
]
t.test('text survives toYaml and fromYaml', async (t) => {
  for (const text of nasty) {
    // A key of `<<` is a merge to every reader of YAML 1.1.
    const values = { x: { key: text, [text === '<<' ? 'merge' : text]: ['a', text] } }
    t.equal(render('{{deepEqual .x (toYaml .x | fromYaml)}}', values), 'true', encodeURIComponent(text))
  }
})

function faultOf(text: string, values: object = data, allowedOutside?: Outside): string {
  try {
    return `no fault: ${render(text, values, { outside: allowedOutside })}`
  } catch (error) {
    if (error instanceof AppError && error.code === 'Invalid') return error.message
    throw error
  }
}
