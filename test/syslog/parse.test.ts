import { randomBytes } from 'node:crypto'
import t from 'tap'
import { parseSyslog } from '../../src/syslog/parse.ts'
import type { SyslogMessage } from '../../src/syslog/parse.ts'

const cases: { name: string; raw: string; want: Partial<SyslogMessage> }[] = [
  {
    name: 'RFC 3164 with everything',
    raw: '<34>Oct 11 22:14:15 mymachine su[12]: failed for lonvick',
    want: {
      severity: 'crit',
      facility: 4,
      time: 'Oct 11 22:14:15',
      host: 'mymachine',
      app: 'su',
      pid: '12',
      text: 'failed for lonvick',
    },
  },
  {
    name: 'RFC 3164 without host, as busybox writes it',
    raw: '<13>Nov  1 09:00:00 root: hello: world',
    want: { severity: 'notice', facility: 1, app: 'root', text: 'hello: world' },
  },
  {
    name: 'RFC 3164 without time, as iPXE writes it',
    raw: '<6>ipxe: net0: up',
    want: { app: 'ipxe', text: 'net0: up' },
  },
  {
    name: 'words and a colon are no host and tag',
    raw: '<13>could not open disk: no such file',
    want: { text: 'could not open disk: no such file' },
  },
  {
    name: 'no priority at all',
    raw: 'hello there',
    want: { severity: 'notice', facility: 1, text: 'hello there' },
  },
  { name: 'a priority that is none', raw: '<999>x', want: { severity: 'notice', text: '<999>x' } },
  {
    name: 'RFC 5424 with structured data',
    raw: '<165>1 2003-10-11T22:14:15.003Z host.example.com evntslog 7 ID47 [a@1 x="1]" y="\\"]"][b@1] \uFEFFAn event',
    want: {
      severity: 'notice',
      facility: 20,
      time: '2003-10-11T22:14:15.003Z',
      host: 'host.example.com',
      app: 'evntslog',
      pid: '7',
      text: 'An event',
    },
  },
  {
    name: 'RFC 5424 with nothing but text',
    raw: '<11>1 - - - - - - text',
    want: { severity: 'err', text: 'text' },
  },
  { name: 'RFC 5424 without text', raw: '<11>1 - h - - - -', want: { host: 'h', text: '' } },
  { name: 'RFC 5424 cut short', raw: '<11>1 2003', want: { severity: 'err', text: '1 2003' } },
  { name: 'a zero byte and a line feed at the end', raw: '<11>app: x\n\0', want: { app: 'app', text: 'x' } },
  { name: 'control characters', raw: '<11>app: a\u001b[31mb\u202ec\nd', want: { text: 'a [31mb c d' } },
  { name: 'nothing', raw: '', want: { severity: 'notice', text: '' } },
]

for (const { name, raw, want } of cases) {
  t.test(name, async (t) => {
    const message = parseSyslog(Buffer.from(raw))
    t.match(message, want)
    if (!('host' in want)) t.notOk(message.host)
  })
}

t.test('whatever comes is a short message', async (t) => {
  for (let round = 0; round < 2000; round++) {
    const noise = randomBytes(round % 97)
    const heads = ['', '<13>', '<13>1 ', '<13>1 - - - - - [', '<13>Oct 11 22:14:15 ']
    const message = parseSyslog(Buffer.concat([Buffer.from(heads[round % heads.length]!), noise]))
    if (!/^[^\p{Cc}]*$/u.test(message.text)) t.fail(noise.toString('hex'))
  }
  const long = parseSyslog(Buffer.concat([Buffer.from('<13>app: '), Buffer.alloc(60_000, 'x')]))
  t.ok(long.text.length <= 2048)
  const open = parseSyslog(Buffer.from(`<13>1 - - - - - ${'[a b="'.repeat(10_000)}`))
  t.ok(open.text.length <= 2048)
})
