import dgram from 'node:dgram'
import { once } from 'node:events'
import { pino } from 'pino'
import t from 'tap'
import { encode } from '../../src/dhcp/encode.ts'
import { dhcpOption, getOption, messageTypes } from '../../src/dhcp/options/table.ts'
import { parse } from '../../src/dhcp/packet.ts'
import type { DhcpPacket } from '../../src/dhcp/packet.ts'
import { dhcpServer } from '../../src/dhcp/server.ts'
import type { DhcpDeps } from '../../src/dhcp/server.ts'
import { systemClock } from '../../src/model/clock.ts'
import type { Facts, Stage } from '../../src/timeline/stage.ts'
import { clients, ip4, machine, mac, request, requestType } from './packets.ts'

const loopback = ip4('127.0.0.1')
type Running = { port: number; proxyPort: number | undefined; stages: { stage: Stage; facts: Facts }[] }

async function withServer(change: Partial<DhcpDeps>, use: (server: Running) => Promise<void>): Promise<void> {
  const stop = new AbortController()
  const stages: Running['stages'] = []
  let part: Promise<void> | undefined
  const ports = await new Promise<Omit<Running, 'stages'>>((resolve, reject) => {
    part = dhcpServer({
      machineByMac: (asked) => (asked === mac ? machine : undefined),
      scriptUrl: () => 'http://127.0.0.1/script',
      record: (_mac, stage, facts = {}) => stages.push({ stage, facts }),
      log: pino({ level: 'silent' }),
      clock: systemClock,
      serverIp: loopback,
      interfaces: [],
      port: 0,
      proxyPort: 0,
      httpPort: 7171,
      onListening: (port, proxyPort) => resolve({ port, proxyPort }),
      ...change,
    })(stop.signal)
    part.catch(reject)
  })
  try {
    await use({ ...ports, stages })
  } finally {
    stop.abort()
    await part
  }
}

async function socketAt(address: string): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4')
  socket.bind(0, address)
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  return socket
}

const asks = (values = {}, chaddr?: Uint8Array) =>
  encode(request({ ...requestType, ...clients.ovmfPxe, ...values }, chaddr ? { chaddr } : {})).bytes

t.test('a client that asks on the proxy port is answered on the port that it sent from', async (t) => {
  await withServer({ mode: 'proxy' }, async ({ proxyPort, stages }) => {
    const socket = await socketAt('127.0.0.2')
    socket.send(asks(), proxyPort!, loopback)
    const [bytes, from] = (await once(socket, 'message')) as [Buffer, dgram.RemoteInfo]
    const packet = parse(bytes) as DhcpPacket
    t.match(packet, { op: 2, file: 'ipxe.efi', yiaddr: '0.0.0.0', siaddr: loopback })
    t.equal(getOption(packet.options, dhcpOption.messageType), messageTypes.ack)
    t.equal(getOption(packet.options, dhcpOption.vendorClass), 'PXEClient')
    t.same([from.address, from.port], [loopback, proxyPort])
    t.match(stages, [{ stage: 'dhcp-request' }, { stage: 'dhcp-ack', facts: { file: 'ipxe.efi' } }])
  })
})

t.test('in reservation mode there is no proxy port', async (t) => {
  await withServer({}, async ({ proxyPort }) => {
    t.equal(proxyPort, undefined)
  })
})

t.test('a client that floods is answered within its rate, and said so once; others are served', async (t) => {
  const clientRate = { perSecond: 1, burst: 5 }
  const other = Uint8Array.of(2, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
  const machineByMac: DhcpDeps['machineByMac'] = () => machine
  await withServer({ mode: 'proxy', clientRate, machineByMac }, async ({ proxyPort, stages }) => {
    const [loud, calm] = [await socketAt('127.0.0.2'), await socketAt('127.0.0.3')]
    let answers = 0
    loud.on('message', () => (answers += 1))
    for (let time = 0; time < 200; time += 1) loud.send(asks(), proxyPort!, loopback)
    calm.send(asks({}, other), proxyPort!, loopback)
    await once(calm, 'message')
    t.ok(answers >= 5 && answers < 20, `${answers} of 200`)
    t.equal(stages.filter(({ facts }) => facts['why'] === 'rate-limited').length, 1)
  })
})

t.test('while the inventory is not known, no machine is called unknown', async (t) => {
  const machineByMac: DhcpDeps['machineByMac'] = () => undefined
  await withServer(
    { mode: 'auto-proxy', ready: () => false, machineByMac },
    async ({ proxyPort, stages }) => {
      const socket = await socketAt('127.0.0.2')
      socket.send(asks(), proxyPort!, loopback)
      while (stages.length < 2) await systemClock.sleep(5)
      t.match(stages, [{ stage: 'dhcp-request' }, { stage: 'dhcp-silent', facts: { why: 'not-ready' } }])
    },
  )
})
