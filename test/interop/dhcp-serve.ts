import { pino } from 'pino'
import { systemClock } from '../../src/model/clock.ts'
import { dhcpServer } from '../../src/dhcp/server.ts'
import { ip4, machine, mac } from '../dhcp/packets.ts'

/**
 * A DHCP server for the tests' one machine, as a program of its own so that it can run inside a network namespace.
 * Arguments: its address, the machine's address, then the interfaces. Prints "listening", then one JSON line for each
 * recorded stage. Ends with SIGTERM.
 */
const [serverIp, machineIp, ...interfaces] = process.argv.slice(2)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
const known = { ...machine, ip: ip4(machineIp!), gateway: ip4(serverIp!) }
await dhcpServer({
  machineByMac: (asked) => (asked === mac ? known : undefined),
  scriptUrl: () => `http://${serverIp}:7171/ipxe/script/${mac}/5ec4e7/auto.ipxe`,
  record: (_mac, stage, facts) => console.log(JSON.stringify({ stage, ...facts })),
  log: pino({ level: 'warn' }, process.stderr),
  clock: systemClock,
  serverIp: ip4(serverIp!),
  interfaces,
  port: 67,
  httpPort: 7171,
  onListening: () => console.log('listening'),
})(stop.signal)
