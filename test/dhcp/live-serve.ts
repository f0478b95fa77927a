import { join } from 'node:path'
import { pino } from 'pino'
import { askersOf } from '../../src/askers.ts'
import { loadConfig } from '../../src/config.ts'
import { openDhcp } from '../../src/dhcp/open.ts'
import type { OpenDhcp } from '../../src/dhcp/open.ts'
import { metadataHttp } from '../../src/metadata/http.ts'
import { systemClock as clock } from '../../src/model/clock.ts'
import { parseMac } from '../../src/model/mac.ts'
import type { Mac } from '../../src/model/mac.ts'
import type { Machine } from '../../src/model/machine.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { RecordStage } from '../../src/timeline/stage.ts'
import { hardwareOf } from '../boot/things.ts'
import { startBoot } from '../interop/boot-servers.ts'
import { ip4, machine } from './packets.ts'
import type { LiveSetup } from './live.ts'

/**
 * DHCP as it is configured, with its leases in a database, as a program of its own that can run in a namespace and be
 * killed. With `bootDirs` TFTP, HTTP and metadata (port 7172; every Hardware has user data) are there too. Argument: a LiveSetup as JSON. Prints "listening", then one JSON line for each recorded stage.
 */
const { serverIp, dataDir, flags, machines, bootDirs } = JSON.parse(process.argv[2]!) as LiveSetup
const known = new Map<Mac, Machine>(
  machines.map(({ mac, ip, ...change }) => {
    const parsed = parseMac(mac)!
    return [
      parsed,
      { ...machine, mac: parsed, macs: [parsed], ip: ip === undefined ? undefined : ip4(ip), ...change },
    ]
  }),
)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
const record: RecordStage = (mac, stage, facts) => console.log(JSON.stringify({ mac, stage, ...facts }))
const address = ip4(serverIp)
const machineByIp = (ip: string) => [...known.values()].find((one) => one.ip === ip)
const machineByMac = (mac: Mac) => known.get(mac)
const opening: { dhcp?: OpenDhcp | undefined } = {}
const askers = askersOf({
  lookup: { machineByIp, machineByMac },
  holderOf: (ip) => opening.dhcp?.holderOf(ip),
  heardOf: (ip) => opening.dhcp?.heardOf(ip),
})
await using _boot =
  bootDirs &&
  (await startBoot({
    dirs: bootDirs,
    address,
    tftpPort: 69,
    httpPort: 7171,
    machineByIp: askers.whoAt,
    record,
  }))
const metadata = metadataHttp({
  ...askers,
  log: pino({ level: 'warn' }, process.stderr),
  hardware: () => hardwareOf({ spec: { userData: 'secret' } }),
  workflowsForHardware: () => [],
  phonedHome: () => {},
  record,
})
stop.signal.addEventListener('abort', () => void metadata.close())
if (bootDirs) await metadata.listen({ host: serverIp, port: 7172 })
await using opened = await openSqlite(join(dataDir, 'ironwake.db'), { clock })
const config = loadConfig({ env: {}, flags })
opening.dhcp = await openDhcp(config, {
  machineByMac,
  machineByIp,
  scriptUrl: ({ mac }) => `http://${serverIp}:7171/ipxe/script/${mac}/5ec4e7/auto.ipxe`,
  strangerUrl: (mac) => `http://${serverIp}:7171/ipxe/script/${mac}/auto.ipxe`,
  record,
  log: pino({ level: 'warn' }, process.stderr),
  clock,
  serverIp: address,
  side: opened.side,
})
await opening.dhcp!.serve(() => console.log('listening'))(stop.signal)
