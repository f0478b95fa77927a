import t from 'tap'
import { parse } from 'yaml'
import { startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { runner } from './run.ts'

const lease = {
  ip: '192.168.77.100',
  mac: '02:00:00:00:00:0a',
  state: 'bound',
  since: '2030-01-01T00:00:00.000Z',
  until: '2030-01-01T00:10:00.000Z',
  hostname: 'node\u001b[2J1',
}
const expired = { ...lease, ip: '192.168.77.101', state: 'expired', hostname: undefined }

let leases: object[] = []
let server: TestServer
t.before(async () => {
  server = await startServer({ leases: () => leases })
})
t.teardown(() => server.close())
const run = runner(() => server)

t.test('leases are listed', async (t) => {
  t.match(await run(['lease', 'list']), { code: 0, out: '', err: 'nothing found\n' })
  leases = [lease, expired]
  const { out } = await run(['lease', 'list'])
  const lines = out.split('\n')
  t.match(lines[0], /^ADDRESS +MAC +STATE +HOSTNAME +UNTIL$/)
  t.match(lines[1], /^192\.168\.77\.100 +02:00:00:00:00:0a +bound +node\?\[2J1 +20[0-9-]+ [0-9:]{8}$/)
  t.match(lines[2], /^192\.168\.77\.101 +02:00:00:00:00:0a +expired$/)
  const { hostname: _, ...bare } = expired
  t.same(JSON.parse((await run(['lease', 'list', '-o', 'json'])).out), [lease, bare])
  t.same(parse((await run(['lease', 'list', '-o', 'yaml'])).out), [lease, bare])
})

t.test('a server without a pool has none', async (t) => {
  const bare = await startServer()
  t.teardown(() => bare.close())
  t.match(await runner(() => bare)(['lease', 'list', '-o', 'json']), { code: 0, out: '[]\n' })
})
