import t from 'tap'
import { parseMac } from '../../src/model/mac.ts'
import { hardware, startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { runner } from './run.ts'

let server: TestServer
t.before(async () => {
  server = await startServer()
  await server.client.create(hardware('m1'))
})
t.after(() => server.close())
const run = runner(() => server)

const mac = parseMac('52:54:00:00:00:01')!

t.test('timeline tells what a machine did, by MAC and by name', async (t) => {
  t.match(await run(['timeline', '52-54-00-00-00-01']), { code: 0, out: '', err: /nothing was seen/ })
  server.timeline.record(mac, 'dhcp-discover', { arch: 7 })
  server.timeline.record(mac, 'boot-disk', { why: 'evil\u001b[31m' })
  for (const machine of ['52:54:00:00:00:01', 'm1', 'ns1/m1']) {
    const { code, out } = await run(['timeline', machine])
    t.equal(code, 0)
    t.match(
      out,
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}asked for an address .*\n.*own disk.*\n$/,
      machine,
    )
    t.notMatch(out, '\u001b')
  }
  const json = await run(['timeline', 'm1', '-o', 'json'])
  t.match(JSON.parse(json.out), { mac, hardware: 'ns1/m1', entries: [{ stage: 'dhcp-discover' }, {}] })
  t.match(await run(['timeline', 'nobody']), { code: 1, err: /no hardware "nobody"/ })
})

t.test('timeline --follow goes on until interrupted', async (t) => {
  const stop = new AbortController()
  let out = ''
  const write = (text: string) => (out += text)
  const following = run(['timeline', 'm1', '-f'], { stdout: { write }, signal: stop.signal })
  while (!out.includes('own disk')) await new Promise((resolve) => setTimeout(resolve, 5))
  server.timeline.record(parseMac('52:54:00:00:00:99')!, 'dhcp-discover')
  server.timeline.record(mac, 'phone-home', { hostname: 'm1' })
  while (!out.includes('phoned home')) await new Promise((resolve) => setTimeout(resolve, 5))
  stop.abort()
  t.match(await following, { code: 0 })
  t.equal(out.trim().split('\n').length, 3)
})

t.end()
