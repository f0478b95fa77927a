import dgram from 'node:dgram'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
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
import type { Facts, Stage } from '../../src/timeline/stage.ts'
import { ip4, machine, mac, request, requestType } from './packets.ts'

const loopback = ip4('127.0.0.1')
/** Also loopback, so that a renewal is answered by unicast without privileges. */
const client = { ...machine, ip: ip4('127.0.0.2') }

type Running = { port: number; stages: { stage: Stage; facts: Facts }[]; lines: string[] }

async function withServer(change: Partial<DhcpDeps>, use: (server: Running) => Promise<void>): Promise<void> {
  const stop = new AbortController()
  const stages: Running['stages'] = []
  const lines: string[] = []
  let part: Promise<void> | undefined
  const port = new Promise<number>((resolve, reject) => {
    part = dhcpServer({
      machineByMac: (asked) => (asked === mac ? client : undefined),
      scriptUrl: () => 'http://127.0.0.1/script',
      record: (_mac, stage, facts = {}) => stages.push({ stage, facts }),
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
    t.match(stages, [{ stage: 'dhcp-request' }, { stage: 'dhcp-ack' }])
  })
})

t.test('messages that come at once are answered one by one, each with its own transaction', async (t) => {
  await withServer({}, async ({ port, stages }) => {
    const socket = await clientSocket(port)
    t.teardown(() => socket.close())
    const wanted = Array.from({ length: 150 }, (_, index) => index + 1)
    const heard: number[] = []
    const all = new Promise<void>((resolve) => {
      socket.on('message', (bytes) => {
        const packet = parse(bytes) as DhcpPacket
        t.equal(packet.yiaddr, client.ip)
        heard.push(packet.xid)
        if (heard.length === wanted.length) resolve()
      })
    })
    for (const xid of wanted) socket.send(renewal({ xid, secs: xid }), port, loopback)
    await all
    t.same(heard, wanted)
    t.equal(stages.length, 2 * wanted.length)
    t.equal(new Set(stages.map(({ facts }) => facts)).size, 2, 'what is known is not made again')
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
    const reasons = stages.filter(({ stage }) => stage === 'dhcp-silent').map(({ facts }) => facts['why'])
    t.same(reasons, ['unknown-machine', 'bad-address'], 'a stranger is noted once')
    t.equal(lines.filter((line) => line.includes('unknown machine')).length, 1)
    t.equal(lines.filter((line) => line.includes('lookup broke')).length, 1)
  })
})

t.test('a machine that declines, or whose answer has to be cut, is loud once', async (t) => {
  const routes = Array.from({ length: 40 }, (_, index) => ({
    destination: `10.${index}.0.0/16`,
    router: loopback,
  }))
  const wordy = { ...client, routes, hostname: 'h'.repeat(200) }
  await withServer({ machineByMac: () => wordy }, async ({ port, stages, lines }) => {
    const socket = await clientSocket(port)
    t.teardown(() => socket.close())
    const decline = encode(request({ 53: [4], 50: [127, 0, 0, 2] })).bytes
    for (let time = 0; time < 50; time += 1) socket.send(decline, port, loopback)
    for (let time = 0; time < 3; time += 1) {
      socket.send(renewal(), port, loopback)
      await once(socket, 'message')
    }
    const loud = lines.map((line) => JSON.parse(line) as { level: number; msg: string; ip?: string })
    const declined = loud.filter(({ msg }) => msg.includes('declines its address'))
    t.match(declined, [{ level: 40, mac, ip: '127.0.0.2' }])
    t.match(
      loud.filter(({ msg }) => msg.includes('do not fit')),
      [{ level: 40, leftOut: [121] }],
    )
    t.match(stages[0], { stage: 'dhcp-silent', facts: { type: 'decline', ip: '127.0.0.2', why: 'declined' } })
  })
})

t.test('a socket that fails is opened anew', async (t) => {
  const sockets: dgram.Socket[] = []
  const opened = (message: unknown) => void sockets.push((message as { socket: dgram.Socket }).socket)
  subscribe('udp.socket', opened)
  t.teardown(() => unsubscribe('udp.socket', opened))
  const clock = { ...systemClock, sleep: (_ms: number, stop?: AbortSignal) => systemClock.sleep(5, stop) }
  await withServer({ clock }, async ({ port, lines }) => {
    for (const failing of sockets.slice(0, 2)) failing.emit('error', new Error('recvmsg ENETDOWN'))
    await systemClock.sleep(50)
    const socket = await clientSocket(port)
    t.teardown(() => socket.close())
    socket.send(renewal(), port, loopback)
    const [bytes] = (await once(socket, 'message')) as [Buffer]
    t.match(parse(bytes), { op: 2, yiaddr: client.ip })
    const said = lines.map((line) => (JSON.parse(line) as { msg: string }).msg)
    t.same(said, ['dhcp listens', 'dhcp: a socket failed', 'dhcp has its interface'])
  })
})

t.test('a port in use is a clear failure', async (t) => {
  await withServer({}, async ({ port }) => {
    const again = withServer({ port }, async () => {})
    await t.rejects(again, { code: 'Unavailable', message: new RegExp(`0\\.0\\.0\\.0:${port}: EADDRINUSE`) })
  })
})

const absent: { name: string; change: Partial<DhcpDeps>; why: RegExp }[] = [
  {
    name: 'an address that is not here',
    change: { serverIp: ip4('203.0.113.9') },
    why: /203\.0\.113\.9:[0-9]+: EADDRNOTAVAIL/,
  },
  {
    name: 'an interface that is not here',
    change: { interfaces: ['nosuch0'] },
    why: /interface nosuch0: ENODEV/,
  },
]
for (const { name, change, why } of absent) {
  t.test(`${name} is waited for, and said once`, async (t) => {
    const stop = new AbortController()
    const lines: string[] = []
    const part = dhcpServer({
      machineByMac: () => undefined,
      scriptUrl: () => '',
      record: () => {},
      log: pino({ level: 'info' }, { write: (line: string) => lines.push(line) }),
      clock: { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(2, signal) },
      serverIp: loopback,
      interfaces: [],
      port: 0,
      httpPort: 7171,
      onListening: () => t.fail('it is not ready'),
      ...change,
    })(stop.signal)
    await systemClock.sleep(60)
    stop.abort()
    await part
    t.equal(lines.length, 1)
    t.match(JSON.parse(lines[0]!), { level: 40, msg: 'dhcp waits for its interface', why })
  })
}

t.test('a server that is stopped before it starts ends at once', async () => {
  await dhcpServer({} as DhcpDeps)(AbortSignal.abort())
})
