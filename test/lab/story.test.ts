import t from 'tap'
import { createStory, isTelling, spanLines, spans } from '../../src/lab/story.ts'
import type { Stage, TimelineEntry } from '../../src/timeline/stage.ts'

const entry = (at: number, stage: Stage, facts: TimelineEntry['facts'] = {}): TimelineEntry => ({
  at,
  lastAt: at,
  count: 1,
  stage,
  facts,
})

function told(isTerminal: boolean) {
  let text = ''
  const teller = { write: (more: string) => void (text += more), isTerminal }
  const story = createStory({ teller, now: () => 10_500, startedAt: 10_000 })
  return { story, text: () => text }
}

t.test('an entry is told once, with the seconds since power-on', async (t) => {
  const { story, text } = told(false)
  story.entries([entry(17_300, 'phone-home', { hostname: 'demo-1' })])
  story.entries([entry(17_300, 'phone-home', { hostname: 'demo-1' })])
  t.equal(text(), '    7.3 s  phoned home: the installed system is up, as demo-1\n')
})

t.test('without a terminal progress is a line for every fifth', async (t) => {
  const { story, text } = told(false)
  for (let done = 0; done <= 100; done += 5)
    story.progress({ action: 'stream', done: done * 2 ** 20, total: 100 * 2 ** 20 })
  t.equal(text().split('\n').length - 1, 6)
  t.match(text(), '[####................] 20 % of stream, 20.0 MiB')
})

t.test('a terminal rewrites one line, and other news begin a line of their own', async (t) => {
  const { story, text } = told(true)
  story.progress({ action: 'stream', done: 5, total: 10 })
  story.say('next')
  t.match(text(), /^\r\u001b\[K.*50 % of stream.*\r\u001b\[K {4}0\.5 s {2}next\n$/s)
})

t.test('progress of unknown size does not divide by zero', async (t) => {
  const { story, text } = told(false)
  story.progress({ action: 'stream', done: 5, total: 0 })
  t.match(text(), '0 % of stream')
})

const lines = [
  { text: 'Welcome to GRUB!', want: true },
  { text: 'demo-1 login:', want: true },
  { text: '[   12.3] Kernel panic - not syncing: VFS', want: true },
  { text: '>>Start PXE over IPv4.', want: true },
  { text: '[  OK  ] Reached target network.target', want: false },
]
for (const { text, want } of lines)
  t.test(`the console line "${text}" is ${want ? '' : 'not '}told`, async (t) =>
    t.equal(isTelling(text), want),
  )

t.test('the parts of the way add up to the whole', async (t) => {
  const parts = spans(
    [
      entry(3000, 'dhcp-discover'),
      entry(5000, 'boot-script'),
      entry(15_000, 'agent-hello'),
      entry(25_000, 'action-ended', { action: 'stream image' }),
      entry(60_000, 'phone-home'),
    ],
    1000,
  )
  t.same(
    parts.map(({ ms }) => ms),
    [2000, 2000, 10_000, 10_000, 35_000],
  )
  t.equal(spanLines(parts).at(-1), '   59.0 s  power-on to phone-home')
})

t.test('parts that were not seen are left out', async (t) => {
  t.same(spans([entry(3000, 'phone-home')], 1000), [
    { what: 'installed system, until it has phoned home', ms: 2000 },
  ])
})
