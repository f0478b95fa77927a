import t from 'tap'
import { payloads } from '../lab/captures.ts'
import { dhcpMutators } from './dhcp-mutators.ts'
import { dhcpPackets, judge } from './inventory.ts'
import type { Verdict } from './inventory.ts'
import { mutations, seed, shown, times } from './mutate.ts'

const rounds = 72_000 * times
t.setTimeout(60_000 * (1 + times))

t.test('captured messages are answered as they were', async (t) => {
  for (const bytes of payloads('dhcp'))
    t.equal(judge(bytes), bytes[0] === 2 ? 'dropped' : bytes[242] === 1 ? 'offer' : 'ack')
})

t.test(`${rounds} mutated DHCP messages give no address that is not reserved, seed ${seed}`, async (t) => {
  const counts: Record<Verdict, number> = { dropped: 0, silent: 0, offer: 0, ack: 0, nak: 0 }
  const startedAt = performance.now()
  let round = 0
  for (const mutation of mutations(dhcpPackets, dhcpMutators)) {
    if (round === rounds) break
    round += 1
    try {
      counts[judge(mutation.bytes)] += 1
    } catch (error) {
      return t.fail(`mutation ${round} of seed ${seed}: ${String(error)}`, { packet: shown(mutation) })
    }
  }
  t.comment(`seed ${seed}: ${JSON.stringify(counts)} in ${Math.round(performance.now() - startedAt)} ms`)
  for (const [verdict, count] of Object.entries(counts)) t.ok(count > rounds / 1000, `${verdict}: ${count}`)
})
