import { pino } from 'pino'
import t from 'tap'
import { answerer } from '../../src/dhcp/answerer.ts'
import type { Way } from '../../src/dhcp/answerer.ts'
import type { DhcpDeps } from '../../src/dhcp/deps.ts'
import { encode } from '../../src/dhcp/encode.ts'
import { xidOf } from '../../src/dhcp/packet.ts'
import { systemClock } from '../../src/model/clock.ts'
import type { Stage } from '../../src/timeline/stage.ts'
import { until } from '../workflow/clock.ts'
import { clients, discover, machine, mac, octetsOf, request, requestType, serverIp } from './packets.ts'
import type { Values } from './packets.ts'

/** What answers, and what it has sent so far. */
function answering(mode: DhcpDeps['mode']) {
  const sent: { xid: number; file: string }[] = []
  const stages: Stage[] = []
  const answer = answerer({
    machineByMac: (asked) => (asked === mac ? machine : undefined),
    scriptUrl: () => 'http://192.168.77.1/script',
    record: (_mac, stage) => stages.push(stage),
    log: pino({ level: 'silent' }),
    clock: systemClock,
    serverIp,
    interfaces: [],
    mode,
    port: 67,
    httpPort: 7171,
  })
  const way: Way = {
    port: 67,
    door: 'dhcp',
    link: { device: 'eth0', subnets: [] } as unknown as Way['link'],
    send: (bytes) => {
      const file = Buffer.from(bytes.subarray(108, 236)).toString().replace(/\0.*/s, '')
      sent.push({ xid: xidOf(bytes), file })
    },
  }
  const from = { address: '0.0.0.0', port: 68 }
  const hear = (values: Values, xid: number) => {
    const { bytes } = encode(request({ ...values, ...clients.ovmfPxe }, { xid }), 1500)
    answer({ bytes, from, way, startedAt: performance.now() } as Parameters<typeof answer>[0])
  }
  return { sent, stages, hear, xids: () => sent.map(({ xid }) => xid) }
}

const pause = () => systemClock.sleep(500)
const ours = { ...requestType, 54: octetsOf(serverIp) }

for (const mode of ['proxy', 'auto-proxy'] as const)
  t.test(`in mode ${mode} an offer goes out twice, each with its own transaction`, async (t) => {
    const { sent, stages, hear, xids } = answering(mode)
    hear(discover, 1)
    hear(discover, 2)
    t.same(xids(), [1, 2], 'at once')
    await until('the second offers', () => sent.length >= 4)
    await pause()
    t.same(xids(), [1, 2, 1, 2], 'and once more, though the answer was known the second time')
    t.ok(sent.every(({ file }) => file === 'ipxe.efi'))
    t.equal(stages.filter((stage) => stage === 'dhcp-offer').length, 2, 'a repetition is no other offer')
  })

t.test('an acknowledgement goes out once: who misses it asks again', async (t) => {
  const { hear, xids } = answering('proxy')
  hear(ours, 1)
  await pause()
  t.same(xids(), [1])
})

t.test('who gives the addresses offers once', async (t) => {
  const { hear, xids } = answering('reservation')
  hear(discover, 1)
  await pause()
  t.same(xids(), [1])
})

t.test('what waits to go out again is bounded', async (t) => {
  const { sent, hear } = answering('proxy')
  for (let xid = 0; xid < 5000; xid += 1) hear(discover, xid)
  t.equal(sent.length, 5000)
  await until('the second offers', () => sent.length >= 5000 + 4096)
  await pause()
  t.ok(sent.length < 10_000, `${sent.length}`)
})
