import { execFileSync, spawn } from 'node:child_process'
import { pino } from 'pino'
import { systemClock } from '../../src/model/clock.ts'
import { dhcpServer } from '../../src/dhcp/server.ts'
import { ip4, machine, mac } from './packets.ts'

/**
 * A DHCP server in a network namespace of its own, whose interface comes late, goes down, is removed and comes back,
 * and whose address is taken away. Prints one JSON line for each scene: whether a client gets its address, and what the
 * server said meanwhile. Takes no part in the host's network.
 */
const serverIp = ip4('192.168.77.1')
const said: string[] = []
const stop = new AbortController()
let readyIn = ''
let scene = 'start'
const part = dhcpServer({
  machineByMac: (asked) => (asked === mac ? machine : undefined),
  scriptUrl: () => '',
  record: () => {},
  log: pino(
    { level: 'info' },
    { write: (line: string) => said.push((JSON.parse(line) as { msg: string }).msg) },
  ),
  clock: { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(20, signal) },
  serverIp,
  interfaces: ['dhcp0'],
  port: 67,
  httpPort: 7171,
  onListening: () => void (readyIn = scene),
})(stop.signal)

const ip = (words: string) => execFileSync('ip', words.split(' '))

function plugIn(): void {
  ip('link add dhcp0 type veth peer name client0')
  ip(`link set client0 address ${mac}`)
  ip('link set client0 up')
  ip('link set dhcp0 up')
  ip(`addr add ${serverIp}/24 dev dhcp0`)
}

/** Not waited for by blocking: this process has to answer it. */
function isServed(): Promise<boolean> {
  const words = ['udhcpc', '-i', 'client0', '-n', '-q', '-f', '-t', '3', '-T', '1', '-s', '/bin/true']
  const client = spawn('busybox', words, { stdio: 'ignore' })
  return new Promise((resolve) => client.once('exit', (code) => resolve(code === 0)))
}

async function play(name: string, act: () => void, asks = true): Promise<void> {
  scene = name
  act()
  await systemClock.sleep(200)
  console.log(JSON.stringify({ name, served: asks && (await isServed()), said: said.splice(0), readyIn }))
}

await play('not there yet', () => {}, false)
await play('plugged in', plugIn)
await play('down', () => ip('link set dhcp0 down'), false)
await play('up', () => ip('link set dhcp0 up'))
await play('removed', () => ip('link del dhcp0'), false)
await play('back', plugIn)
await play('without its address', () => ip('addr flush dev dhcp0'), false)
await play('with its address', () => ip(`addr add ${serverIp}/24 dev dhcp0`))
await play('replaced at once', () => {
  ip('link del dhcp0')
  plugIn()
})
stop.abort()
await part
