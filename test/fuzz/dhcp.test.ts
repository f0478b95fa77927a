import t from 'tap'
import { heldMiB } from '../kube/memory.ts'
import { payloads } from '../lab/captures.ts'
import { dhcpMutators } from './dhcp-mutators.ts'
import { poolJudge, proxyJudge } from './dhcp-modes.ts'
import type { Judge } from './dhcp-modes.ts'
import { dhcpPackets, judge } from './inventory.ts'
import type { Verdict } from './inventory.ts'
import { mutations, seed, shown, times } from './mutate.ts'

const rounds = 72_000 * times
t.setTimeout(60_000 * (1 + times))

t.test('captured messages are answered as they were', async (t) => {
  for (const bytes of payloads('dhcp'))
    t.equal(judge(bytes), bytes[0] === 2 ? 'dropped' : bytes[242] === 1 ? 'offer' : 'ack')
})

const suites: { name: string; judge: Judge; rounds: number; want: readonly Verdict[] }[] = [
  {
    name: 'give no address that is not reserved',
    judge,
    rounds,
    want: ['dropped', 'silent', 'offer', 'ack', 'nak'],
  },
  {
    name: 'give no address of another from a pool',
    judge: poolJudge(),
    rounds: rounds / 2,
    want: ['dropped', 'silent', 'offer', 'ack', 'nak'],
  },
  ...(['proxy', 'auto-proxy'] as const).flatMap((mode) => [
    {
      name: `give no address by ${mode}`,
      judge: proxyJudge(mode, 'dhcp'),
      rounds: rounds / 4,
      want: ['dropped', 'silent', 'offer'] as const,
    },
    {
      name: `give no address by ${mode} on port 4011`,
      judge: proxyJudge(mode, 'proxy'),
      rounds: rounds / 4,
      want: ['dropped', 'silent', 'offer', 'ack'] as const,
    },
  ]),
]

for (const suite of suites)
  t.test(`${suite.rounds} mutated DHCP messages ${suite.name}, seed ${seed}`, async (t) => {
    const counts: Record<Verdict, number> = { dropped: 0, silent: 0, offer: 0, ack: 0, nak: 0 }
    const startedAt = performance.now()
    const heldBefore = heldMiB()
    let round = 0
    for (const mutation of mutations(dhcpPackets, dhcpMutators)) {
      if (round === suite.rounds) break
      round += 1
      try {
        counts[suite.judge(mutation.bytes)] += 1
      } catch (error) {
        return t.fail(`mutation ${round} of seed ${seed}: ${String(error)}`, { packet: shown(mutation) })
      }
    }
    t.comment(`seed ${seed}: ${JSON.stringify(counts)} in ${Math.round(performance.now() - startedAt)} ms`)
    const grown = heldMiB() - heldBefore
    t.ok(grown < 16, `memory grew by ${grown.toFixed(1)} MiB`)
    for (const verdict of suite.want)
      t.ok(counts[verdict] > suite.rounds / 1000, `${verdict}: ${counts[verdict]}`)
  })
