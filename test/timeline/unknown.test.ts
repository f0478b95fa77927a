import t from 'tap'
import { macFromBytes } from '../../src/model/mac.ts'
import type { Mac } from '../../src/model/mac.ts'
import { likeness } from '../../src/timeline/doctor/nearest.ts'
import type { Likeness } from '../../src/timeline/doctor/nearest.ts'
import type { TimelineEntry } from '../../src/timeline/stage.ts'
import { unknownMachines } from '../../src/timeline/unknown.ts'

const macOf = (number: number): Mac => macFromBytes(Uint8Array.of(2, 0, 0, 0, number >> 8, number & 255))!
const entry = (at: number, facts: TimelineEntry['facts'], stage = 'dhcp-discover', count = 1) =>
  ({ at, lastAt: at + count - 1, count, stage, facts }) as TimelineEntry

t.test('what a machine said last counts, and how often it asked', async (t) => {
  const entries = [
    entry(10, { client: 'firmware', arch: '7', uuid: 'u', serial: 's' }, 'dhcp-discover', 4),
    entry(11, { why: 'unknown-machine' }, 'dhcp-silent', 4),
    entry(30, { client: 'ipxe', arch: '7', vendor: 'v' }, 'dhcp-request'),
  ]
  const timeline = { macs: () => [macOf(1)], entries: () => entries }
  const lookup = { machineByMac: () => undefined }
  t.same(unknownMachines({ timeline, lookup }), [
    {
      mac: macOf(1),
      firstSeen: 10,
      lastSeen: 30,
      count: 5,
      client: 'ipxe',
      arch: '7',
      uuid: 'u',
      serial: 's',
      vendor: 'v',
    },
  ])
})

t.test('the newest are listed, so many and no more, without those that are known', async (t) => {
  const macs = Array.from({ length: 3000 }, (_, number) => macOf(number))
  const timeline = { macs: () => macs, entries: (mac: Mac) => [entry(macs.indexOf(mac), {})] }
  const lookup = { machineByMac: (mac: Mac) => mac === macOf(2999) || undefined }
  const found = unknownMachines({ timeline, lookup })
  t.equal(found.length, 1000)
  t.equal(found[0]?.mac, macOf(2998))
  t.same(
    unknownMachines({
      timeline: { macs: () => [macOf(1)], entries: () => [entry(1, {}, 'syslog')] },
      lookup,
    }),
    [],
  )
})

const pairs: { a: string; b: string; want: Likeness | undefined }[] = [
  { a: '52:54:00:00:00:01', b: '52:54:00:00:00:01', want: undefined },
  { a: '52:54:00:00:00:01', b: '52:54:00:00:00:02', want: 'next-to' },
  { a: '52:54:00:00:00:ff', b: '52:54:00:00:01:00', want: 'next-to' },
  { a: '52:54:00:00:00:01', b: '52:54:00:00:00:a1', want: 'one-digit' },
  { a: '52:54:00:00:00:01', b: '52:54:00:00:10:00', want: undefined },
  { a: '52:54:00:12:34:56', b: '52:54:00:12:43:56', want: 'swapped' },
  { a: '52:54:00:12:34:56', b: '52:54:00:34:12:56', want: 'swapped' },
  { a: '52:54:00:12:34:56', b: 'ac:de:48:00:11:22', want: undefined },
]
for (const { a, b, want } of pairs)
  t.test(`${a} and ${b}: ${want ?? 'not alike'}`, async (t) => {
    t.equal(likeness(a as Mac, b as Mac), want)
    t.equal(likeness(b as Mac, a as Mac), want)
  })
