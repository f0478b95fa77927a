import koffi from 'koffi'

/** What the C library calls for; numbers of Linux on x86-64 and arm64, little-endian. */
const linux = {
  inet: 2,
  datagram: 2,
  nonBlocking: 0x800,
  closeOnExec: 0x80000,
  dontWait: 0x40,
  udpLevel: 17,
  udpSegment: 103,
  addToPoll: 1,
  readable: 1,
} as const

/** `struct epoll_event`, which x86-64 alone packs: 32 bits of events, then 64 of ours */
const pollEvent = process.arch === 'x64' ? ({ size: 12, data: 4 } as const) : ({ size: 16, data: 8 } as const)
const mostEvents = 64

/**
 * Sockets without the copies and callbacks that Node has around each packet. A number below 0 means an error; which one
 * is not told, since V8 may have made calls of its own before it could be asked.
 */
export type System = {
  /**
   * @returns the number of a socket that is bound to a free port of `from` and connected to `to`
   * @throws Error with the system's code
   */
  connected(from: string, to: { ip: string; port: number }): number
  close(fd: number): void
  send(fd: number, bytes: Uint8Array, length: number): number
  /** takes what has come, without waiting */
  receive(fd: number, into: Uint8Array): number
  /** cuts what is sent into packets of so many octets (UDP_SEGMENT, udp(7)); 0 switches it off */
  segment(fd: number, octets: number): boolean
  /** a set of sockets to look at */
  openPoll(): number
  watch(poll: number, fd: number): void
  /** numbers of some of the sockets of `poll` that have something to take or to report, without waiting */
  ready(poll: number): number[]
}

export function loadSystem(): System {
  const library = koffi.load(null)
  const call = {
    socket: library.func('int socket(int, int, int)'),
    bind: library.func('int bind(int, const void *, uint32_t)'),
    connect: library.func('int connect(int, const void *, uint32_t)'),
    close: library.func('int close(int)'),
    send: library.func('int64_t send(int, const void *, size_t, int)'),
    receive: library.func('int64_t recv(int, void *, size_t, int)'),
    setOption: library.func('int setsockopt(int, int, int, const void *, uint32_t)'),
    createPoll: library.func('int epoll_create1(int)'),
    control: library.func('int epoll_ctl(int, int, int, const void *)'),
    wait: library.func('int epoll_wait(int, void *, int, int)'),
  }
  const names = new Map(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]))
  const errorCode = () => names.get(koffi.errno()) ?? `error ${koffi.errno()}`
  const checked = (what: string, result: number): number => {
    if (result >= 0) return result
    const code = errorCode()
    throw Object.assign(new Error(`${what} ${code}`), { code })
  }
  const events = Buffer.alloc(mostEvents * pollEvent.size)
  return {
    connected(from, to) {
      const kind = linux.datagram | linux.nonBlocking | linux.closeOnExec
      const fd = checked('socket', call.socket(linux.inet, kind, 0))
      try {
        checked(`bind ${from}`, call.bind(fd, socketAddress(from, 0), 16))
        checked(`connect ${to.ip}:${to.port}`, call.connect(fd, socketAddress(to.ip, to.port), 16))
      } catch (error) {
        call.close(fd)
        throw error
      }
      return fd
    },
    close: (fd) => void call.close(fd),
    send: (fd, bytes, length) => call.send(fd, bytes, length, linux.dontWait),
    receive: (fd, into) => call.receive(fd, into, into.length, linux.dontWait),
    segment(fd, octets) {
      const value = Buffer.alloc(4)
      value.writeInt32LE(octets)
      return call.setOption(fd, linux.udpLevel, linux.udpSegment, value, value.length) === 0
    },
    openPoll: () => checked('epoll_create1', call.createPoll(linux.closeOnExec)),
    watch(poll, fd) {
      const event = Buffer.alloc(pollEvent.size)
      event.writeUInt32LE(linux.readable, 0)
      event.writeInt32LE(fd, pollEvent.data)
      checked('epoll_ctl', call.control(poll, linux.addToPoll, fd, event))
    },
    ready(poll) {
      const count: number = call.wait(poll, events, mostEvents, 0)
      return Array.from({ length: Math.max(0, count) }, (_, at) =>
        events.readInt32LE(at * pollEvent.size + pollEvent.data),
      )
    },
  }
}

/** struct sockaddr_in: family in host order, port and address in network order */
function socketAddress(ip: string, port: number): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt16LE(linux.inet, 0)
  bytes.writeUInt16BE(port, 2)
  bytes.set(ip.split('.').map(Number), 4)
  return bytes
}
