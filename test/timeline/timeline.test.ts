import t from 'tap'
import type { Test } from 'tap'
import type { Clock } from '../../src/model/clock.ts'
import { systemClock } from '../../src/model/clock.ts'
import { AppError } from '../../src/model/error.ts'
import { parseMac } from '../../src/model/mac.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { Facts, Stage, TimelineEntry } from '../../src/timeline/stage.ts'
import { createTimeline } from '../../src/timeline/timeline.ts'
import type { Bounds } from '../../src/timeline/lines.ts'

const mac = (number: number) => parseMac(`02:00:00:00:00:${number.toString(16).padStart(2, '0')}`)!

/** Time that moves one millisecond with every look; a second passes when the test says so. */
function steppedClock() {
  let now = 1000
  const sleepers = new Set<() => void>()
  const clock: Clock = {
    now: () => now++,
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        signal?.addEventListener('abort', () => resolve(), { once: true })
        sleepers.add(resolve)
      }),
  }
  const pass = () => {
    for (const wake of sleepers) wake()
    sleepers.clear()
  }
  return { clock, pass, sleepers, skip: (ms: number) => void (now += ms) }
}

async function setUp(t: Test, bounds?: Bounds) {
  const sqlite = await openSqlite(':memory:', { clock: systemClock })
  t.teardown(() => sqlite.close())
  const warnings: unknown[] = []
  const log = {
    warn: (fields: unknown) => void warnings.push(fields),
    info: () => {},
    debug: () => {},
    isLevelEnabled: () => true,
  } as never
  const time = steppedClock()
  const make = () =>
    createTimeline({ side: sqlite.side, clock: time.clock, log, ...(bounds ? { bounds } : {}) })
  const loaded = async () => {
    const timeline = make()
    await timeline.load()
    return timeline
  }
  return { side: sqlite.side, sqlite, warnings, time, make, loaded }
}

t.test('stages of a machine are kept in order, repetitions counted', async (t) => {
  const { loaded } = await setUp(t)
  const timeline = await loaded()
  timeline.record(mac(1), 'dhcp-discover', { arch: 7 })
  timeline.record(mac(1), 'dhcp-discover', { arch: 7 })
  timeline.record(mac(1), 'dhcp-discover', { arch: 0 })
  timeline.record(mac(2), 'kernel')
  timeline.record(mac(1), 'agent-hello')
  timeline.record(mac(1), 'dhcp-discover', { arch: 7 })
  t.strictSame(timeline.entries(mac(1)), [
    { at: 1000, lastAt: 1001, count: 2, stage: 'dhcp-discover', facts: { arch: 7 } },
    { at: 1002, lastAt: 1002, count: 1, stage: 'dhcp-discover', facts: { arch: 0 } },
    { at: 1004, lastAt: 1004, count: 1, stage: 'agent-hello', facts: {} },
    { at: 1005, lastAt: 1005, count: 1, stage: 'dhcp-discover', facts: { arch: 7 } },
  ])
  t.same(timeline.macs(), [mac(2), mac(1)])
  t.same(timeline.entries(mac(3)), [])
})

type Seen = [stage: Stage, facts?: Facts]
const address: Seen[] = [['dhcp-discover'], ['dhcp-offer'], ['dhcp-request'], ['dhcp-ack']]
const loops: { name: string; round: (turn: number) => Seen[]; everyMs?: number; counts: number[] }[] = [
  { name: 'asks and is never served', round: () => address.slice(0, 2), counts: [9, 9] },
  {
    name: 'reads its program and starts anew',
    round: (turn) => [...address, ['tftp-read', { file: 'ipxe.efi', ms: 100 + turn }]],
    counts: [9, 9, 9, 9, 9],
  },
  { name: 'waits a minute between two tries', round: () => address, everyMs: 64_000, counts: [9, 9, 9, 9] },
  {
    name: 'is powered on every quarter of an hour',
    round: () => address.slice(0, 1),
    everyMs: 900_000,
    counts: [9],
  },
  {
    name: 'gets as far as its agent, each time',
    round: () => [...address.slice(0, 2), ['agent-hello']],
    counts: Array(27).fill(1),
  },
  {
    name: 'runs the same action again',
    round: () => [
      ['action-started', { action: 'a' }],
      ['action-ended', { action: 'a', ms: 5 }],
    ],
    counts: Array(18).fill(1),
  },
  {
    name: 'asks now and then, with an address in between',
    round: () => address,
    everyMs: 900_000,
    counts: Array(36).fill(1),
  },
  {
    name: 'has more to say in each round than is looked back upon',
    round: () => Array.from({ length: 17 }, (_, index): Seen => ['tftp-failed', { file: `f${index}` }]),
    counts: Array(9 * 17).fill(1),
  },
]
for (const { name, round, everyMs = 1000, counts } of loops) {
  t.test(`nine rounds of a machine that ${name}`, async (t) => {
    const { loaded, time } = await setUp(t)
    const timeline = await loaded()
    for (let turn = 0; turn < 9; turn += 1) {
      for (const [stage, facts] of round(turn)) timeline.record(mac(1), stage, facts)
      time.skip(everyMs)
    }
    const entries = timeline.entries(mac(1))
    t.same(
      entries.map(({ count }) => count),
      counts,
    )
    const { at, lastAt } = entries[0]!
    if (counts[0] === 9) t.ok(lastAt - at >= 8 * everyMs, 'the first and the last time are known')
    await timeline.flush()
    t.strictSame((await loaded()).entries(mac(1)), entries)
  })
}

t.test('machines that nobody answers make room before those that boot', async (t) => {
  const { loaded } = await setUp(t, { entries: 5, machines: 4, total: 100 })
  const timeline = await loaded()
  for (const number of [1, 2]) for (const [stage] of address) timeline.record(mac(number), stage)
  for (let number = 10; number < 30; number += 1) {
    timeline.record(mac(number), 'dhcp-discover')
    timeline.record(mac(number), 'dhcp-silent', { why: 'unknown-machine' })
  }
  t.same(timeline.macs(), [mac(1), mac(2), mac(28), mac(29)])
  await timeline.flush()
  const again = await loaded()
  again.record(mac(30), 'dhcp-discover')
  t.same(again.macs(), [mac(1), mac(2), mac(29), mac(30)], 'after a restart too')
  again.record(mac(29), 'dhcp-offer')
  again.record(mac(31), 'dhcp-discover')
  again.record(mac(32), 'dhcp-discover')
  t.same(again.macs(), [mac(1), mac(2), mac(29), mac(32)], 'one that was answered stays')
})

const factCases: { name: string; facts: unknown; want: Facts }[] = [
  { name: 'long text is cut', facts: { a: 'x'.repeat(10_000) }, want: { a: 'x'.repeat(200) } },
  { name: 'a pair is not torn apart', facts: { a: `${'x'.repeat(199)}🐢` }, want: { a: 'x'.repeat(199) } },
  {
    name: 'control characters go',
    facts: { a: 'a\u001b[31m\n\u0000b\u202ec\u0085' },
    want: { a: 'a[31mbc' },
  },
  { name: 'names too', facts: { 'a\nb': true }, want: { ab: true } },
  {
    name: 'what is no fact goes',
    facts: { a: Number.NaN, b: {}, c: null, d: undefined, e: 0 },
    want: { e: 0 },
  },
]

t.test('facts from the network are made harmless', async (t) => {
  const { loaded } = await setUp(t)
  const timeline = await loaded()
  for (const { name, facts, want } of factCases) {
    timeline.record(mac(1), 'tftp-read', facts as Facts)
    t.strictSame(timeline.entries(mac(1)).at(-1)?.facts, want, name)
  }
  timeline.record(mac(1), 'tftp-read', Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`f${i}`, i])))
  t.equal(Object.keys(timeline.entries(mac(1)).at(-1)!.facts).length, 32)
})

t.test('nothing that is recorded throws', async (t) => {
  const { loaded, warnings } = await setUp(t)
  const timeline = await loaded()
  const hostile = new Proxy(
    {},
    {
      ownKeys: () => {
        throw new Error('no')
      },
    },
  )
  t.doesNotThrow(() => timeline.record(mac(1), 'kernel', hostile))
  t.match(warnings, [{ why: 'no' }])
})

t.test('listeners hear of their machine, or of all, until they stop', async (t) => {
  const { loaded, warnings } = await setUp(t)
  const timeline = await loaded()
  const heard: string[] = []
  timeline.subscribe(undefined, () => {
    throw new Error('listener broke')
  })
  const stop = timeline.subscribe(mac(1), (who, { stage, count }) =>
    heard.push(`one ${who} ${stage} ${count}`),
  )
  timeline.subscribe(undefined, (who, { stage }) => heard.push(`all ${who} ${stage}`))
  timeline.record(mac(1), 'kernel')
  timeline.record(mac(1), 'kernel')
  timeline.record(mac(2), 'initramfs')
  stop()
  timeline.record(mac(1), 'metadata')
  t.same(heard, [
    `one ${mac(1)} kernel 1`,
    `all ${mac(1)} kernel`,
    `one ${mac(1)} kernel 2`,
    `all ${mac(1)} kernel`,
    `all ${mac(2)} initramfs`,
    `all ${mac(1)} metadata`,
  ])
  t.equal(warnings.length, 4)
})

t.test('what was recorded is there after a restart, and goes on', async (t) => {
  const { loaded, side } = await setUp(t)
  const first = await loaded()
  first.record(mac(1), 'dhcp-discover', { arch: 7 })
  first.record(mac(2), 'kernel')
  first.record(mac(1), 'dhcp-offer', { ip: '10.0.0.1' })
  await first.flush()
  first.record(mac(1), 'dhcp-offer', { ip: '10.0.0.1' })
  await first.flush()
  const second = await loaded()
  t.strictSame(second.entries(mac(1)), first.entries(mac(1)))
  t.same(second.macs(), [mac(2), mac(1)])
  second.record(mac(1), 'dhcp-offer', { ip: '10.0.0.1' })
  second.record(mac(1), 'dhcp-ack')
  await second.flush()
  const third = await loaded()
  t.match(third.entries(mac(1)), [{ count: 1 }, { stage: 'dhcp-offer', count: 3 }, { stage: 'dhcp-ack' }])
  t.equal((await side.list('timeline', mac(1))).length, 3)
})

t.test('a storm is written once a second', async (t) => {
  const { loaded, time, side } = await setUp(t)
  const timeline = await loaded()
  for (let i = 0; i < 1000; i++) timeline.record(mac(i % 200), i % 3 === 0 ? 'dhcp-discover' : 'dhcp-request')
  t.equal(time.sleepers.size, 1)
  t.same(await side.list('timeline', ''), [])
  time.pass()
  await new Promise(setImmediate)
  await timeline.flush()
  t.ok((await side.list('timeline', '')).length >= 200)
  timeline.record(mac(1), 'kernel')
  t.equal(time.sleepers.size, 1, 'the next one starts another second')
  await timeline.flush()
})

t.test('that a stage came again is written once a minute', async (t) => {
  const { loaded, time, side } = await setUp(t)
  const timeline = await loaded()
  timeline.record(mac(1), 'dhcp-discover')
  await timeline.flush()
  timeline.record(mac(1), 'dhcp-discover')
  const counts: number[] = []
  for (let second = 0; second < 60; second++) {
    time.pass()
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    const [row] = await side.list('timeline', mac(1))
    counts.push((row!.value as TimelineEntry).count)
  }
  t.equal(counts[0], 1)
  t.equal(counts.at(-1), 2)
})

t.test('entries that were handed out stay what they were', async (t) => {
  const { loaded } = await setUp(t)
  const timeline = await loaded()
  const heard: TimelineEntry[] = []
  timeline.subscribe(mac(1), (_mac, entry) => void heard.push(entry))
  const facts = Object.freeze({ ip: '10.0.0.1\n' })
  timeline.record(mac(1), 'dhcp-offer', facts)
  const [before] = timeline.entries(mac(1))
  timeline.record(mac(1), 'dhcp-offer', facts)
  t.match(before, { count: 1, facts: { ip: '10.0.0.1' } })
  t.same(
    heard.map(({ count }) => count),
    [1, 2],
  )
  t.ok([before, ...heard].every(Object.isFrozen))
})

t.test('the bounds hold in memory and on disk', async (t) => {
  const { loaded, side } = await setUp(t, { entries: 5, machines: 3, total: 100 })
  const timeline = await loaded()
  for (let i = 0; i < 12; i++) {
    timeline.record(mac(1), 'tftp-read', { i })
    if (i % 4 === 0) await timeline.flush()
  }
  t.same(
    timeline.entries(mac(1)).map(({ facts }) => facts['i']),
    [7, 8, 9, 10, 11],
  )
  await timeline.flush()
  t.equal((await side.list('timeline', '')).length, 5)
  for (const number of [2, 3, 1, 4]) timeline.record(mac(number), 'kernel')
  t.same(timeline.macs(), [mac(3), mac(1), mac(4)])
  timeline.record(mac(2), 'initramfs')
  await timeline.flush()
  const again = await loaded()
  t.same(again.macs(), [mac(1), mac(4), mac(2)])
  t.same(again.entries(mac(1)), timeline.entries(mac(1)))
  t.match(again.entries(mac(2)), [{ stage: 'initramfs' }])
  t.equal(again.entries(mac(2)).length, 1)
})

t.test('all machines together are bounded too', async (t) => {
  const { loaded } = await setUp(t, { entries: 5, machines: 100, total: 12 })
  const timeline = await loaded()
  for (const number of [1, 2, 3, 4])
    for (let i = 0; i < 5; i++) timeline.record(mac(number), 'tftp-read', { i })
  t.same(timeline.macs(), [mac(3), mac(4)])
})

t.test('what is recorded before the load comes after what was loaded', async (t) => {
  const { loaded, make, side } = await setUp(t)
  const first = await loaded()
  first.record(mac(1), 'kernel')
  first.record(mac(2), 'kernel')
  await first.flush()
  const second = make()
  second.record(mac(1), 'initramfs')
  second.record(mac(3), 'initramfs')
  await second.flush()
  t.equal((await side.list('timeline', '')).length, 2, 'nothing is written before the load')
  await second.load()
  t.match(second.entries(mac(1)), [{ stage: 'kernel' }, { stage: 'initramfs' }])
  t.same(second.macs(), [mac(2), mac(1), mac(3)])
  await second.flush()
  const third = await loaded()
  t.match(third.entries(mac(1)), [{ stage: 'kernel' }, { stage: 'initramfs' }])
  t.match(third.entries(mac(3)), [{ stage: 'initramfs' }])
})

t.test('rows that are no entries are passed over', async (t) => {
  const { loaded, side } = await setUp(t)
  await side.put('timeline', `${mac(1)}/0000000001`, {
    stage: 'unheard-of',
    at: 1,
    lastAt: 1,
    count: 1,
    facts: {},
  })
  await side.put('timeline', `${mac(1)}/0000000002`, null)
  await side.put('timeline', '02:no mac/1', { stage: 'kernel', at: 1, lastAt: 1, count: 1, facts: {} })
  await side.put('timeline', `${mac(2)}/0000000007`, {
    stage: 'kernel',
    at: 1,
    lastAt: 1,
    count: 1,
    facts: {},
  })
  const timeline = await loaded()
  t.same(timeline.macs(), [mac(2)])
  timeline.record(mac(2), 'initramfs')
  await timeline.flush()
  t.same(
    (await side.list('timeline', mac(2))).map(({ key }) => key),
    [`${mac(2)}/0000000007`, `${mac(2)}/0000000008`],
  )
})

t.test('a store that fails loses nothing that it takes later', async (t) => {
  const { side, time } = await setUp(t)
  let broken = false
  const refusing = {
    ...side,
    put: (...args: Parameters<typeof side.put>) =>
      broken ? Promise.reject(new AppError('Unavailable', 'disk full')) : side.put(...args),
  }
  const warnings: unknown[] = []
  const log = {
    warn: (fields: unknown) => void warnings.push(fields),
    info: () => {},
    debug: () => {},
    isLevelEnabled: () => true,
  } as never
  const timeline = createTimeline({ side: refusing, clock: time.clock, log })
  await timeline.load()
  timeline.record(mac(1), 'kernel')
  broken = true
  await timeline.flush()
  t.match(warnings, [{ why: 'disk full' }])
  broken = false
  timeline.record(mac(1), 'initramfs')
  await timeline.flush()
  t.equal((await side.list('timeline', mac(1))).length, 2)
})
