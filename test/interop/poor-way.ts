import dgram from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

/** A way to a TFTP server that loses and repeats datagrams, the same ones each time; the kernel's own (netem) is not everywhere. */
export type PoorWay = Disposable & { port: number; lost(): number; passed(): number }

export type Datagram = { from: 'client' | 'server'; bytes: Uint8Array }

const host = '127.0.0.1'

/**
 * Stands between clients and the server on `port`. Each client has sockets of its own, as each of its transfers has
 * ports of its own.
 * @param copies how often a datagram arrives, 0 = it is lost
 */
export async function poorWay(port: number, copies: (datagram: Datagram) => number): Promise<PoorWay> {
  const sockets: dgram.Socket[] = []
  let lost = 0
  let passed = 0
  const pass = (from: Datagram['from'], socket: dgram.Socket, bytes: Buffer, to: number) => {
    const times = copies({ from, bytes })
    if (times === 0) lost += 1
    passed += times
    for (let time = 0; time < times; time += 1) socket.send(bytes, to, host)
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
    [Symbol.dispose]: () => sockets.forEach((socket) => socket.close()),
  }
}
