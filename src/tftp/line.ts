import dgram from 'node:dgram'
import type { Ip4 } from '../model/ip4.ts'

/** A client's socket: its port is its transfer id. */
export type Peer = { ip: Ip4; port: number }

/** What hears the client, and what goes wrong on the way to it. `bytes` are only there during the call. */
export type Heard = { message(bytes: Uint8Array): void; error(error: NodeJS.ErrnoException): void }

/** The way to one client. */
export type Line = {
  listen(heard: Heard): void
  /** `bytes` are the caller's again at once. */
  send(bytes: Uint8Array): void
  /** Sends packets that lie one behind the other: all of `packetSize` octets, the last one maybe shorter. */
  sendAll(packets: Uint8Array, packetSize: number): void
  close(): void
}

/** Makes a socket for addresses that are always numeric: no resolver on the way. */
export const udpSocket = (): dgram.Socket => dgram.createSocket({ type: 'udp4', lookup: numeric as never })

const numeric = (
  host: string,
  _options: unknown,
  found: (error: null, address: string, family: number) => void,
) => found(null, host, 4)

/** Hands on one after the other of packets that lie one behind the other. */
export function eachPacket(
  packets: Uint8Array,
  packetSize: number,
  send: (packet: Uint8Array) => void,
): void {
  for (let at = 0; at < packets.length; at += packetSize) send(packets.subarray(at, at + packetSize))
}

/** A way through the server's own socket, whose owner hands on what this client sends. */
export type SharedLine = Line & { received(bytes: Uint8Array): void }

/** Answers leave from the port that was asked, not from one of their own: some firewalls pass nothing else. */
export function sharedLine(socket: dgram.Socket, { ip, port }: Peer): SharedLine {
  let received: ((bytes: Uint8Array) => void) | undefined
  // Node may send later, and the memory is the caller's
  const send = (bytes: Uint8Array) => socket.send(Buffer.from(bytes), port, ip)
  return {
    listen: ({ message }) => void (received = message),
    received: (bytes) => received?.(bytes),
    send,
    sendAll: (packets, packetSize) => eachPacket(packets, packetSize, send),
    close: () => void (received = undefined),
  }
}
