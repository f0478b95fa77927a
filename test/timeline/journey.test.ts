import t from 'tap'
import { journeyOf } from '../../src/timeline/journey.ts'
import type { Facts, Stage, TimelineEntry } from '../../src/timeline/stage.ts'

const entry = (at: number, stage: Stage, facts: Facts = {}, count = 1): TimelineEntry => ({
  at,
  lastAt: at,
  count,
  stage,
  facts,
})

t.test('an installation: two boots, and the times from the first DISCOVER', async (t) => {
  const journey = journeyOf([
    entry(0, 'dhcp-discover', { client: 'firmware' }, 3),
    entry(1, 'dhcp-offer'),
    entry(4, 'tftp-read'),
    entry(6, 'dhcp-discover', { client: 'ipxe' }),
    entry(7, 'boot-script'),
    entry(8, 'kernel'),
    entry(9, 'initramfs'),
    entry(40, 'dhcp-discover', { client: 'os' }),
    entry(50, 'agent-hello'),
    entry(60, 'workflow-ended'),
    entry(100, 'dhcp-discover', { client: 'firmware' }),
    entry(105, 'boot-script'),
    entry(105, 'boot-disk'),
    entry(150, 'dhcp-discover', { client: 'os' }),
    entry(170, 'phone-home'),
  ])
  t.same(journey, {
    boots: [
      {
        startedAt: 0,
        rounds: 3,
        loaderAt: 4,
        ipxeAt: 6,
        scriptAt: 7,
        kernelAt: 8,
        initramfsAt: 9,
        agentAt: 50,
      },
      { startedAt: 100, rounds: 1, scriptAt: 105, diskAt: 105, phoneHomeAt: 170 },
    ],
    firstDiscoverAt: 0,
    toAgentMs: 50,
    toPhoneHomeMs: 170,
  })
})

t.test('an iPXE in the firmware starts anew when it asks after its script', async (t) => {
  const round = (at: number) => [entry(at, 'dhcp-discover', { client: 'ipxe' }), entry(at + 1, 'boot-script')]
  t.equal(journeyOf([...round(0), ...round(10)]).boots.length, 2)
})

t.test('nothing, and a machine without agent, have no times', async (t) => {
  t.same(journeyOf([]), { boots: [] })
  t.notOk('toAgentMs' in journeyOf([entry(1, 'dhcp-discover')]))
})

t.test('boots without end are bounded', async (t) => {
  const many = Array.from({ length: 100 }, (_, index) => [
    entry(index * 10, 'dhcp-discover', { client: 'firmware' }),
    entry(index * 10 + 1, 'boot-script'),
  ])
  t.equal(journeyOf(many.flat()).boots.length, 20)
})
