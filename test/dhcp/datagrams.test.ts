import dgram from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { createSending } from '../../src/dhcp/datagrams.ts'
import { closeChannel, loadSystem, openChannel } from '../../src/dhcp/socket.ts'
import type { System } from '../../src/dhcp/socket.ts'
import type { Ip4 } from '../../src/model/ip4.ts'

const loopback = '127.0.0.1' as Ip4
const system = loadSystem()

/** Relays of which each keeps what it hears, in hexadecimal. */
async function relays(t: { after(work: () => void): void }, count: number) {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = dgram.createSocket('udp4')
      const heard: string[] = []
      socket.on('message', (bytes) => heard.push(bytes.toString('hex')))
      socket.bind(0, loopback)
      await once(socket, 'listening')
      t.after(() => socket.close())
      return { port: socket.address().port, heard }
    }),
  )
}

function sending(t: { after(work: () => void): void }, calls: Partial<System> = {}) {
  const channel = openChannel(loopback, 0, undefined, system)
  t.after(() => closeChannel(channel))
  return { ...createSending(channel.own, { ...system, ...calls }), channel }
}

const message = (length: number, fill: number) => Buffer.alloc(length, fill)
const failed = (why: string) => t.fail(why)

/** lengths as they come: equal ones, a shorter one within, a longer one, more than go out at once, one too long for it */
const lengths = [300, 300, 300, 280, 300, 310, 310, 240, ...Array<number>(40).fill(548), 1, 1900, 300]

async function until(isSo: () => boolean) {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
}

const ways: { name: string; calls: Partial<System> }[] = [
  { name: 'cut apart by the system', calls: {} },
  { name: 'of a system that cannot', calls: { segment: () => false } },
  {
    name: 'of a way out that refuses them together',
    calls: { send: (fd, bytes, to) => (bytes.length > 2000 ? 'EIO' : system.send(fd, bytes, to)) },
  },
]

for (const { name, calls } of ways)
  t.test(`messages that leave together come one by one, whole and in order: ${name}`, async (t) => {
    const [relay] = await relays(t, 1)
    const { send, together } = sending(t, calls)
    const messages = lengths.map((length, at) => message(length, at))
    together(() => {
      for (const bytes of messages) send(bytes, loopback, relay!.port, failed)
    })
    send(message(600, 7), loopback, relay!.port, failed)
    await until(() => relay!.heard.length > messages.length)
    t.strictSame(
      relay!.heard,
      [...messages, message(600, 7)].map((bytes) => bytes.toString('hex')),
    )
  })

t.test('each relay gets its own, and what is written over afterwards is sent as it was', async (t) => {
  const all = await relays(t, 3)
  const { send, together } = sending(t)
  const bytes = Buffer.alloc(300)
  together(() => {
    for (let at = 0; at < 60; at++) send(bytes.fill(at), loopback, all[at % 3]!.port, failed)
  })
  await until(() => all.every(({ heard }) => heard.length === 20))
  for (const [place, { heard }] of all.entries())
    t.strictSame(
      heard,
      heard.map((_, at) => message(300, at * 3 + place).toString('hex')),
    )
})

t.test('what cannot be sent is told for each message', async (t) => {
  const { send, together, channel } = sending(t, { send: () => 'ENETUNREACH' })
  const told: string[] = []
  together(() => {
    for (let at = 0; at < 3; at++) send(message(300, at), loopback, 9, (why) => told.push(why))
  })
  channel.own.isOpen = false
  send(message(300, 0), loopback, 9, (why) => told.push(why))
  const unreachable = 'send ENETUNREACH 127.0.0.1:9'
  t.strictSame(told, [unreachable, unreachable, unreachable, 'send EBADF 127.0.0.1:9'])
})
