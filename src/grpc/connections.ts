import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'

/** One TCP connection, whatever goes on in it. */
export type Connection = {
  /** a name that no other connection of this server has */
  id: string
  /** of the other end */
  address: string
  isOpen(): boolean
  /** calls `listener` once it is closed */
  onClose(listener: () => void): void
  /** notes that the other end has shown, or was taken at its word, who it is */
  know(): void
}

export type Connections = {
  add(socket: Socket): void
  /** @param peer as grpc-js tells it; `undefined` when the connection is already gone */
  of(peer: string): Connection | undefined
  all(): Socket[]
}

/** Of connections that nobody is known by, so many stay open for each address, and in all: the oldest makes room. */
const mostStrangers = { ofAddress: 1024, inAll: 4096 }

const tellEveryMs = 60_000

export function createConnections(
  clock: Pick<Clock, 'now'>,
  log: Pick<Logger, 'warn'>,
  most = mostStrangers,
): Connections {
  let toldAt = Number.NEGATIVE_INFINITY
  const full = (address: string) => {
    if (clock.now() < toldAt + tellEveryMs) return
    toldAt = clock.now()
    log.warn({ address }, 'too many connections without a known agent: the oldest are closed')
  }
  const sockets = new Set<Socket>()
  const byPeer = new Map<string, Connection>()
  const strangers = createStrangers(most, full)
  return {
    add: (socket) => {
      const address = socket.remoteAddress ?? ''
      const peer = `${address}:${socket.remotePort}`
      sockets.add(socket)
      strangers.add(address, socket)
      byPeer.set(peer, {
        id: randomUUID(),
        address,
        isOpen: () => sockets.has(socket),
        onClose: (listener) => void socket.once('close', listener),
        know: () => strangers.remove(address, socket),
      })
      socket.setMaxListeners(0)
      socket.once('close', () => {
        sockets.delete(socket)
        byPeer.delete(peer)
        strangers.remove(address, socket)
      })
      socket.on('error', () => socket.destroy())
    },
    of: (peer) => byPeer.get(peer),
    all: () => [...sockets],
  }
}

function createStrangers(most: typeof mostStrangers, full: (address: string) => void) {
  const all = new Set<Socket>()
  const byAddress = new Map<string, Set<Socket>>()
  const remove = (address: string, socket: Socket) => {
    all.delete(socket)
    const group = byAddress.get(address)
    group?.delete(socket)
    if (group?.size === 0) byAddress.delete(address)
  }
  return {
    add: (address: string, socket: Socket) => {
      const group = byAddress.get(address) ?? new Set()
      byAddress.set(address, group.add(socket))
      all.add(socket)
      const isFull = group.size > most.ofAddress
      if (!isFull && all.size <= most.inAll) return
      const [oldest] = isFull ? group : all
      if (!oldest) return
      full(address)
      remove(oldest.remoteAddress ?? address, oldest)
      oldest.destroy()
    },
    remove,
  }
}
