import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { pino } from 'pino'
import t from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import { parseMac } from '../../src/model/mac.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { createTimeline } from '../../src/timeline/timeline.ts'
import { otlpTraces, tracesUrl } from '../../src/trace/otlp.ts'
import { machine } from '../dhcp/packets.ts'
import { startServer } from '../metrics/running.ts'
import { tftpGet } from '../tftp/client.ts'
import { startCollector } from './collector.ts'
import type { CollectedSpan } from './collector.ts'

const ms = (nano: string): number => Number(BigInt(nano) / 1_000_000n)
const attribute = ({ attributes }: CollectedSpan, key: string) =>
  Object.values(attributes.find((one) => one.key === key)?.value ?? {})[0]

t.test('a collector gets one trace for a boot, with its parts as children', async (t) => {
  using collector = await startCollector()
  const clock = { ...systemClock, now: () => now }
  let now = 1_700_000_000_000
  const { side, close } = await openSqlite(':memory:', { clock })
  t.teardown(close)
  const silent = pino({ level: 'silent' })
  const timeline = createTimeline({ side, clock, log: silent })
  const stop = new AbortController()
  const ended = otlpTraces({
    endpoint: `${collector.url}/`,
    version: '1.2.3',
    timeline,
    machineByMac: (mac) => (mac === machine.mac ? machine : undefined),
    clock,
    log: silent,
  }).run(stop.signal)
  const record = (after: number, ...stage: [Parameters<typeof timeline.record>[1], object?]) => {
    now += after
    timeline.record(machine.mac, stage[0], { ...stage[1] })
  }
  const began = now
  record(0, 'dhcp-discover', { client: 'firmware', arch: '7' })
  record(10, 'dhcp-offer')
  record(10, 'dhcp-request', { client: 'firmware' })
  record(10, 'dhcp-ack', { ip: '192.0.2.10' })
  record(970, 'tftp-read', { file: 'ipxe.efi', bytes: 1000, ms: 900 })
  record(1000, 'boot-script', { target: 'netboot-os' })
  record(1000, 'agent-hello', { version: '1' })
  record(1000, 'action-started', { action: 'stream' })
  record(5000, 'action-ended', { action: 'stream', state: 'FAILED', why: 'disk full' })
  record(10, 'workflow-ended', { workflow: 'a/b', state: 'FAILED' })
  timeline.record(parseMac('02:00:00:00:00:99')!, 'dhcp-discover', { client: 'firmware' })
  stop.abort()
  await ended
  const spans = collector.spans()
  const root = spans.find(({ name }) => name === 'boot')!
  t.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1, 'a machine of no Hardware is not traced')
  t.notOk(root.parentSpanId)
  t.equal(attribute(root, 'ironwake.mac'), machine.mac)
  t.match(root.status, { code: 2, message: 'FAILED' })
  t.equal(ms(root.startTimeUnixNano), began)
  t.equal(ms(root.endTimeUnixNano), now)
  const children = spans.filter((span) => span !== root)
  t.ok(children.every(({ parentSpanId }) => parentSpanId === root.spanId))
  t.same(children.map(({ name }) => name).toSorted(), [
    'action',
    'agent',
    'dhcp',
    'script',
    'tftp',
    'workflow-ended',
  ])
  const of = (name: string) => children.find((span) => span.name === name)!
  t.equal(ms(of('dhcp').endTimeUnixNano) - began, 30)
  t.equal(attribute(of('dhcp'), 'ironwake.ip'), '192.0.2.10')
  t.equal(ms(of('tftp').startTimeUnixNano) - began, 100)
  t.match(of('action').status, { code: 2, message: 'FAILED' })
  t.equal(attribute(of('action'), 'ironwake.action'), 'stream')
  const resource = collector.bodies[0]!.resourceSpans[0]!.resource.attributes
  t.match(
    resource.find(({ key }) => key === 'service.name'),
    { value: { stringValue: 'ironwake' } },
  )
})

t.test('the trace of a boot is known before it begins, to whoever asks for an address', async (t) => {
  using collector = await startCollector()
  const clock = systemClock
  const { side, close } = await openSqlite(':memory:', { clock })
  t.teardown(close)
  const log = pino({ level: 'silent' })
  const timeline = createTimeline({ side, clock, log })
  const stop = new AbortController()
  const machineByMac = (mac: string) => (mac === machine.mac ? machine : undefined)
  const traces = otlpTraces({ endpoint: collector.url, version: '1', timeline, machineByMac, clock, log })
  t.equal(traces.parentOf(machine.mac, 'firmware'), undefined, 'not yet')
  const ended = traces.run(stop.signal)
  t.equal(traces.parentOf(parseMac('02:00:00:00:00:99')!, 'firmware'), undefined, 'nor of strangers')
  const first = traces.parentOf(machine.mac, 'firmware')
  timeline.record(machine.mac, 'dhcp-discover', { client: 'firmware' })
  t.same(traces.parentOf(machine.mac, 'firmware'), first, 'its REQUEST')
  timeline.record(machine.mac, 'dhcp-discover', { client: 'ipxe' })
  timeline.record(machine.mac, 'boot-script', { target: 'disk' })
  const second = traces.parentOf(machine.mac, 'firmware')
  t.not(second?.traceId, first?.traceId, 'another boot')
  timeline.record(machine.mac, 'dhcp-discover', { client: 'firmware' })
  stop.abort()
  await ended
  const roots = collector.spans().filter(({ name }) => name === 'boot')
  t.same(
    roots.map(({ traceId, spanId }) => ({ traceId, spanId })),
    [first, second],
  )
})

t.test(
  'a collector that is not there is warned of, and the end waits for it no longer than it may',
  async (t) => {
    const clock = systemClock
    const { side, close } = await openSqlite(':memory:', { clock })
    t.teardown(close)
    const lines: string[] = []
    const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) })
    const timeline = createTimeline({ side, clock, log: pino({ level: 'silent' }) })
    const stop = new AbortController()
    const endpoint = 'http://127.0.0.1:9'
    const ended = otlpTraces({
      endpoint,
      version: '1',
      timeline,
      machineByMac: () => machine,
      clock,
      log,
    }).run(stop.signal)
    timeline.record(machine.mac, 'boot-script', { target: 'disk' })
    timeline.record(machine.mac, 'phone-home')
    stop.abort()
    await ended
    t.ok(lines.length <= 1)
  },
)

t.test('the path of traces is added to the URL of a collector', async (t) => {
  t.equal(tracesUrl('http://a:4318'), 'http://a:4318/v1/traces')
  t.equal(tracesUrl('http://a:4318/'), 'http://a:4318/v1/traces')
  t.equal(tracesUrl('https://a/otlp/v1/traces'), 'https://a/otlp/v1/traces')
})

t.test('without a collector neither SDK nor exporter is loaded', async (t) => {
  const script = `
    import { createRequire } from 'node:module'
    await import('./src/serve.ts')
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).filter((path) => /@opentelemetry.(sdk|exporter|otlp|resources)/.test(path))
    const before = loaded().length
    await import('./src/trace/otlp.ts')
    console.log(JSON.stringify([before, loaded().length > 0]))`
  const cwd = new URL('../..', import.meta.url).pathname
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import=tsx', '--input-type=module', '-e', script],
    { cwd },
  )
  t.same(JSON.parse(stdout), [0, true])
})

t.test('a running server sends the trace of a machine on its way to its phone-home', async (t) => {
  using collector = await startCollector()
  await using server = await startServer(`--otlp-endpoint=${collector.url}`)
  const mac = '02:00:00:00:00:0a'
  const hardware = {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Hardware',
    metadata: { name: 'own', namespace: 'default' },
    spec: { interfaces: [{ dhcp: { mac, ip: { address: '127.0.0.1' } }, netboot: { allowPXE: true } }] },
  }
  const path = '/apis/tinkerbell.org/v1alpha1/namespaces/default/hardware'
  t.equal((await server.client.request('POST', path, hardware)).status, 201)
  const { http, metadata, tftp } = server.ports
  const home = () => fetch(`http://127.0.0.1:${metadata}/phone-home`, { method: 'POST', body: '{}' })
  for (
    let wait = 0;
    wait < 500 && (await fetch(`http://127.0.0.1:${http}/auto.ipxe`)).status !== 200;
    wait += 1
  )
    await systemClock.sleep(20)
  await tftpGet(tftp, 'autoexec.ipxe')
  t.equal((await home()).status, 200)
  await server.stop()
  const spans = collector.spans()
  const root = spans.find(({ name }) => name === 'boot')!
  t.equal(attribute(root, 'ironwake.hardware'), 'default/own')
  const names = new Set(spans.filter(({ traceId }) => traceId === root.traceId).map(({ name }) => name))
  for (const name of ['script', 'tftp', 'phone-home']) t.ok(names.has(name), name)
})
