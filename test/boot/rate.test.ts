import t from 'tap'
import { createPlaces } from '../../src/boot/places.ts'
import { createRate } from '../../src/boot/rate.ts'
import type { Lane, Rate } from '../../src/boot/rate.ts'
import { fakeClock } from '../workflow/clock.ts'

const kib = 1024

/** Takes as fast as it is given, `portion` at a time. @returns how much it has been given, and its end */
function reader(rate: Rate, machine: string, portion = 256 * kib) {
  const lane: Lane = rate.lane(machine)
  const had = { bytes: 0, ended: false, leave: lane.leave }
  const read = async (): Promise<void> => {
    const bytes = await lane.take(portion)
    had.bytes += bytes
    if (bytes > 0) return read()
    had.ended = true
  }
  void read()
  return had
}

const near = (value: number, wanted: number) => value > wanted * 0.9 && value < wanted * 1.1

t.test('a rate is kept, and shared out among machines whatever each of them asks for', async (t) => {
  const clock = fakeClock(1_000_000)
  const rate = createRate({ total: 1000 * kib, ofMachine: 0, clock })
  const [one, two] = [reader(rate, 'a'), reader(rate, 'b', 5 * kib)]
  const more = [reader(rate, 'a'), reader(rate, 'a')]
  await clock.advance(10_000)
  const ofA = [one, ...more].reduce((sum, { bytes }) => sum + bytes, 0)
  t.ok(near(ofA + two.bytes, 10_000 * kib), `${ofA + two.bytes}`)
  t.ok(near(ofA, 5000 * kib), `${ofA}`)
  t.ok(near(two.bytes, 5000 * kib), `${two.bytes}`)
})

t.test('a machine that comes later gets its share from then on, and nothing for before', async (t) => {
  const clock = fakeClock(1_000_000)
  const rate = createRate({ total: 1000 * kib, ofMachine: 0, clock })
  const first = reader(rate, 'a')
  await clock.advance(10_000)
  const before = first.bytes
  const second = reader(rate, 'b')
  await clock.advance(4000)
  t.ok(near(before, 10_000 * kib))
  t.ok(near(first.bytes - before, 2000 * kib), `${first.bytes - before}`)
  t.ok(near(second.bytes, 2000 * kib), `${second.bytes}`)
})

t.test('what a machine that leaves would have had goes to the others; what it waits for is 0', async (t) => {
  const clock = fakeClock(1_000_000)
  const rate = createRate({ total: 1000 * kib, ofMachine: 0, clock })
  const [one, two] = [reader(rate, 'a'), reader(rate, 'b')]
  await clock.advance(1000)
  two.leave()
  two.leave()
  const [before, ofTwo] = [one.bytes, two.bytes]
  await clock.advance(2000)
  t.ok(two.ended)
  t.equal(two.bytes, ofTwo)
  t.ok(near(one.bytes - before, 2000 * kib), `${one.bytes - before}`)
})

t.test('a machine has a bound of its own, which coming again does not lift', async (t) => {
  const clock = fakeClock(1_000_000)
  const rate = createRate({ total: 0, ofMachine: 100 * kib, clock })
  let bytes = 0
  for (let second = 0; second < 10; second += 1) {
    const one = reader(rate, 'a')
    await clock.advance(1000)
    one.leave()
    bytes += one.bytes
  }
  t.ok(bytes > 900 * kib && bytes < 1100 * kib, `${bytes}`)
})

t.test('what was taken and not sent may be taken again', async (t) => {
  const clock = fakeClock(1_000_000)
  const rate = createRate({ total: 1000 * kib, ofMachine: 0, clock })
  const lane = rate.lane('a')
  for (let time = 0; time < 1000; time += 1) {
    const bytes = await lane.take(64 * kib)
    lane.giveBack(bytes)
  }
  t.pass('without the clock moving')
})

t.test('a clock that is set back does not stop it', async (t) => {
  let back = 0
  const clock = fakeClock(1_000_000)
  const rate = createRate({
    total: 1000 * kib,
    ofMachine: 0,
    clock: { ...clock, now: () => clock.now() - back },
  })
  const one = reader(rate, 'a')
  await clock.advance(1000)
  back = 500_000
  const before = one.bytes
  await clock.advance(1000)
  t.ok(near(one.bytes - before, 1000 * kib), `${one.bytes - before}`)
})

t.test('a place goes to the machine that has fewest, then to the one that came first', async (t) => {
  const places = createPlaces({ places: 2, ofMachine: 64 })
  const order: string[] = []
  const enter = (name: string) => places.enter(name.slice(0, 1), () => order.push(name))
  const [a1, a2] = [enter('a1'), enter('a2')]
  const [a3, b1] = [enter('a3'), enter('b1')]
  const c1 = enter('c1')
  t.same(order, ['a1', 'a2'])
  t.same([a3.ahead, b1.ahead, c1.ahead], [0, 1, 2])
  t.same(places.figures(), { sending: 2, waiting: 3 })
  a1.leave()
  a1.leave()
  t.same(order.slice(2), ['b1'])
  b1.leave()
  t.same(order.slice(3), ['c1'])
  c1.leave()
  a2.leave()
  a3.leave()
  t.same(order.slice(4), ['a3'])
  t.same(places.figures(), { sending: 0, waiting: 0 })
})

t.test('a machine never has more places than its bound; who waits may go away', async (t) => {
  const places = createPlaces({ places: 10, ofMachine: 2 })
  const all = ['1', '2', '3', '4'].map(() => places.enter('a', () => {}))
  t.same(places.figures(), { sending: 2, waiting: 2 })
  all[2]!.leave()
  t.same(places.figures(), { sending: 2, waiting: 1 })
  all[0]!.leave()
  t.same(
    all.map((place) => place.isTaken()),
    [true, true, false, true],
  )
})
