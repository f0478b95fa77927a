import dgram from 'node:dgram'
import { once } from 'node:events'
import { pino } from 'pino'
import t from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import { encode } from '../../src/dhcp/encode.ts'
import { dhcpOption, getOption, messageTypes } from '../../src/dhcp/options/table.ts'
import { parse } from '../../src/dhcp/packet.ts'
import type { DhcpPacket } from '../../src/dhcp/packet.ts'
import { dhcpServer } from '../../src/dhcp/server.ts'
import type { DhcpDeps } from '../../src/dhcp/server.ts'
import type { Stage } from '../../src/timeline/stage.ts'
import { ip4, machine, mac, request, requestType } from './packets.ts'

const loopback = ip4('127.0.0.1')
/** Also loopback, so that a renewal is answered by unicast without privileges. */
const client = { ...machine, ip: ip4('127.0.0.2') }

type Running = { port: number; stages: Stage[]; lines: string[] }

async function withServer(change: Partial<DhcpDeps>, use: (server: Running) => Promise<void>): Promise<void> {
  const stop = new AbortController()
  const stages: Stage[] = []
  const lines: string[] = []
  let part: Promise<void> | undefined
  const port = new Promise<number>((resolve, reject) => {
    part = dhcpServer({
      machineByMac: (asked) => (asked === mac ? client : undefined),
      scriptUrl: () => 'http://127.0.0.1/script',
      record: (_mac, stage) => stages.push(stage),
      log: pino({ level: 'info' }, { write: (line: string) => lines.push(line) }),
      clock: systemClock,
      serverIp: loopback,
      interfaces: [],
      port: 0,
      httpPort: 7171,
      onListening: resolve,
      ...change,
    })(stop.signal)
    part.catch(reject)
  })
  try {
    await use({ port: await port, stages, lines })
  } finally {
    stop.abort()
    await part
  }
}

async function clientSocket(port: number): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4')
  socket.bind(port + 1, '127.0.0.2')
  await once(socket, 'listening')
  return socket
}

const renewal = (fields: Partial<DhcpPacket> = {}) =>
  encode(request(requestType, { ciaddr: client.ip, ...fields })).bytes

t.test('a renewal is answered by unicast from the advertised address', async (t) => {
  await withServer({}, async ({ port, stages }) => {
    const socket = await clientSocket(port)
    t.teardown(() => socket.close())
    socket.send(renewal(), port, loopback)
    const [bytes, from] = (await once(socket, 'message')) as [Buffer, dgram.RemoteInfo]
    const packet = parse(bytes) as DhcpPacket
    t.match(packet, { op: 2, yiaddr: client.ip, xid: 0x1234abcd })
    t.equal(getOption(packet.options, dhcpOption.messageType), messageTypes.ack)
    t.same([from.address, from.port], [loopback, port])
    t.same(stages, ['dhcp-request', 'dhcp-ack'])
  })
})

t.test('junk, unknown machines and a lookup that fails do not end the server', async (t) => {
  const machineByMac: DhcpDeps['machineByMac'] = (asked) => {
    if (asked.startsWith('ff')) throw new Error('lookup broke')
    return asked === mac ? client : undefined
  }
  await withServer({ machineByMac }, async ({ port, stages, lines }) => {
    const socket = await clientSocket(port)
    t.teardown(() => socket.close())
    const stranger = new Uint8Array(16).fill(2)
    const failing = new Uint8Array(16).fill(255)
    for (const bytes of [new Uint8Array(0), new Uint8Array(300), renewal({ op: 2 })])
      socket.send(bytes, port, loopback)
    for (let time = 0; time < 3; time += 1) socket.send(renewal({ chaddr: stranger }), port, loopback)
    socket.send(renewal({ chaddr: failing }), port, loopback)
    socket.send(renewal({ giaddr: ip4('255.255.255.255') }), port, loopback)
    socket.send(renewal(), port, loopback)
    await once(socket, 'message')
    t.equal(stages.filter((stage) => stage === 'dhcp-silent').length, 1, 'a stranger is noted once')
    t.equal(lines.filter((line) => line.includes('unknown machine')).length, 1)
    t.equal(lines.filter((line) => line.includes('lookup broke')).length, 1)
  })
})

t.test('a port in use, an address and an interface that are not ours are clear failures', async (t) => {
  await withServer({}, async ({ port }) => {
    const again = withServer({ port }, async () => {})
    await t.rejects(again, { code: 'Unavailable', message: new RegExp(`0\\.0\\.0\\.0:${port}: EADDRINUSE`) })
  })
  const elsewhere = withServer({ serverIp: ip4('203.0.113.9') }, async () => {})
  await t.rejects(elsewhere, { code: 'Unavailable', message: /203\.0\.113\.9:[0-9]+: EADDRNOTAVAIL/ })
  const noDevice = withServer({ interfaces: ['lo', 'nosuch0'] }, async () => {})
  await t.rejects(noDevice, { code: 'Unavailable', message: /interface nosuch0: (ENODEV|EPERM)/ })
})

t.test('a server that is stopped before it starts ends at once', async () => {
  await dhcpServer({} as DhcpDeps)(AbortSignal.abort())
})
