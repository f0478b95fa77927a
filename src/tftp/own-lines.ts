import type dgram from 'node:dgram'
import type { Ip4 } from '../model/ip4.ts'
import { eachPacket, udpSocket } from './line.ts'
import type { Heard, Line, Peer } from './line.ts'
import { loadSystem } from './system.ts'
import type { System } from './system.ts'

/** longest that clients are answered before other work of the process gets its turn, ms */
const longestTurnMs = 2
/** how long a client alone is waited for without sleep, ms: waking up takes longer than most answers on the same network */
const alertMs = 0.1
/** after a client that took longer, so many messages at most come without such a wait */
const mostSleeps = 256
/** a client says no more than an acknowledgement or an error; what is longer is cut off */
const longestMessage = 2048
/** octets and packets that the system cuts apart at once (UDP_MAX_SEGMENTS of Linux) */
const mostAtOnce = { octets: 64_000, packets: 64 }
/** how often the system may refuse that before it is not asked again */
const mostRefusals = 3

/** Sockets of transfers. */
export type OwnLines = {
  /** @throws Error of the system, with its code */
  open(address: Ip4, peer: Peer): Line
  /** to be called when all lines are closed */
  close(): void
}

/**
 * A socket for each client alone, connected to it: packets of others never reach it (RFC 1350 §4), and its port shows at
 * once when the client has gone. Node waits for all of them. While several have something to say, they are looked at
 * directly, since Node's way costs two calls of the system and a buffer of 64 KiB for each acknowledgement; one alone is
 * waited for awake, as long as it answers at once.
 */
export function openOwnLines(system: System = loadSystem()): OwnLines {
  const poll = system.openPoll()
  const lines = new Map<number, OwnLine>()
  const input = Buffer.alloc(longestMessage)
  const take = (line: OwnLine): boolean => {
    const length = system.receive(line.fd, input)
    if (length >= 0) line.heard?.message(input.subarray(0, length))
    return length >= 0
  }
  const alertness = createAlertness()
  const takeAnswers = (line: OwnLine) => {
    if (!alertness.mayWait()) return
    let now = performance.now()
    const end = now + longestTurnMs
    let until = now + alertMs
    let taken = 0
    while (line.heard && now < until && now < end) {
      const isTaken = take(line)
      now = performance.now()
      if (!isTaken) continue
      until = now + alertMs
      taken += 1
    }
    alertness.waited(taken === 0)
  }
  const takeAll = (line: OwnLine) => {
    if (lines.size === 1) return takeAnswers(line)
    const end = performance.now() + longestTurnMs
    do {
      const ready = system.ready(poll)
      if (ready.length === 0) return
      for (const fd of ready) {
        const line = lines.get(fd)
        if (line) take(line)
      }
    } while (performance.now() < end)
  }
  return {
    open(address, peer) {
      const fd = system.connected(address, peer)
      const line = new OwnLine(system, fd, peer, takeAll, () => lines.delete(fd))
      try {
        system.watch(poll, fd)
      } catch (error) {
        line.close()
        throw error
      }
      lines.set(fd, line)
      return line
    },
    close: () => system.close(poll),
  }
}

/** Whether it pays to wait awake: less and less often when it did not. */
function createAlertness() {
  let sleeps = 0
  let left = 0
  return {
    mayWait(): boolean {
      left -= 1
      return left < 0
    },
    waited(inVain: boolean): void {
      sleeps = inVain ? Math.min(mostSleeps, sleeps * 2 + 1) : 0
      left = sleeps
    },
  }
}

class OwnLine implements Line {
  readonly fd: number
  heard: Heard | undefined
  readonly #system: System
  readonly #peer: Peer
  readonly #socket: dgram.Socket
  readonly #closed: () => void
  /** packets of which size the system cuts apart by itself; 0 = none, -1 = it cannot */
  #cutting = 0
  #refusals = 0
  /** whether Node may still have packets, which the next ones must not overtake */
  #isWaiting = false

  constructor(system: System, fd: number, peer: Peer, after: (line: OwnLine) => void, closed: () => void) {
    this.fd = fd
    this.#system = system
    this.#peer = peer
    this.#closed = closed
    this.#socket = udpSocket()
    this.#socket.bind({ fd })
    this.#socket.on('message', (bytes) => {
      this.heard?.message(bytes)
      after(this)
    })
    this.#socket.on('error', (error) => this.heard?.error(error))
  }

  listen(heard: Heard): void {
    this.heard = heard
  }

  send(bytes: Uint8Array): void {
    if (!this.heard) return
    if (this.#cutting > 0) this.#cut(0)
    this.#sendOne(bytes)
  }

  sendAll(packets: Uint8Array, packetSize: number): void {
    if (!this.heard) return
    if (packets.length <= packetSize || this.#waits() || !this.#cut(packetSize))
      return eachPacket(packets, packetSize, (packet) => this.#sendOne(packet))
    const most = Math.min(mostAtOnce.packets, Math.floor(mostAtOnce.octets / packetSize)) * packetSize
    eachPacket(packets, most, (some) => this.#sendSome(some, packetSize))
  }

  close(): void {
    this.heard = undefined
    this.#closed()
    this.#socket.close()
  }

  /** The system refuses where its network device cannot do it, or the packets are longer than a frame, or it is full. */
  #sendSome(packets: Uint8Array, packetSize: number): void {
    if (!this.heard) return
    if (!this.#waits()) {
      if (this.#isSent(packets)) return
      this.#cut(0)
      this.#refusals += 1
      if (this.#refusals >= mostRefusals) this.#cutting = -1
    }
    eachPacket(packets, packetSize, (packet) => this.#sendOne(packet))
  }

  /** What the system does not take, Node sends when it does; and it reports what is wrong, once that shows again. */
  #sendOne(packet: Uint8Array): void {
    if (!this.heard) return
    if (!this.#waits()) {
      if (this.#isSent(packet)) return
      this.#isWaiting = true
    }
    this.#socket.send(Buffer.from(packet), this.#peer.port, this.#peer.ip)
  }

  #waits(): boolean {
    return this.#isWaiting && (this.#isWaiting = this.#socket.getSendQueueCount() > 0)
  }

  #isSent(bytes: Uint8Array): boolean {
    return this.#system.send(this.fd, bytes, bytes.length) >= 0
  }

  /** @returns whether what is sent from now on is cut into packets of that size */
  #cut(packetSize: number): boolean {
    if (this.#cutting === packetSize) return true
    if (this.#cutting < 0 || packetSize > mostAtOnce.octets / 2) return false
    this.#cutting = this.#system.segment(this.fd, packetSize) ? packetSize : -1
    return this.#cutting === packetSize
  }
}
