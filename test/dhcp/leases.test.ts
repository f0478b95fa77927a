import t from 'tap'
import { createLeases } from '../../src/dhcp/leases.ts'
import type { Lease, LeaseState } from '../../src/dhcp/leases.ts'
import { parseRange } from '../../src/dhcp/range.ts'
import { parseMac } from '../../src/model/mac.ts'
import { ip4 } from './packets.ts'

const range = { first: ip4('10.0.0.9'), last: ip4('10.0.0.11') }
const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((last) => parseMac(`02:00:00:00:00:0${last}`)!)
const nothing = () => false
const lease = (last: number, mac = a!, until = 100, state: LeaseState = 'bound'): Lease => ({
  ip: ip4(`10.0.0.${last}`),
  mac,
  state,
  until,
  since: 0,
})
const choose = (leases: ReturnType<typeof createLeases>, mac = a!, now = 50, wanted?: string) =>
  leases.choose({ mac, now, wanted: wanted === undefined ? undefined : ip4(wanted), isReserved: nothing })

t.test('addresses that nobody had come first, each for one client', async (t) => {
  const leases = createLeases(range)
  for (const [index, mac] of [a, b, c].entries()) {
    const ip = choose(leases, mac)
    t.equal(ip, `10.0.0.${9 + index}`)
    leases.put(lease(9 + index, mac))
  }
  t.equal(choose(leases, d), undefined, 'all have theirs')
})

t.test('a client gets the address it had, also after others came and it ran out', async (t) => {
  const leases = createLeases(range)
  leases.put(lease(10, a))
  leases.put(lease(9, b))
  t.equal(choose(leases, a, 500), '10.0.0.10')
  t.equal(choose(leases, a, 500, '10.0.0.11'), '10.0.0.10', 'whatever it asks for')
})

t.test('a client that had none gets the one it asks for, if that is free', async (t) => {
  const leases = createLeases(range)
  t.equal(choose(leases, a, 0, '10.0.0.11'), '10.0.0.11')
  t.equal(choose(leases, a, 0, '10.0.0.12'), '10.0.0.9', 'of the pool only')
  leases.put(lease(11, b))
  t.equal(choose(leases, a, 0, '10.0.0.11'), '10.0.0.9')
})

t.test('when all were used, the one that ran out first is given', async (t) => {
  const leases = createLeases(range)
  leases.put(lease(9, a, 100))
  leases.put(lease(10, b, 90))
  leases.put(lease(11, c, 100))
  t.equal(choose(leases, d, 95), '10.0.0.10')
  t.equal(choose(leases, d, 50), undefined)
  t.equal(choose(leases, d, 1500), '10.0.0.9')
})

t.test('an address that is given back is free at once, also right after a search in vain', async (t) => {
  const leases = createLeases(range)
  for (const [index, mac] of [a, b, c].entries()) leases.put(lease(9 + index, mac))
  t.equal(choose(leases, d, 50), undefined)
  leases.put({ ...lease(10, b, 50), state: 'released' })
  t.equal(choose(leases, d, 50), '10.0.0.10')
})

t.test('an address that was declined is nobody’s until that is over', async (t) => {
  const leases = createLeases(range)
  leases.put(lease(9, a, 100, 'declined'))
  t.notOk(leases.isFree(ip4('10.0.0.9'), a!, 50))
  t.equal(choose(leases, a, 50), '10.0.0.10')
  t.ok(leases.isFree(ip4('10.0.0.9'), b!, 100))
})

t.test('reserved addresses are passed over', async (t) => {
  const leases = createLeases(range)
  const isReserved = (ip: string) => ip !== '10.0.0.11'
  t.equal(leases.choose({ mac: a!, now: 0, wanted: ip4('10.0.0.9'), isReserved }), '10.0.0.11')
})

t.test('a client has one address: the one before is free when it takes another', async (t) => {
  const leases = createLeases(range)
  leases.put(lease(9, a))
  t.match(leases.put(lease(10, a)), { ip: '10.0.0.9', state: 'released' })
  t.equal(leases.of(a!)?.ip, '10.0.0.10')
  t.ok(leases.isFree(ip4('10.0.0.9'), b!, 50))
  t.equal(leases.put(lease(10, a)), undefined)
})

t.test('a client whose address went to another is not known by it', async (t) => {
  const leases = createLeases(range)
  leases.put(lease(9, a, 10))
  leases.put(lease(9, b))
  t.equal(leases.of(a!), undefined)
  t.equal(leases.of(b!)?.ip, '10.0.0.9')
  leases.remove(ip4('10.0.0.9'))
  t.equal(leases.of(b!), undefined)
  leases.remove(ip4('10.0.0.9'))
})

t.test('no crowd of clients gets more than the pool has', async (t) => {
  const leases = createLeases({ first: ip4('10.1.0.0'), last: ip4('10.1.0.255') })
  const given = new Set<string>()
  for (let index = 0; index < 2000; index += 1) {
    const mac = parseMac(
      `02:00:00:00:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`,
    )!
    const ip = choose(leases, mac, 0)
    if (!ip) continue
    t.notOk(given.has(ip))
    given.add(ip)
    leases.put({ ip, mac, state: 'offered', until: 60_000, since: 0 })
  }
  t.equal(given.size, 256)
  t.equal([...leases.all()].length, 256)
})

t.test('a range is read, or says what is wrong with it', async (t) => {
  t.same(parseRange('10.0.0.1 - 10.0.0.9'), { first: '10.0.0.1', last: '10.0.0.9' })
  t.same(parseRange('10.0.0.1-10.0.0.1'), { first: '10.0.0.1', last: '10.0.0.1' })
  for (const text of ['', '10.0.0.1', '10.0.0.1-10.0.0', '10.0.0.1-10.0.0.2-10.0.0.3'])
    t.match(parseRange(text), /is not a range/)
  t.match(parseRange('10.0.0.2-10.0.0.1'), /ends before/)
  t.match(parseRange('10.0.0.0-10.1.0.0'), /65537 addresses/)
})
