import t from 'tap'
import { crashPoints, killAgent, killServer, openCrashServer, openCrashYard } from '../grpc/crash.ts'
import type { CrashCase } from '../grpc/crash.ts'

const cases: CrashCase[] = (['current', 'legacy', 'legacy-0.6'] as const).flatMap((kind) =>
  (['between', 'during'] as const).flatMap((moment) => crashPoints.map((point) => ({ kind, moment, point }))),
)
const titled = ({ kind, point, moment }: CrashCase) =>
  `${kind}: ${moment === 'between' ? 'at' : 'just after'} "${point}"`

t.test('the server is killed between any two messages of an agent', { timeout: 3_600_000 }, async (t) => {
  const server = await openCrashServer()
  t.teardown(() => server.close())
  await server.start()
  for (const [index, one] of cases.entries())
    await t.test(titled(one), async (t) => t.same(await killServer(server, one, `server-${index}`), []))
})

t.test('the agent is killed between any two of its messages', { timeout: 3_600_000 }, async (t) => {
  const yard = await openCrashYard()
  t.teardown(() => yard.close())
  for (const [index, one] of cases.entries())
    await t.test(titled(one), async (t) => t.same(await killAgent(yard, one, `agent-${index}`), []))
})
