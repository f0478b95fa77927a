import t from 'tap'
import { cutOff, follow } from '../../src/trace/boot.ts'
import type { Boot, Event } from '../../src/trace/boot.ts'

const minute = 60_000

/** Follows a boot; the spans as `name from-to error`, with `|` where a boot ends. */
function told(events: readonly Event[]): string[] {
  const words: string[] = []
  let boot: Boot | undefined
  for (const event of events) {
    const seen = follow(boot, event)
    const say = (spans: readonly { name: string; from: number; to: number; error?: string | undefined }[]) =>
      words.push(
        ...spans.map(({ name, from, to, error }) => `${name} ${from}-${to}${error ? ` ${error}` : ''}`),
      )
    if (seen.before) {
      say(seen.before.spans)
      words.push(`| ${seen.before.to}`)
    }
    say(seen.spans)
    if (seen.endedAt !== undefined) words.push(`| ${seen.endedAt}`)
    boot = seen.boot
  }
  if (boot)
    words.push(
      ...cutOff(boot).map(
        ({ name, from, to, error }) => `(${name} ${from}-${to}${error ? ` ${error}` : ''})`,
      ),
    )
  return words
}

const at = (at: number, stage: Event['stage'], facts: Event['facts'] = {}): Event => ({ at, stage, facts })
const firmware = { client: 'firmware' }

const cases: { name: string; events: Event[]; want: string[] }[] = [
  {
    name: 'an installation, from DISCOVER to phone-home over its restart',
    events: [
      at(0, 'dhcp-discover', firmware),
      at(10, 'dhcp-offer'),
      at(20, 'dhcp-request', firmware),
      at(30, 'dhcp-ack'),
      at(500, 'tftp-read', { ms: 400 }),
      at(600, 'dhcp-discover', { client: 'ipxe' }),
      at(620, 'dhcp-ack'),
      at(700, 'boot-script', { target: 'netboot-os' }),
      at(900, 'kernel', { ms: 150 }),
      at(1200, 'initramfs', { ms: 250 }),
      at(5000, 'dhcp-discover', { client: 'os' }),
      at(5010, 'dhcp-ack'),
      at(6000, 'agent-hello'),
      at(6100, 'workflow-started'),
      at(6200, 'action-started', { action: 'a' }),
      at(9000, 'action-ended', { action: 'a', state: 'SUCCESS' }),
      at(9100, 'workflow-ended', { state: 'SUCCESS' }),
      at(20_000, 'dhcp-discover', firmware),
      at(20_010, 'dhcp-ack'),
      at(20_100, 'boot-script', { target: 'disk' }),
      at(30_000, 'phone-home'),
    ],
    want: [
      'dhcp 0-30',
      'tftp 100-500',
      'dhcp 600-620',
      'script 700-700',
      'kernel 750-900',
      'initrd 950-1200',
      'dhcp 5000-5010',
      'workflow-started 6100-6100',
      'action 6200-9000',
      'workflow-ended 9100-9100',
      'dhcp 20000-20010',
      'script 20100-20100',
      'phone-home 30000-30000',
      'agent 6000-30000',
      '| 30000',
    ],
  },
  {
    name: 'a machine that asks again and again has one boot and one span',
    events: [
      at(0, 'dhcp-discover', firmware),
      at(4000, 'dhcp-discover', firmware),
      at(8000, 'dhcp-silent', { why: 'not-ready' }),
      at(9000, 'dhcp-discover', firmware),
    ],
    want: ['dhcp 0-8000 not-ready', '(dhcp 9000-9000 no end was seen)'],
  },
  {
    name: 'a machine that is switched off inside an action begins another boot',
    events: [
      at(0, 'agent-hello'),
      at(10, 'action-started', { action: 'a' }),
      at(5000, 'dhcp-discover', firmware),
    ],
    want: ['agent 0-10', 'action 10-10 no end was seen', '| 10', '(dhcp 5000-5000 no end was seen)'],
  },
  {
    name: 'a machine that is to boot the network again after its installation begins another boot',
    events: [
      at(0, 'boot-script', { target: 'netboot-os' }),
      at(10, 'workflow-ended', { state: 'SUCCESS' }),
      at(20, 'boot-script', { target: 'netboot-os' }),
    ],
    want: ['script 0-0', 'workflow-ended 10-10', '| 10', 'script 20-20'],
  },
  {
    name: 'a boot that falls silent is over; a long action is not',
    events: [
      at(0, 'agent-hello'),
      at(1, 'action-started', { action: 'a' }),
      at(90 * minute, 'action-ended', { action: 'a', state: 'FAILED' }),
      at(120 * minute, 'metadata'),
    ],
    want: [`action 1-${90 * minute} FAILED`, `agent 0-${90 * minute}`, `| ${90 * minute}`],
  },
  {
    name: 'what no boot begins with begins none',
    events: [
      at(0, 'dhcp-discover', { client: 'os' }),
      at(1, 'dhcp-request', { client: 'os' }),
      at(2, 'dhcp-ack'),
      at(3, 'phone-home'),
      at(4, 'metadata'),
    ],
    want: [],
  },
]
for (const { name, events, want } of cases) t.test(name, async (t) => t.same(told(events), want))
