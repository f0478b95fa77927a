import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import { metadataHttp } from '../../src/metadata/http.ts'
import type { Hardware } from '../../src/model/hardware.ts'
import { machinesOf } from '../../src/model/machine.ts'

/**
 * The metadata service for the one Hardware on its standard input, as a program of its own so that it can run inside a
 * network namespace. Argument: its address. Prints "listening", then one JSON line for each recorded stage. Ends with
 * SIGTERM.
 */
const hardware = JSON.parse(await text(process.stdin)) as Hardware
const app = metadataHttp({
  log: pino({ level: 'warn' }, process.stderr),
  machineByIp: (ip) => machinesOf(hardware).find((machine) => machine.ip === ip),
  hardware: () => hardware,
  workflowsForHardware: () => [],
  phonedHome: () => {},
  record: (mac, stage, facts) => console.log(JSON.stringify({ mac, stage, ...facts })),
})
process.once('SIGTERM', () => void app.close())
await app.listen({ host: process.argv[2]!, port: 7172 })
console.log('listening')
