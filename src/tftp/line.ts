import dgram from 'node:dgram'
import type { Ip4 } from '../model/ip4.ts'

/** A client's socket: its port is its transfer id. */
export type Peer = { ip: Ip4; port: number }

/** The way to one client. */
export type Line = {
  /** What hears the client from now on, and what goes wrong on the way to it. */
  listen(heard: { message(bytes: Uint8Array): void; error(error: NodeJS.ErrnoException): void }): void
  send(bytes: Uint8Array): void
  close(): void
}

/** Makes a socket for addresses that are always numeric: no resolver on the way. */
export const udpSocket = (): dgram.Socket => dgram.createSocket({ type: 'udp4', lookup: numeric as never })

const numeric = (
  host: string,
  _options: unknown,
  found: (error: null, address: string, family: number) => void,
) => found(null, host, 4)

/**
 * A socket for this client alone, connected to it: packets of others never reach it (RFC 1350 §4), and its port shows at
 * once when the client has gone.
 * @throws Error of the socket
 */
export async function ownLine(address: Ip4, peer: Peer): Promise<Line> {
  const socket = udpSocket()
  try {
    await connect(socket, address, peer)
  } catch (error) {
    socket.close()
    throw error
  }
  return {
    listen({ message, error }) {
      socket.on('message', message)
      socket.on('error', error)
    },
    send: (bytes) => socket.send(bytes),
    close: () => socket.close(),
  }
}

function connect(socket: dgram.Socket, address: Ip4, peer: Peer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address, port: 0, exclusive: true }, () => {
      socket.connect(peer.port, peer.ip, () => {
        socket.off('error', reject)
        resolve()
      })
    })
  })
}

/** A way through the server's own socket, whose owner hands on what this client sends. */
export type SharedLine = Line & { received(bytes: Uint8Array): void }

/** Answers leave from the port that was asked, not from one of their own: some firewalls pass nothing else. */
export function sharedLine(socket: dgram.Socket, { ip, port }: Peer): SharedLine {
  let received: ((bytes: Uint8Array) => void) | undefined
  return {
    listen: ({ message }) => void (received = message),
    received: (bytes) => received?.(bytes),
    send: (bytes) => socket.send(bytes, port, ip),
    close: () => void (received = undefined),
  }
}
