import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { bootHttp } from '../../../src/boot/http.ts'
import { bootFiles } from '../../../src/boot/open.ts'
import { dhcpServer } from '../../../src/dhcp/server.ts'
import { systemClock } from '../../../src/model/clock.ts'
import type { Clock } from '../../../src/model/clock.ts'
import { parseIp4 } from '../../../src/model/ip4.ts'
import { parseMac } from '../../../src/model/mac.ts'
import type { KubeObject } from '../../../src/model/object.ts'
import { createLookup } from '../../../src/store/lookup.ts'
import { openSqlite } from '../../../src/store/sqlite.ts'
import { tftpServer } from '../../../src/tftp/server.ts'
import { createClinic } from '../../../src/timeline/doctor/clinic.ts'
import { serverState } from '../../../src/timeline/doctor/premises.ts'
import { createTimeline } from '../../../src/timeline/timeline.ts'
import { silent, site, texts } from '../../boot/things.ts'
import type { Ask, ClinicSetup } from './clinic.ts'

/**
 * DHCP, TFTP and HTTP boot with timeline and doctor, as a program of its own so that it can run inside a network
 * namespace. Argument: a ClinicSetup as JSON. Each line of standard input is an Ask; each line that is printed answers
 * one, after "listening". Ends with SIGTERM.
 */
const { serverIp, device, dirs } = JSON.parse(process.argv[2]!) as ClinicSetup
const address = parseIp4(serverIp)!
const log = pino({ level: 'warn' }, process.stderr)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())

/** Twenty times as fast, for what TFTP waits for. */
const start = Date.now()
const hasty: Clock = {
  now: () => start + (Date.now() - start) * 20,
  sleep: (ms, signal) => systemClock.sleep(ms / 20, signal),
}

await using opened = await openSqlite(':memory:', { clock: systemClock })
const timeline = createTimeline({ side: opened.side, clock: systemClock, log })
const lookup = createLookup({ log })
lookup.setReady(true)
let laterMs = 0
const clinic = createClinic({
  clock: { now: () => Date.now() + laterMs },
  timeline,
  lookup,
  server: () =>
    serverState({
      address,
      dhcp: 'reservation',
      dirs,
      ports: { tftp: 69 },
      checks: () => [],
      ready: lookup.ready,
    }),
})

function answer(ask: Ask): unknown {
  if ('objects' in ask) {
    for (const object of ask.objects) lookup.apply({ type: 'put', object: object as KubeObject } as never)
    return 'ok'
  }
  if ('unknown' in ask) return clinic.unknown()
  const mac = parseMac(ask.mac)!
  const machine = lookup.machineByMac(mac)
  if ('stages' in ask) return timeline.entries(mac)
  laterMs = ask.laterMs
  return clinic.diagnose([mac], machine ? `${machine.namespace}/${machine.name}` : null)
}

const asks = createInterface(process.stdin)
asks.on('line', (line) => {
  void Promise.resolve(answer(JSON.parse(line) as Ask)).then((said) => console.log(JSON.stringify(said)))
})

const files = bootFiles({ ...dirs, texts, log: silent })
const http = bootHttp({
  ...lookup,
  log: silent,
  files,
  texts,
  site,
  caPem: '',
  identity: { token: () => undefined },
  record: timeline.record,
})
await http.listen({ host: address, port: 7171 })
const common = { record: timeline.record, log, ...lookup }
const tftp = tftpServer({ ...common, open: files.openBootFile, clock: hasty, address, port: 69 })(stop.signal)
await dhcpServer({
  ...common,
  scriptUrl: ({ mac }) => `http://${serverIp}:7171/ipxe/script/${mac}/5ec4e7/auto.ipxe`,
  clock: systemClock,
  serverIp: address,
  interfaces: [device],
  port: 67,
  httpPort: 7171,
  onListening: () => console.log('"listening"'),
})(stop.signal)
asks.close()
await Promise.all([tftp, http.close()])
