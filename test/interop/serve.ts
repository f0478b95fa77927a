import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { systemClock } from '../../src/model/clock.ts'
import { dhcpServer } from '../../src/dhcp/server.ts'
import { parseMac } from '../../src/model/mac.ts'
import type { Mac } from '../../src/model/mac.ts'
import type { Machine } from '../../src/model/machine.ts'
import type { RecordStage } from '../../src/timeline/stage.ts'
import { ip4, machine } from '../dhcp/packets.ts'
import { startBoot } from './boot-servers.ts'
import type { Reservation, Setup } from './server.ts'

/**
 * The DHCP server, and with `bootDirs` TFTP and HTTP too, as a program of its own so that it can run inside a network
 * namespace. Argument: a Setup as JSON. Prints "listening", then one JSON line for each recorded stage. A Reservation
 * as a JSON line replaces the one of its MAC. Ends with SIGTERM.
 */
const { serverIp, interfaces, machines, bootDirs } = JSON.parse(process.argv[2]!) as Setup
const known = new Map<Mac, Machine>()
const reserve = ({ mac, ip, gateway = serverIp, leaseSeconds = 3600 }: Reservation) => {
  const parsed = parseMac(mac)!
  const own = { mac: parsed, macs: [parsed], ip: ip4(ip), gateway: ip4(gateway), leaseSeconds }
  known.set(parsed, { ...machine, ...own })
}
machines.forEach(reserve)

const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
const record: RecordStage = (mac, stage, facts) => console.log(JSON.stringify({ mac, stage, ...facts }))
const address = ip4(serverIp)
const httpPort = 7171
const machineByIp = (ip: string) => [...known.values()].find((one) => one.ip === ip)
await using _boot =
  bootDirs && (await startBoot({ dirs: bootDirs, address, tftpPort: 69, httpPort, machineByIp, record }))
const commands = createInterface(process.stdin)
commands.on('line', (line) => {
  reserve(JSON.parse(line) as Reservation)
  console.log('changed')
})
await dhcpServer({
  machineByMac: (mac) => known.get(mac),
  scriptUrl: ({ mac }) => `http://${serverIp}:${httpPort}/ipxe/script/${mac}/5ec4e7/auto.ipxe`,
  record,
  log: pino({ level: 'warn' }, process.stderr),
  clock: systemClock,
  serverIp: address,
  interfaces,
  port: 67,
  httpPort,
  onListening: () => console.log('listening'),
})(stop.signal)
commands.close()
