import koffi from 'koffi'

/**
 * Sockets without an event loop between them and the program, as a program in C has them: what loads a server must be
 * lighter than the server. Numbers are those of Linux on x86-64 and arm64, little-endian.
 */
const library = koffi.load(null)
const calls = {
  socket: library.func('int socket(int, int, int)'),
  bind: library.func('int bind(int, const void *, uint32_t)'),
  connect: library.func('int connect(int, const void *, uint32_t)'),
  setOption: library.func('int setsockopt(int, int, int, const void *, uint32_t)'),
  send: library.func('int64_t sendto(int, const void *, size_t, int, const void *, uint32_t)'),
  receive: library.func('int64_t recvfrom(int, void *, size_t, int, void *, void *)'),
  poll: library.func('int poll(void *, unsigned long, int)'),
  close: library.func('int close(int)'),
}
const linux = { inet: 2, datagram: 2, stream: 1, closeOnExec: 0x80000, dontWait: 0x40, readable: 1 }
const receiveBuffer = { level: 1, option: 33, bytes: 4 << 20 }
/** nothing there; and what an ICMP message reports of a datagram that came too early */
const nothing: readonly number[] = [koffi.os.errno['EAGAIN']!, koffi.os.errno['ECONNREFUSED']!]

export type Place = { ip: string; port: number }
/** number of an open socket */
export type Socket = number

/** @throws Error naming the call and the system's error */
function checked(call: keyof typeof calls, ...args: unknown[]): number {
  const result = calls[call](...args) as number
  if (result >= 0) return result
  const errno = koffi.errno()
  const [name] = Object.entries(koffi.os.errno).find(([, value]) => value === errno) ?? [`error ${errno}`]
  throw new Error(`${call}: ${name}`)
}

/** struct sockaddr_in: family in host order, port and address in network order */
function addressOf({ ip, port }: Place): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt16LE(linux.inet, 0)
  bytes.writeUInt16BE(port, 2)
  bytes.set(ip.split('.').map(Number), 4)
  return bytes
}

/** @param from port 0 takes any free one */
export function openUdp(from: Place): Socket {
  const socket = checked('socket', linux.inet, linux.datagram | linux.closeOnExec, 0)
  const size = Buffer.alloc(4)
  size.writeInt32LE(receiveBuffer.bytes)
  checked('setOption', socket, receiveBuffer.level, receiveBuffer.option, size, size.length)
  checked('bind', socket, addressOf(from), 16)
  return socket
}

export function openTcp(to: Place): Socket {
  const socket = checked('socket', linux.inet, linux.stream | linux.closeOnExec, 0)
  connectSocket(socket, to)
  return socket
}

export function connectSocket(socket: Socket, to: Place): void {
  checked('connect', socket, addressOf(to), 16)
}

export function closeSocket(socket: Socket): void {
  checked('close', socket)
}

export function send(socket: Socket, bytes: Uint8Array, length = bytes.length): void {
  if (calls.send(socket, bytes, length, 0, null, 0) === length) return
  const errno = koffi.errno()
  if (!nothing.includes(errno)) throw new Error(`send: error ${errno}`)
}

export function sendTo(socket: Socket, bytes: Uint8Array, to: Place): void {
  checked('send', socket, bytes, bytes.length, 0, addressOf(to), 16)
}

/** @returns how many bytes came; -1 when there is nothing to take now */
export function receive(socket: Socket, into: Uint8Array): number {
  const length = calls.receive(socket, into, into.length, linux.dontWait, null, null) as number
  if (length >= 0) return length
  const errno = koffi.errno()
  if (nothing.includes(errno)) return -1
  throw new Error(`receive: error ${errno}`)
}

const sender = { address: Buffer.alloc(16), length: Buffer.alloc(4) }

/** The same, and from where they came. */
export function receiveFrom(socket: Socket, into: Uint8Array): { length: number; from: Place } | undefined {
  const { address, length: size } = sender
  size.writeUInt32LE(address.length)
  const length = calls.receive(socket, into, into.length, linux.dontWait, address, size) as number
  if (length < 0) return undefined
  return { length, from: { ip: address.subarray(4, 8).join('.'), port: address.readUInt16BE(2) } }
}

export type Watched = {
  set(at: number, socket: Socket): void
  /** Waits until something has come, at most so many ms. */
  wait(ms: number): void
  /** whether it came there, as of the last wait */
  isReady(at: number): boolean
}

/** A number of sockets to wait for. */
export function watchSockets(count: number): Watched {
  // struct pollfd: the socket, what is wanted (16 bits), what happened (16 bits)
  const fields = new Int32Array(count * 2)
  return {
    set(at, socket) {
      fields[at * 2] = socket
      fields[at * 2 + 1] = linux.readable
    },
    wait: (ms) => void calls.poll(fields, count, ms),
    isReady: (at) => fields[at * 2 + 1]! >>> 16 !== 0,
  }
}
