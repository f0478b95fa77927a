import t from 'tap'
import { cleanLine, cutLines, formatLine } from '../../src/lab/serial.ts'

const cleaning = [
  { name: 'plain text stays as it is', text: 'GRUB loading...', want: 'GRUB loading...' },
  { name: 'colours are dropped', text: '[\u001b[0;32m  OK  \u001b[0m] Started', want: '[  OK  ] Started' },
  {
    name: 'cursor moves of firmware are dropped',
    text: '\u001b[2J\u001b[01;01H\u001b[=3hBdsDxe: loading',
    want: 'BdsDxe: loading',
  },
  { name: 'character sets and keypad modes are dropped', text: '\u001b(B\u001b=login:', want: 'login:' },
  {
    name: 'control characters and bytes that are no text are dropped',
    text: '\u0000a\u0007b\ufffd',
    want: 'ab',
  },
  { name: 'tabs become blanks, trailing blanks go', text: 'a\tb  \t', want: 'a b' },
]
for (const { name, text, want } of cleaning) t.test(name, async (t) => t.equal(cleanLine(text), want))

t.test('a line that comes in pieces is given once, whole', async (t) => {
  const first = cutLines('', 'Booting fr')
  t.same(first, { lines: [], rest: 'Booting fr' })
  t.same(cutLines(first.rest, 'om ROM\r\nnext'), { lines: ['Booting from ROM'], rest: 'next' })
})

t.test('a bare carriage return ends a line, empty lines are left out', async (t) => {
  t.same(cutLines('', 'a\rb\r\n\r\n\nc\n'), { lines: ['a', 'b', 'c'], rest: '' })
})

t.test('a console that never ends its line does not fill the memory', async (t) => {
  t.equal(cutLines('x'.repeat(4096), 'y'.repeat(100_000)).rest.length, 4096)
})

t.test('a log line has seconds with milliseconds', async (t) => {
  t.equal(formatLine({ at: 12.34567, text: 'hello' }), '[  12.346] hello')
})
