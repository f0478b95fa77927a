import t from 'tap'
import { createGate } from '../../src/dhcp/gate.ts'

const count = (times: number, allow: () => boolean) =>
  Array.from({ length: times }, allow).filter(Boolean).length

t.test('a client may send a burst, then so many a second; others are not touched', async (t) => {
  const gate = createGate({ perSecond: 10, burst: 30, maxClients: 100 })
  t.equal(
    count(50, () => gate.allow('a', 0)),
    30,
  )
  t.ok(gate.allow('b', 0))
  t.equal(
    count(50, () => gate.allow('a', 1000)),
    10,
  )
  t.equal(
    count(50, () => gate.allow('a', 3_600_000)),
    30,
    'a pause fills no more than the burst',
  )
  t.notOk(gate.allow('a', 0), 'a clock that was set back fills nothing')
})

t.test('the oldest clients are forgotten when there are too many', async (t) => {
  const gate = createGate({ perSecond: 1, burst: 1, maxClients: 3 })
  for (const client of ['a', 'b', 'c']) t.ok(gate.allow(client, 0))
  t.notOk(gate.allow('a', 0))
  t.ok(gate.allow('d', 0))
  t.ok(gate.allow('a', 0), 'begins anew')
})

t.test('a rate of 0 lets all through', async (t) => {
  const gate = createGate({ perSecond: 0, burst: 1, maxClients: 1 })
  t.equal(
    count(1000, () => gate.allow('a', 0)),
    1000,
  )
})
