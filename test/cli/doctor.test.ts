import { pino } from 'pino'
import t from 'tap'
import { parse } from 'yaml'
import { systemClock } from '../../src/model/clock.ts'
import { parseMac } from '../../src/model/mac.ts'
import { createLookup, runLookup } from '../../src/store/lookup.ts'
import { createClinic } from '../../src/timeline/doctor/clinic.ts'
import type { Clinic } from '../../src/timeline/doctor/clinic.ts'
import type { Diagnosis } from '../../src/timeline/doctor/diagnose.ts'
import { hardware, startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { server as state } from '../timeline/doctor/case.ts'
import { runner, until } from './run.ts'

let server: TestServer
let clinic: Clinic
const stop = new AbortController()
const lookup = createLookup()
let running: Promise<void>

t.before(async () => {
  server = await startServer({
    clinic: { diagnose: (...words) => clinic.diagnose(...words), unknown: () => clinic.unknown() },
  })
  const { timeline, db } = server
  clinic = createClinic({ clock: systemClock, timeline, lookup, server: async () => state })
  running = runLookup({ store: db.store, lookup, log: pino({ level: 'silent' }) }, stop.signal)
  await server.client.create(hardware('m1'))
  await until('the lookup knows m1', () => lookup.hardware('ns1', 'm1') !== undefined)
})
t.after(async () => {
  stop.abort()
  await running
  await server.close()
})
const run = runner(() => server)
const mac = parseMac('52:54:00:00:00:01')!
const stranger = parseMac('52:54:00:00:00:11')!

t.test('doctor says what is wrong, and ends with 1', async (t) => {
  for (const machine of [mac, 'm1', 'ns1/m1']) {
    const { code, out, err } = await run(['doctor', machine])
    t.equal(code, 1, machine)
    t.match(out, /^ns1\/m1 \(52:54:00:00:00:01\): it does not go on\n {2}reached {3}nothing yet\n/)
    t.match(out, /\n1\. .*\[no-relay, likely\]\n {3}seen {2}.*\n {3}do {4}/)
    t.match(err, /m1 has a problem|01 has a problem/)
  }
  t.match(await run(['doctor', 'nobody']), { code: 1, err: /no hardware "nobody"/ })
  t.match(await run(['doctor']), { code: 2, err: /which machine/ })
})

t.test('doctor as JSON and YAML is the same diagnosis', async (t) => {
  const json = JSON.parse((await run(['doctor', 'm1', '-o', 'json'])).out) as Diagnosis
  t.match(json, {
    state: 'problem',
    hardware: 'ns1/m1',
    causes: [{ cause: 'no-relay', likelihood: 'likely' }, {}],
  })
  t.same(parse((await run(['doctor', 'm1', '-o', 'yaml'])).out), json)
})

t.test('a machine that nobody knows is diagnosed, listed, and ready to be added', async (t) => {
  const asked = { client: 'firmware', arch: '11', vendor: 'PXEClient:Arch:00011\u001b', relay: '10.9.0.1' }
  const facts = { ...asked, uuid: '4c4c4544-0030-1080-5680-b4c04f4d4731' }
  server.timeline.record(stranger, 'dhcp-discover', facts)
  server.timeline.record(stranger, 'dhcp-silent', { type: 'discover', why: 'unknown-machine' })
  server.timeline.record(stranger, 'dhcp-discover', facts)
  const { code, out } = await run(['doctor', stranger])
  t.equal(code, 1)
  t.match(
    out,
    /unknown machine \(52:54:00:00:00:11\).*\n1\. no Hardware has this MAC.*52:54:00:00:00:01 of ns1\/m1/s,
  )
  const table = await run(['unknown', 'list'])
  t.match(table, {
    code: 0,
    out: /^MAC .*\n52:54:00:00:00:11 .* 2 .*11 .*4c4c4544-.*PXEClient:Arch:00011 .*10\.9\.0\.1\n$/,
  })
  t.notMatch(table.out, '\u001b')
  t.match(await run(['unknown', 'list', '-o', 'csv']), {
    out:
      'hostname,bmc_ip,bmc_username,bmc_password,mac,ip_address,netmask,gateway,nameservers,labels,disk,arch\n' +
      ',,,,52:54:00:00:00:11,,,,,,,aarch64\n',
  })
  t.match(JSON.parse((await run(['unknown', 'list', '-o', 'json'])).out), [
    { mac: stranger, count: 2, ...asked, vendor: String },
  ])
  await server.client.create(hardware('m2', {}, stranger))
  await until('the lookup knows m2', () => lookup.machineByMac(stranger) !== undefined)
  t.same(JSON.parse((await run(['unknown', 'list', '-o', 'json'])).out), [])
})

t.test('a machine that is on its way, or has arrived, ends with 0', async (t) => {
  const arrived = parseMac('52:54:00:00:00:21')!
  await server.client.create(hardware('m3', {}, arrived))
  await until('the lookup knows m3', () => lookup.machineByMac(arrived) !== undefined)
  server.timeline.record(arrived, 'dhcp-discover', { client: 'firmware', arch: '7' })
  t.match(await run(['doctor', 'm3']), { code: 0, out: /under way/, err: '' })
  server.timeline.record(arrived, 'agent-hello', { agent: arrived })
  server.timeline.record(arrived, 'phone-home', {})
  t.match(await run(['doctor', 'm3']), {
    code: 0,
    out: /nothing is wrong.*times .*phoned home after/s,
    err: '',
  })
})

t.end()
