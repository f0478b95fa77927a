import { ip4FromNumber } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import { socketAddress } from './socket.ts'
import type { Endpoint, System } from './socket.ts'

export type Sender = { address: string; port: number }

/** @param bytes are there until it returns */
export type Hear = (bytes: Uint8Array, from: Sender) => void

/** Sends before it returns, or tells `failed` why not. */
export type Send = (bytes: Uint8Array, ip: Ip4, port: number, failed: (why: string) => void) => void

/** messages of one socket that we read in one turn of the event loop */
const mostInTurn = 64
const largest = 65_536

/**
 * Hears what comes to a socket. Node tells of a message, and makes a buffer and several objects for each; so it is asked
 * for the first one only, and those that came with it are read by the system's call, into the same octets each time.
 */
export function listen(endpoint: Endpoint, system: System, hear: Hear): void {
  const { socket, fd } = endpoint
  const input = new Uint8Array(largest)
  const from = new Uint8Array(16)
  const senderOf = createSenders()
  let left = mostInTurn

  function readMore(): void {
    if (left === mostInTurn) setImmediate(() => (left = mostInTurn))
    while (left > 0 && endpoint.isOpen) {
      left -= 1
      const length = system.receive(fd, input, from)
      if (length === 'EAGAIN') return
      if (typeof length === 'string') return void socket.emit('error', new Error(`recvfrom ${length}`))
      hear(input.subarray(0, length), senderOf(from))
    }
  }

  socket.on('message', (bytes, sender) => {
    hear(bytes, sender)
    readMore()
  })
}

/** Reads socket addresses; one relay sends for many machines. */
function createSenders(): (from: Uint8Array) => Sender {
  let sender: Sender = { address: '', port: 0 }
  let known: number | undefined
  return (from) => {
    const ip = ((from[4]! << 24) | (from[5]! << 16) | (from[6]! << 8) | from[7]!) >>> 0
    const port = from[2]! * 256 + from[3]!
    const both = ip * 65_536 + port
    if (both !== known) sender = { address: ip4FromNumber(ip), port }
    known = both
    return sender
  }
}

/** Sends from a socket; what the system does not take at once, Node sends as soon as it does. */
export function createSend(endpoint: Endpoint, system: System): Send {
  const { socket, fd } = endpoint
  let to: Uint8Array = new Uint8Array(0)
  let known = { ip: '' as Ip4, port: 0 }
  return (bytes, ip, port, failed) => {
    if (ip !== known.ip || port !== known.port) {
      known = { ip, port }
      to = socketAddress(ip, port)
    }
    const fault = endpoint.isOpen ? system.send(fd, bytes, to) : 'EBADF'
    if (fault === undefined) return
    if (fault !== 'EAGAIN') return failed(`send ${fault} ${ip}:${port}`)
    socket.send(Uint8Array.from(bytes), port, ip, (error) => error && failed(error.message))
  }
}
