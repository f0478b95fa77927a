import dgram from 'node:dgram'
import koffi from 'koffi'
import { AppError } from '../model/error.ts'
import type { Ip4 } from '../model/ip4.ts'
import { unsetIp } from './packet.ts'

/**
 * The sockets of one interface. `any` (0.0.0.0) hears broadcasts; `own` is bound to the advertised address, hears what is
 * sent there, and sends: its packets carry that address as their source, and its broadcasts leave through the
 * interface that holds the address when the socket is tied to none.
 */
export type Channel = { device: string | undefined; port: number; any: Endpoint; own: Endpoint }

/** A socket as Node has it, and its number in the system, which is good as long as it `isOpen`. */
export type Endpoint = { socket: dgram.Socket; fd: number; isOpen: boolean }

export function closeChannel({ any, own }: Channel): void {
  for (const endpoint of [any, own]) {
    endpoint.isOpen = false
    endpoint.socket.close()
  }
}

/** The system's name for what keeps `openChannel` from opening: `EADDRINUSE`. */
export function causeOf(error: unknown): string | undefined {
  const { cause } = error as { cause?: { code?: string } }
  return cause?.code
}

const passing: readonly unknown[] = ['ENODEV', 'EADDRNOTAVAIL', 'ENETDOWN']

/** Whether an error of `openChannel` passes by itself when an interface or an address appears. */
export const mayPass = (error: unknown): boolean => passing.includes(causeOf(error))

/** What the C library calls for; numbers of Linux on x86-64 and arm64. */
const linux = {
  inet: 2,
  datagram: 2,
  nonBlocking: 0x800,
  closeOnExec: 0x80000,
  socketLevel: 1,
  reuseAddress: 2,
  bindToDevice: 25,
  doNotWait: 0x40,
  udpLevel: 17,
  udpSegment: 103,
} as const

/**
 * Opens both sockets of an interface. Node's dgram cannot tie a socket to a device before it is bound, and a port
 * that is shared by reuse would hide a second server; so the sockets are made by the C library and handed over.
 * @param port 0 takes any free one
 * @throws AppError Unavailable naming the address, the port and the system's error
 */
export function openChannel(
  ownIp: Ip4,
  port: number,
  device: string | undefined,
  system: System = loadSystem(),
): Channel {
  const any = system.bound({ ip: unsetIp, port, device, shared: false })
  system.share(any, true)
  const socket = adopt(any)
  const bound = socket.address().port
  try {
    const own = system.bound({ ip: ownIp, port: bound, device, shared: true })
    system.share(any, false)
    system.share(own, false)
    const endpoint = (fd: number, socket: dgram.Socket): Endpoint => ({ socket, fd, isOpen: true })
    return { device, port: bound, any: endpoint(any, socket), own: endpoint(own, adopt(own)) }
  } catch (error) {
    socket.close()
    throw error
  }
}

/** octets; a rack that is switched on at once fits in. The kernel may grant less. */
const receiveBuffer = 1 << 20

/** Addresses are always numeric: no resolver on the way. */
const numeric = (
  host: string,
  _options: unknown,
  found: (error: null, address: string, family: number) => void,
) => found(null, host, 4)

/** A bound socket of the system as one of Node. */
export function adopt(fd: number): dgram.Socket {
  const socket = dgram.createSocket({ type: 'udp4', lookup: numeric as never })
  socket.bind({ fd })
  socket.setBroadcast(true)
  socket.setRecvBufferSize(receiveBuffer)
  return socket
}

type Binding = { ip: Ip4; port: number; device: string | undefined; shared: boolean }

/** The system's calls that Node lacks. */
export type System = {
  /** @returns the number of a bound socket */
  bound(binding: Binding): number
  share(fd: number, on: boolean): boolean
  /** the kernel's number of an interface, another one when it was made anew; 0 when there is none */
  interfaceIndex(device: string): number
  /** Does not wait. @returns octets of the message, or an error's name: `EAGAIN` when there is none */
  receive(fd: number, into: Uint8Array, from: Uint8Array): number | string
  /** Does not wait. @param to a socket address @returns the error's name, or nothing */
  send(fd: number, bytes: Uint8Array, to: Uint8Array): string | undefined
  /** cuts what is sent from now on into messages of so many octets (UDP_SEGMENT, udp(7)); 0 switches it off */
  segment(fd: number, octets: number): boolean
}

export function loadSystem(): System {
  const library = koffi.load(null)
  const socket = library.func('int socket(int, int, int)')
  const bind = library.func('int bind(int, const void *, uint32_t)')
  const close = library.func('int close(int)')
  const recvfrom = library.func('long recvfrom(int, void *, size_t, int, void *, void *)')
  const sendto = library.func('long sendto(int, const void *, size_t, int, const void *, uint32_t)')
  const addressSize = int32(16)
  const setOption = library.func('int setsockopt(int, int, int, const void *, uint32_t)')
  const set = (fd: number, option: number, value: Buffer): boolean =>
    setOption(fd, linux.socketLevel, option, value, value.length) === 0
  const segment = (fd: number, octets: number): boolean => {
    const value = int32(octets)
    return setOption(fd, linux.udpLevel, linux.udpSegment, value, value.length) === 0
  }
  const share = (fd: number, on: boolean) => set(fd, linux.reuseAddress, int32(on ? 1 : 0))
  const prepare = (fd: number, { ip, port, device, shared }: Binding): boolean => {
    if (shared) share(fd, true)
    if (device !== undefined && !set(fd, linux.bindToDevice, Buffer.from(`${device}\0`))) return false
    return bind(fd, socketAddress(ip, port), 16) === 0
  }
  const bound = (binding: Binding): number => {
    const fd: number = socket(linux.inet, linux.datagram | linux.nonBlocking | linux.closeOnExec, 0)
    if (fd >= 0 && prepare(fd, binding)) return fd
    const code = errorName(koffi.errno())
    if (fd >= 0) close(fd)
    const message = `cannot listen for DHCP on ${describe(binding)}: ${code}`
    throw new AppError('Unavailable', message, { cause: { code } })
  }
  const interfaceIndex = library.func('uint32_t if_nametoindex(const char *)') as System['interfaceIndex']
  const receive = (fd: number, into: Uint8Array, from: Uint8Array): number | string => {
    const length: number = recvfrom(fd, into, into.length, linux.doNotWait, from, addressSize)
    return length >= 0 ? length : errorName(koffi.errno())
  }
  const send = (fd: number, bytes: Uint8Array, to: Uint8Array): string | undefined => {
    const sent: number = sendto(fd, bytes, bytes.length, linux.doNotWait, to, to.length)
    return sent >= 0 ? undefined : errorName(koffi.errno())
  }
  return { bound, share, interfaceIndex, receive, send, segment }
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

/** struct sockaddr_in: family in host order, port and address in network order */
export function socketAddress(ip: Ip4, port: number): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt16LE(linux.inet, 0)
  bytes.writeUInt16BE(port, 2)
  bytes.set(ip.split('.').map(Number), 4)
  return bytes
}

const describe = ({ ip, port, device }: Binding): string =>
  `${ip}:${port}${device ? ` at interface ${device}` : ''}`

const again = koffi.os.errno['EAGAIN']

function errorName(errno: number): string {
  if (errno === again) return 'EAGAIN'
  const [name] = Object.entries(koffi.os.errno).find(([, value]) => value === errno) ?? [`error ${errno}`]
  return name
}
