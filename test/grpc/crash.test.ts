import t from 'tap'
import { killAgent, killServer, openCrashServer, openCrashYard } from './crash.ts'
import type { CrashCase } from './crash.ts'

// A sample; every point is in test/long/agents.long.ts.
const ofServer: readonly CrashCase[] = [
  { kind: 'current', point: 'ran write', moment: 'during' },
  { kind: 'legacy', point: 'ran stream', moment: 'between' },
]
const ofAgent: readonly CrashCase[] = [
  { kind: 'current', point: 'begun grow', moment: 'between' },
  { kind: 'legacy', point: 'ran write', moment: 'during' },
]
const titled = ({ kind, point, moment }: CrashCase) =>
  `${kind}: ${moment === 'between' ? 'at' : 'just after'} "${point}"`

t.test('the server is killed', async (t) => {
  const server = await openCrashServer()
  t.teardown(() => server.close())
  await server.start()
  for (const [index, one] of ofServer.entries())
    await t.test(titled(one), async (t) => t.same(await killServer(server, one, `server-${index}`), []))
})

t.test('the agent is killed', async (t) => {
  const yard = await openCrashYard()
  t.teardown(() => yard.close())
  for (const [index, one] of ofAgent.entries())
    await t.test(titled(one), async (t) => t.same(await killAgent(yard, one, `agent-${index}`), []))
})
