import dgram from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

/**
 * A way to a TFTP server that loses, repeats and reorders datagrams, the same ones each time; the kernel's own (netem) is
 * not everywhere.
 */
export type PoorWay = Disposable & { port: number; lost(): number; passed(): number; overtaken(): number }

/** How often a datagram arrives, 0 = it is lost; `late`: after the next one that goes the same way. */
export type Fate = number | 'late'

export type Datagram = { from: 'client' | 'server'; bytes: Uint8Array }

const host = '127.0.0.1'

/**
 * Stands between clients and the server on `port`. Each client has sockets of its own, as each of its transfers has
 * ports of its own.
 * @param fateOf is asked once for each datagram, in their order
 */
export async function poorWay(port: number, fateOf: (datagram: Datagram) => Fate): Promise<PoorWay> {
  const sockets: dgram.Socket[] = []
  let lost = 0
  let passed = 0
  let overtaken = 0
  const late = new Map<dgram.Socket, () => void>()
  const pass = (from: Datagram['from'], socket: dgram.Socket, bytes: Buffer, to: number) => {
    const fate = fateOf({ from, bytes })
    const times = fate === 'late' ? 1 : fate
    if (times === 0) lost += 1
    passed += times
    if (fate === 'late' && !late.has(socket)) return hold(socket, () => socket.send(bytes, to, host))
    for (let time = 0; time < times; time += 1) socket.send(bytes, to, host)
    if (times > 0 && late.has(socket)) {
      overtaken += 1
      late.get(socket)!()
    }
  }
  /** Sends when something else has gone that way, or nothing does. */
  const hold = (socket: dgram.Socket, send: () => void) => {
    const timer = setTimeout(() => late.get(socket)?.(), 30)
    late.set(socket, () => {
      clearTimeout(timer)
      late.delete(socket)
      if (sockets.includes(socket)) send()
    })
  }
  const opened = async () => {
    const socket = dgram.createSocket('udp4')
    sockets.push(socket)
    socket.bind(0, host)
    await once(socket, 'listening')
    return socket
  }
  const transfer = async (client: number) => {
    const [toServer, toClient] = [await opened(), await opened()]
    let peer = port
    toServer.on('message', (bytes, from) => {
      peer = from.port
      pass('server', toClient, bytes, client)
    })
    toClient.on('message', (bytes) => pass('client', toServer, bytes, peer))
    return toServer
  }
  const transfers = new Map<number, Promise<dgram.Socket>>()
  const front = await opened()
  front.on('message', async (bytes, from) => {
    const known = transfers.get(from.port) ?? transfer(from.port)
    transfers.set(from.port, known)
    pass('client', await known, bytes, port)
  })
  return {
    port: (front.address() as AddressInfo).port,
    lost: () => lost,
    passed: () => passed,
    overtaken: () => overtaken,
    [Symbol.dispose]: () => {
      for (const socket of sockets.splice(0)) socket.close()
    },
  }
}
