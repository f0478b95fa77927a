import t from 'tap'
import { begin, negotiate, step } from '../../src/tftp/transfer.ts'
import type { Step, Terms, TransferEvent } from '../../src/tftp/transfer.ts'

const options = (values: Readonly<Record<string, string>>) => new Map(Object.entries(values))
const negotiations: {
  name: string
  asked: Record<string, string>
  terms?: Partial<Terms>
  accepted: Record<string, string>
}[] = [
  {
    name: 'no options: blocks of 512, one at a time',
    asked: {},
    terms: { blockSize: 512, windowSize: 1, waitMs: 1000 },
    accepted: {},
  },
  {
    name: 'a block size that fits',
    asked: { blksize: '1428' },
    terms: { blockSize: 1428 },
    accepted: { blksize: '1428' },
  },
  {
    name: 'a block size beyond a frame is lowered',
    asked: { blksize: '65464' },
    terms: { blockSize: 1468 },
    accepted: { blksize: '1468' },
  },
  {
    name: 'the smallest block size',
    asked: { blksize: '8' },
    terms: { blockSize: 8 },
    accepted: { blksize: '8' },
  },
  {
    name: 'a block size below 8 is passed over',
    asked: { blksize: '7' },
    terms: { blockSize: 512 },
    accepted: {},
  },
  {
    name: 'a block size above 65464 is passed over',
    asked: { blksize: '65465' },
    terms: { blockSize: 512 },
    accepted: {},
  },
  { name: 'a block size that is no number is passed over', asked: { blksize: '1e3' }, accepted: {} },
  { name: 'the size of the file is told', asked: { tsize: '0' }, accepted: { tsize: '1000' } },
  {
    name: 'a wait of three seconds',
    asked: { timeout: '3' },
    terms: { waitMs: 3000 },
    accepted: { timeout: '3' },
  },
  {
    name: 'a wait of nothing is passed over',
    asked: { timeout: '0' },
    terms: { waitMs: 1000 },
    accepted: {},
  },
  {
    name: 'a window is lowered to 64',
    asked: { windowsize: '65535' },
    terms: { windowSize: 64 },
    accepted: { windowsize: '64' },
  },
  {
    name: 'unknown options are passed over',
    asked: { multicast: '', constructor: '1', tsize: '0' },
    accepted: { tsize: '1000' },
  },
]
for (const { name, asked, terms = {}, accepted } of negotiations) {
  t.test(name, async (t) => {
    const got = negotiate(options(asked), 1000)
    t.match(got.terms, terms)
    t.same(Object.fromEntries(got.accepted), accepted)
  })
}

const ack = (block: number): TransferEvent => ({ type: 'ack', block })
const timeout: TransferEvent = { type: 'timeout' }
const send = (from: number, to: number): Step => ({ do: 'send', from, to })
const nothing: Step = { do: 'nothing' }
const finish: Step = { do: 'finish' }
const oack: Step = { do: 'send-options' }

/** Five blocks of ten octets, the last one with five. */
const runs: {
  name: string
  window?: number
  size?: number
  oack?: boolean
  events: [TransferEvent, Step | object][]
  first: Step
}[] = [
  {
    name: 'one block after the other',
    first: send(1, 1),
    events: [
      [ack(1), send(2, 2)],
      [ack(2), send(3, 3)],
      [ack(3), send(4, 4)],
      [ack(4), send(5, 5)],
      [ack(5), finish],
    ],
  },
  {
    name: 'a file that fills its blocks ends with an empty one',
    size: 20,
    first: send(1, 1),
    events: [
      [ack(1), send(2, 2)],
      [ack(2), send(3, 3)],
      [ack(3), finish],
    ],
  },
  { name: 'an empty file is one empty block', size: 0, first: send(1, 1), events: [[ack(1), finish]] },
  {
    name: 'options first, then data',
    oack: true,
    first: oack,
    events: [
      [ack(0), send(1, 1)],
      [ack(1), send(2, 2)],
    ],
  },
  {
    name: 'lost options are repeated',
    oack: true,
    first: oack,
    events: [
      [timeout, oack],
      [ack(0), send(1, 1)],
    ],
  },
  {
    name: 'a lost block is repeated',
    first: send(1, 1),
    events: [
      [timeout, send(1, 1)],
      [ack(1), send(2, 2)],
      [timeout, send(2, 2)],
    ],
  },
  {
    name: 'a copy of an acknowledgement makes no copy of a block',
    first: send(1, 1),
    events: [
      [ack(1), send(2, 2)],
      [ack(1), nothing],
      [ack(1), nothing],
      [ack(2), send(3, 3)],
    ],
  },
  {
    name: 'an old acknowledgement changes nothing',
    first: send(1, 1),
    events: [
      [ack(1), send(2, 2)],
      [ack(2), send(3, 3)],
      [ack(1), nothing],
      [ack(0), nothing],
    ],
  },
  {
    name: 'an acknowledgement of what was not sent changes nothing',
    first: send(1, 1),
    events: [
      [ack(2), nothing],
      [ack(65535), nothing],
      [ack(1), send(2, 2)],
    ],
  },
  {
    name: 'a window goes out at once',
    window: 3,
    first: send(1, 3),
    events: [
      [ack(3), send(4, 5)],
      [ack(5), finish],
    ],
  },
  {
    name: 'a window goes on after the last block that arrived',
    window: 4,
    first: send(1, 4),
    events: [
      [ack(2), send(3, 5)],
      [ack(5), finish],
    ],
  },
  {
    name: 'a window whose first block was lost is repeated soon, once',
    window: 2,
    first: send(1, 2),
    events: [
      [ack(2), send(3, 4)],
      [ack(2), { do: 'hasten', ms: 50 }],
      [ack(2), nothing],
      [timeout, send(3, 4)],
      [ack(2), nothing],
      [ack(4), send(5, 5)],
    ],
  },
  {
    name: 'a copy that the network made of an acknowledgement repeats no window',
    window: 2,
    size: 75,
    first: send(1, 2),
    events: [
      [ack(2), send(3, 4)],
      [ack(2), { do: 'hasten', ms: 50 }],
      [ack(4), send(5, 6)],
      [ack(4), { do: 'hasten', ms: 50 }],
      [ack(6), send(7, 8)],
      [timeout, send(7, 8)],
    ],
  },
  {
    name: 'a hole is waited for longer when the client answers slowly',
    window: 2,
    first: send(1, 2),
    events: [
      [{ ...ack(2), afterMs: 80 } as TransferEvent, send(3, 4)],
      [ack(2), { do: 'hasten', ms: 160 }],
    ],
  },
  {
    name: 'a window that is repeated for a hole is no try of six',
    window: 2,
    first: send(1, 2),
    events: [
      [ack(2), send(3, 4)],
      [ack(2), { do: 'hasten' }],
      ...Array.from({ length: 6 }, (): [TransferEvent, Step] => [timeout, send(3, 4)]),
      [timeout, { do: 'fail', why: 'timeout' }],
    ],
  },
  {
    name: 'late copies after a hole make no more copies',
    window: 4,
    first: send(1, 4),
    events: [
      [ack(1), send(2, 5)],
      [ack(1), nothing],
      [ack(5), finish],
    ],
  },
  {
    name: 'a lost window is repeated from what was acknowledged',
    window: 2,
    first: send(1, 2),
    events: [
      [ack(2), send(3, 4)],
      [timeout, send(3, 4)],
    ],
  },
  {
    name: 'an error of the client ends it',
    first: send(1, 1),
    events: [
      [
        { type: 'error', code: 3, message: 'disk full' },
        { do: 'fail', why: 'client-error', detail: 'disk full' },
      ],
    ],
  },
  {
    name: 'an error after the options is a question for the size',
    oack: true,
    first: oack,
    events: [[{ type: 'error', code: 0, message: 'User aborted' }, { do: 'probed' }]],
  },
  {
    name: 'a client that goes early has failed',
    first: send(1, 1),
    events: [[{ type: 'gone' }, { do: 'fail', why: 'client-gone' }]],
  },
  {
    name: 'a client that goes after the last block has it',
    size: 5,
    first: send(1, 1),
    events: [[{ type: 'gone' }, finish]],
  },
]
for (const { name, window = 1, size = 45, oack: hasOptions = false, first, events } of runs) {
  t.test(name, async (t) => {
    const begun = begin({ blockSize: 10, windowSize: window, waitMs: 1000 }, size, hasOptions)
    t.same(begun.step, first)
    let { state } = begun
    for (const [event, want] of events) {
      const after = step(state, event)
      t.match(after.step, want, JSON.stringify(event))
      if (after.step.do === 'nothing') t.equal(after.state, state)
      state = after.state
    }
  })
}

t.test('waits grow to eight seconds and give up after the sixth', async (t) => {
  let { state } = begin({ blockSize: 10, windowSize: 1, waitMs: 1000 }, 100, false)
  const waits = [state.waitMs]
  for (;;) {
    const after = step(state, timeout)
    state = after.state
    if (after.step.do === 'fail') {
      t.match(after.step, { why: 'timeout', detail: /block 1/ })
      break
    }
    waits.push(state.waitMs)
  }
  t.same(waits, [1000, 2000, 4000, 8000, 8000, 8000])
  const progressed = step({ ...state, tries: 5, waitMs: 8000 }, ack(1)).state
  t.match(progressed, { tries: 0, waitMs: 1000 })
})

const patience: { name: string; asked: Record<string, string>; answerMs?: number; waits: number[] }[] = [
  { name: 'of a client that never answered', asked: {}, waits: [1000, 2000, 4000, 8000, 8000, 8000] },
  {
    name: 'of a client that answers within 2 ms',
    asked: {},
    answerMs: 2,
    waits: [300, 600, 1200, 2400, 4800, 8000, 8000, 8000],
  },
  {
    name: 'of a client that answers within 150 ms',
    asked: {},
    answerMs: 150,
    waits: [600, 1200, 2400, 4800, 8000, 8000, 8000],
  },
  {
    name: 'of a client that takes two seconds',
    asked: {},
    answerMs: 2000,
    waits: [1000, 2000, 4000, 8000, 8000, 8000],
  },
  {
    name: 'of a client that asks for two seconds, and answers sooner',
    asked: { timeout: '2' },
    answerMs: 2,
    waits: [300, 600, 1200, 2400, 4800, 8000, 8000, 8000],
  },
  {
    name: 'of a client that asks for six seconds, and takes four',
    asked: { timeout: '6' },
    answerMs: 4000,
    waits: [6000, 8000, 8000, 8000, 8000, 8000],
  },
  {
    name: 'of a client that asks for a minute, and answers sooner',
    asked: { timeout: '60' },
    answerMs: 2,
    waits: [300, 600, 1200, 2400, 4800, ...Array.from({ length: 14 }, () => 8000)],
  },
  {
    name: 'of a client that asks for a minute',
    asked: { timeout: '60' },
    waits: [60_000, 60_000],
  },
  { name: 'of a client that asks for the most', asked: { timeout: '255' }, waits: [255_000, 255_000] },
]
for (const { name, asked, answerMs, waits } of patience) {
  t.test(`the waits for an answer ${name}`, async (t) => {
    const { terms } = negotiate(options(asked), 100_000)
    let { state } = begin(terms, 100_000, false)
    if (answerMs !== undefined)
      for (let block = 1; block < 9; block += 1)
        state = step(state, { type: 'ack', block, afterMs: answerMs }).state
    const got = [state.waitMs]
    for (let after = step(state, timeout); after.step.do !== 'fail'; after = step(after.state, timeout))
      got.push(after.state.waitMs)
    t.same(got, waits)
  })
}

t.test('an answer to what was sent twice measures nothing', async (t) => {
  const { terms } = negotiate(options({}), 100_000)
  let { state } = begin(terms, 100_000, false)
  state = step(state, timeout).state
  state = step(state, { type: 'ack', block: 1, afterMs: 1 }).state
  t.match(state, { tripMs: undefined, waitMs: 1000 })
  state = step(state, { type: 'ack', block: 2, afterMs: 1 }).state
  t.match(state, { tripMs: 1, waitMs: 300 })
})

t.test('a client that falls silent after the last block is named so', async (t) => {
  let { state } = begin({ blockSize: 10, windowSize: 1, waitMs: 8000 }, 5, false)
  for (;;) {
    const after = step(state, timeout)
    if (after.step.do === 'fail') return t.equal(after.step.detail, 'no acknowledgement of the last block')
    state = after.state
  }
})

t.test('a wait that the client asked for is not shortened before it has answered', async (t) => {
  const { state } = begin({ blockSize: 10, windowSize: 1, waitMs: 20_000 }, 100, false)
  t.equal(step(state, timeout).state.waitMs, 20_000)
})

for (const windowSize of [1, 64]) {
  t.test(`more than 65535 blocks pass with a window of ${windowSize}`, async (t) => {
    const blocks = 140_000
    let { state, step: next } = begin(
      { blockSize: 512, windowSize, waitMs: 1000 },
      512 * (blocks - 1) + 1,
      true,
    )
    next = step(state, ack(0)).step
    state = step(state, ack(0)).state
    let expected = 1
    while (next.do === 'send') {
      if (next.from !== expected) return t.fail(`block ${next.from} instead of ${expected}`)
      expected = next.to + 1
      const after = step(state, ack(next.to & 0xffff))
      state = after.state
      next = after.step
    }
    t.same(next, finish)
    t.equal(expected, blocks + 1)
  })
}
