import t from 'tap'
import { createFailedLogins, sourceOf } from '../../src/kube/failed-logins.ts'

const rules = { tries: 3, windowMs: 60_000, maxAddresses: 2 }

t.test('tries are judged until there are too many in one window', async (t) => {
  const logins = createFailedLogins(rules)
  t.same(
    [0, 1000, 2000, 3000, 59_999].map((at) => logins.failed('192.0.2.1', at)),
    [0, 0, 0, 57, 1],
  )
  t.equal(logins.failed('192.0.2.1', 60_000), 0, 'a new window')
})

t.test('addresses do not share a window', async (t) => {
  const logins = createFailedLogins(rules)
  for (let index = 0; index < 4; index++) logins.failed('192.0.2.1', 0)
  t.ok(logins.failed('192.0.2.1', 0) > 0)
  t.equal(logins.failed('192.0.2.2', 0), 0)
})

t.test('no more addresses are kept than allowed; the oldest is forgotten', async (t) => {
  const logins = createFailedLogins(rules)
  for (let index = 0; index < 3; index++) logins.failed('192.0.2.1', 0)
  logins.failed('192.0.2.2', 1)
  logins.failed('192.0.2.3', 2)
  t.equal(logins.failed('192.0.2.1', 3), 0)
})

t.test('a clock that goes back begins a new window', async (t) => {
  const logins = createFailedLogins(rules)
  for (let index = 0; index < 5; index++) logins.failed('192.0.2.1', 1e9)
  t.equal(logins.failed('192.0.2.1', 0), 0)
})

const sources = [
  { address: '192.0.2.1', source: '192.0.2.1' },
  { address: '::ffff:192.0.2.1', source: '192.0.2.1' },
  { address: '2001:db8:1:2:3:4:5:6', source: '2001:db8:1:2::/64' },
  { address: '2001:db8:1:2::7', source: '2001:db8:1:2::/64' },
  { address: '2001:db8::7', source: '2001:db8:0:0::/64' },
  { address: 'fe80::1%eth0', source: 'fe80:0:0:0::/64' },
  { address: '::1', source: '0:0:0:0::/64' },
]
for (const { address, source } of sources)
  t.test(`${address} counts as ${source}`, async (t) => t.equal(sourceOf(address), source))
