import { ip4FromNumber } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import { broadcastIp } from './packet.ts'
import { socketAddress } from './socket.ts'
import type { Endpoint, System } from './socket.ts'

export type Sender = { address: string; port: number }

/** @param bytes are there until it returns */
export type Hear = (bytes: Uint8Array, from: Sender) => void

/** Takes a copy of the octets; tells `failed` why they cannot be sent. */
export type Send = (bytes: Uint8Array, ip: Ip4, port: number, failed: Failed) => void

/** messages of one socket that we read in one turn of the event loop */
const mostInTurn = 64
const largest = 65_536

/**
 * Hears what comes to a socket. Node tells of a message, and makes a buffer and several objects for each; so it is asked
 * for the first one only, and those that came with it are read by the system's call, into the same octets each time.
 */
export function listen(endpoint: Endpoint, system: System, together: Sending['together'], hear: Hear): void {
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
    together(() => {
      hear(bytes, sender)
      readMore()
    })
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

/** Sends from a socket. */
export type Sending = {
  send: Send
  /** What `work` sends to one relay leaves together when it returns: the system has the way to a relay to go but once. */
  together(work: () => void): void
}

/** What the system does not take at once, Node sends as soon as it does. */
export function createSending(endpoint: Endpoint, system: System): Sending {
  const { socket, fd } = endpoint
  const gathered = createGathered()
  let to: Uint8Array = new Uint8Array(0)
  let known = { ip: '' as Ip4, port: 0 }
  let isGathering = false
  /** messages of which size the system cuts apart; 0 = none, -1 = it cannot */
  let cutting = 0

  function sendOne(bytes: Uint8Array, ip: Ip4, port: number, failed: Failed): void {
    if (ip !== known.ip || port !== known.port) {
      known = { ip, port }
      to = socketAddress(ip, port)
    }
    if (cutting > 0 && bytes.length > cutting) cut(0)
    const fault = endpoint.isOpen ? system.send(fd, bytes, to) : 'EBADF'
    if (fault === undefined) return
    if (fault !== 'EAGAIN') return failed(`send ${fault} ${ip}:${port}`)
    socket.send(Uint8Array.from(bytes), port, ip, (error) => error && failed(error.message))
  }

  function cut(size: number): boolean {
    if (cutting === size) return true
    if (cutting < 0 || !endpoint.isOpen) return false
    cutting = system.segment(fd, size) ? size : -1
    return cutting === size
  }

  function flush(): void {
    const { count, size, ip, port } = gathered
    if (count === 0) return
    if (count > 1 && cut(size)) {
      to = socketAddress(ip, port)
      known = { ip, port }
      if (system.send(fd, gathered.octets(), to) === undefined) return gathered.empty()
      // where the way out cannot do it (a tunnel, a small MTU), it never will
      cut(0)
      cutting = -1
    }
    gathered.each((bytes, failed) => sendOne(bytes, ip, port, failed))
    gathered.empty()
  }

  return {
    send(bytes, ip, port, failed) {
      const isAlone = !isGathering || cutting < 0 || ip === broadcastIp || bytes.length > longest
      if (isAlone || !gathered.fits(bytes, ip, port)) flush()
      if (isAlone) return sendOne(bytes, ip, port, failed)
      gathered.add(bytes, ip, port, failed)
    },
    together(work) {
      isGathering = true
      try {
        work()
      } finally {
        isGathering = false
        flush()
      }
    },
  }
}

type Failed = (why: string) => void

/** messages that go out together at most: the first one waits for the last */
const mostTogether = 16
const longest = 1500

/** Messages to one place and of one size; the last may be shorter (UDP_SEGMENT). */
function createGathered() {
  const buffer = new Uint8Array(mostTogether * longest)
  let ends: number[] = []
  let failures: Failed[] = []
  const end = () => ends.at(-1) ?? 0
  return {
    count: 0,
    size: 0,
    ip: '' as Ip4,
    port: 0,
    fits(bytes: Uint8Array, ip: Ip4, port: number): boolean {
      if (this.count === 0) return true
      const isSame = ip === this.ip && port === this.port && bytes.length <= this.size
      const isWhole = end() === this.count * this.size
      return isSame && isWhole && this.count < mostTogether && end() + bytes.length <= buffer.length
    },
    add(bytes: Uint8Array, ip: Ip4, port: number, failed: Failed): void {
      if (this.count === 0) Object.assign(this, { size: bytes.length, ip, port })
      buffer.set(bytes, end())
      ends.push(end() + bytes.length)
      failures.push(failed)
      this.count += 1
    },
    octets: () => buffer.subarray(0, end()),
    each(use: (bytes: Uint8Array, failed: Failed) => void): void {
      for (const [at, failed] of failures.entries()) use(buffer.subarray(ends[at - 1] ?? 0, ends[at]), failed)
    },
    empty(): void {
      this.count = 0
      ends = []
      failures = []
    },
  }
}
