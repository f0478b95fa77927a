import t from 'tap'
import { pino } from 'pino'
import { neighbourIn, hostFinder } from '../../src/dhcp/conflict.ts'
import type { FindHost } from '../../src/dhcp/conflict.ts'
import { createLeaseKeeper } from '../../src/dhcp/lease-keeper.ts'
import type { LeaseKeeper } from '../../src/dhcp/lease-keeper.ts'
import type { LeaseChange } from '../../src/dhcp/leases.ts'
import type { Reply } from '../../src/dhcp/reply.ts'
import { systemClock } from '../../src/model/clock.ts'
import { parseMac } from '../../src/model/mac.ts'
import type { Mac } from '../../src/model/mac.ts'
import type { SideStore } from '../../src/store/side.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { ip4 } from './packets.ts'

const range = { first: ip4('10.0.0.9'), last: ip4('10.0.0.11') }
const mac = parseMac('02:00:00:00:00:0a')!
const other = parseMac('02:00:00:00:00:0b')!
const startedAt = Date.UTC(2030, 0, 1)

type Setup = { side: SideStore; now?: number; findHost?: FindHost; range?: typeof range }
const log = pino({ level: 'silent' })

async function keeperOf({
  side,
  now = startedAt,
  findHost,
  range: own = range,
}: Setup): Promise<LeaseKeeper> {
  const clock = { now: () => now, sleep: systemClock.sleep }
  const keeper = createLeaseKeeper({ side, clock, log, range: own, leaseSeconds: 600, findHost })
  await keeper.load()
  return keeper
}

/** What is answered in the end to a reply that wants this done. */
function answerTo(keeper: LeaseKeeper, change: LeaseChange, by: Mac = mac): Promise<Reply> {
  const replyOf = (wanted: LeaseChange) => ({ kind: 'silent', why: 'released', change: wanted }) as Reply
  const again = () => {
    const ip = keeper.leases.choose({ mac: by, wanted: undefined, now: startedAt, isReserved: () => false })
    return ip
      ? replyOf({ kind: 'offer', ip, isNew: true })
      : ({ kind: 'silent', why: 'pool-exhausted' } as Reply)
  }
  return new Promise((resolve) => keeper.carryOut(by, replyOf(change), again, resolve))
}

const ip = (last: number) => ip4(`10.0.0.${last}`)
const offer = (last: number, isNew = true): LeaseChange => ({ kind: 'offer', ip: ip(last), isNew })
const bind = (last: number, isNew = true, hostname?: string): LeaseChange => ({
  kind: 'bind',
  ip: ip(last),
  isNew,
  hostname,
})
const memory = () => openSqlite(':memory:', { clock: systemClock })

t.test('a new lease is on disk before its client hears of it, and is there after a crash', async (t) => {
  await using opened = await memory()
  const { side } = opened
  const keeper = await keeperOf({ side })
  await answerTo(keeper, offer(9))
  t.same(await side.list('lease', ''), [], 'an offer is in memory only')
  await answerTo(keeper, bind(9, true, 'node'))
  t.match(await side.list('lease', ''), [
    { key: '010.000.000.009', value: { ip: '10.0.0.9', mac, state: 'bound', hostname: 'node' } },
  ])
  const next = await keeperOf({ side, now: startedAt + 1000 })
  t.same(next.list(), [
    {
      ip: '10.0.0.9',
      mac,
      hostname: 'node',
      state: 'bound',
      until: '2030-01-01T00:10:00.000Z',
      since: '2030-01-01T00:00:00.000Z',
    },
  ])
})

t.test('a lease that ran out is shown so, and one that is given back', async (t) => {
  await using opened = await memory()
  const { side } = opened
  const keeper = await keeperOf({ side })
  await answerTo(keeper, bind(9))
  await answerTo(keeper, bind(10), other)
  await answerTo(keeper, { kind: 'release', ip: ip(10) }, other)
  await keeper.flush()
  const later = await keeperOf({ side, now: startedAt + 600_000 })
  t.match(later.list(), [
    { ip: '10.0.0.9', state: 'expired' },
    { ip: '10.0.0.10', state: 'released' },
  ])
})

t.test('a renewal keeps when the lease began', async (t) => {
  await using opened = await memory()
  const { side } = opened
  await answerTo(await keeperOf({ side }), bind(9))
  const keeper = await keeperOf({ side, now: startedAt + 300_000 })
  await answerTo(keeper, bind(9, false))
  t.match(keeper.list(), [{ since: '2030-01-01T00:00:00.000Z', until: '2030-01-01T00:15:00.000Z' }])
})

t.test('an address where somebody is is not offered, but the next one', async (t) => {
  await using opened = await memory()
  const asked: string[] = []
  const findHost: FindHost = async (address) => {
    asked.push(address)
    return address === '10.0.0.9' ? other : undefined
  }
  const keeper = await keeperOf({ side: opened.side, findHost })
  const reply = await answerTo(keeper, offer(9))
  t.match(reply, { change: { ip: '10.0.0.10' } })
  t.same(asked, ['10.0.0.9', '10.0.0.10'])
  t.match(keeper.list(), [
    { ip: '10.0.0.9', state: 'in-use' },
    { ip: '10.0.0.10', state: 'offered' },
  ])
})

t.test('the client itself may be at its address', async (t) => {
  await using opened = await memory()
  const keeper = await keeperOf({ side: opened.side, findHost: async () => mac })
  t.match(await answerTo(keeper, offer(9)), { change: { ip: '10.0.0.9' } })
})

t.test('when somebody is everywhere, nothing is offered', async (t) => {
  await using opened = await memory()
  const keeper = await keeperOf({ side: opened.side, findHost: async () => other })
  t.match(await answerTo(keeper, offer(9)), { kind: 'silent', why: 'pool-exhausted' })
})

t.test('an address is held for its client while it is looked for', async (t) => {
  await using opened = await memory()
  let found = (_host: Mac | undefined) => {}
  const findHost: FindHost = () => new Promise((resolve) => (found = resolve))
  const keeper = await keeperOf({ side: opened.side, findHost })
  const answered = answerTo(keeper, offer(9))
  t.match(keeper.list(), [{ ip: '10.0.0.9', state: 'probing' }])
  t.notOk(keeper.leases.isFree(ip(9), other, startedAt))
  found(undefined)
  await answered
  t.match(keeper.list(), [{ ip: '10.0.0.9', state: 'offered' }])
})

t.test('a declined address is nobody’s for a while, also after a restart', async (t) => {
  await using opened = await memory()
  const { side } = opened
  const keeper = await keeperOf({ side })
  await answerTo(keeper, bind(9))
  await answerTo(keeper, { kind: 'decline', ip: ip(9) })
  await keeper.flush()
  const next = await keeperOf({ side })
  t.notOk(next.leases.isFree(ip(9), mac, startedAt))
  t.ok(next.leases.isFree(ip(9), other, startedAt + 900_000))
})

t.test('leases of another pool, and what is none, leave the disk', async (t) => {
  await using opened = await memory()
  const { side } = opened
  await answerTo(await keeperOf({ side }), bind(9))
  await side.put('lease', 'junk', { ip: 7 })
  const moved = await keeperOf({ side, range: { first: ip(10), last: ip(11) } })
  t.same(moved.list(), [])
  t.same(await side.list('lease', ''), [])
})

t.test('a disk that fails delays nobody, and is tried again', async (t) => {
  await using opened = await memory()
  let isBroken = true
  const put: SideStore['put'] = async (...entry) => {
    if (isBroken) throw new Error('disk full')
    await opened.side.put(...entry)
  }
  const keeper = await keeperOf({ side: { ...opened.side, put } })
  t.match(await answerTo(keeper, bind(9)), { change: { kind: 'bind' } })
  isBroken = false
  await keeper.flush()
  t.equal((await opened.side.list('lease', '')).length, 1)
})

const arp = `IP address       HW type     Flags       HW address            Mask     Device
10.0.0.9         0x1         0x2         02:00:00:00:00:0b     *        br0
10.0.0.10        0x1         0x0         00:00:00:00:00:00     *        br0
`
t.test('the neighbour table says who is at an address', async (t) => {
  t.equal(neighbourIn(arp, ip(9)), other)
  t.equal(neighbourIn(arp, ip(10)), undefined, 'asked for, and not answered')
  t.equal(neighbourIn(arp, ip(11)), undefined)
  const find = hostFinder(systemClock, async () => arp)
  t.equal(await find(ip4('127.0.0.9')), undefined)
  const here = hostFinder(systemClock, async () => arp.replace('10.0.0.9 ', '127.0.0.9 '))
  t.equal(await here(ip4('127.0.0.9')), other)
})
