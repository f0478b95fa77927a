import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import koffi from 'koffi'

/**
 * Thread that sends files into connections with sendfile(2) and waits for their readers with epoll(7): nothing else of
 * the process waits for a disk or a reader meanwhile. Started by `pour.ts`.
 */

/** To send: `connection` and `file` are numbers of descriptors; the connection's is closed here at the end. */
export type Order = { id: number; connection: number; file: number; from: number; length: number }
export type Message = Order | { stop: number }

/** `taken`: bytes that the system took; fewer than were asked for when the reader is gone or the system refuses */
export type Result = { id: number; taken: number }

/** `waker`: descriptor of an eventfd(2) that is written to after each message */
export type Setting = { waker: number }

/** numbers of Linux on x86-64 and arm64, little-endian */
const linux = {
  tcp: 6,
  cork: 3,
  closeOnExec: 0x80000,
  add: 1,
  remove: 2,
  readable: 1,
  writable: 4,
  error: 8,
  hangUp: 16,
} as const
/** `struct epoll_event`, which x86-64 alone packs: 32 bits of events, then 64 of ours */
const pollEvent = process.arch === 'x64' ? ({ size: 12, data: 4 } as const) : ({ size: 16, data: 8 } as const)
const mostEvents = 64
/** bytes of one connection before the others get their turn */
const sliceBytes = 2 * 1024 * 1024
/** how long to wait at most before the thread can be ended, ms */
const waitMs = 200
/** the system took nothing so often although it said it would: it cannot do it with this file */
const mostInVain = 16

type Stream = Order & { taken: number; inVain: number }

function loadCalls() {
  const library = koffi.load(null)
  return {
    close: library.func('int close(int)'),
    read: library.func('int64_t read(int, void *, size_t)'),
    sendfile: library.func('int64_t sendfile(int, int, void *, size_t)'),
    createPoll: library.func('int epoll_create1(int)'),
    setOption: library.func('int setsockopt(int, int, int, const void *, uint32_t)'),
    control: library.func('int epoll_ctl(int, int, int, const void *)'),
    wait: library.func('int epoll_wait(int, void *, int, int)'),
  }
}

function pourAll(port: NonNullable<typeof parentPort>, { waker }: Setting): void {
  const call = loadCalls()
  const poll: number = call.createPoll(linux.closeOnExec)
  const events = Buffer.alloc(mostEvents * pollEvent.size)
  const offset = Buffer.alloc(8)
  const woken = Buffer.alloc(8)
  const [yes, no] = [Buffer.from([1, 0, 0, 0]), Buffer.alloc(4)]
  const byConnection = new Map<number, Stream>()
  watch(waker, linux.readable)

  function watch(fd: number, what: number): boolean {
    const event = Buffer.alloc(pollEvent.size)
    event.writeUInt32LE(what, 0)
    event.writeInt32LE(fd, pollEvent.data)
    return call.control(poll, linux.add, fd, event) === 0
  }

  /** Whether only full packets leave: fewer for the reader to wake up for (tcp(7)). */
  function cork(fd: number, isOn: boolean): void {
    call.setOption(fd, linux.tcp, linux.cork, isOn ? yes : no, yes.length)
  }

  function end(stream: Stream): void {
    byConnection.delete(stream.connection)
    cork(stream.connection, false)
    call.control(poll, linux.remove, stream.connection, events)
    call.close(stream.connection)
    port.postMessage({ id: stream.id, taken: stream.taken } satisfies Result)
  }

  function hear(message: Message): void {
    if ('stop' in message) {
      for (const stream of byConnection.values()) if (stream.id === message.stop) return end(stream)
      return
    }
    const stream = { ...message, taken: 0, inVain: 0 }
    byConnection.set(message.connection, stream)
    cork(message.connection, true)
    if (!watch(message.connection, linux.writable)) end(stream)
  }

  /** Bytes until the slice is used up or the connection is full. */
  function send(stream: Stream): void {
    const { connection, file, from, length } = stream
    const until = Math.min(length, stream.taken + sliceBytes)
    while (stream.taken < until) {
      offset.writeBigInt64LE(BigInt(from + stream.taken))
      const asked = until - stream.taken
      const sent: number = call.sendfile(connection, file, offset, asked)
      stream.inVain = sent > 0 ? 0 : stream.inVain + 1
      if (sent > 0) stream.taken += sent
      if (sent < asked) break
    }
    if (stream.taken === length || stream.inVain >= mostInVain) end(stream)
  }

  function handle(fd: number, what: number): void {
    if (fd === waker) return void call.read(waker, woken, woken.length)
    const stream = byConnection.get(fd)
    if (!stream) return
    if (what & (linux.error | linux.hangUp)) end(stream)
    else send(stream)
  }

  function hearAll(): void {
    for (let told = receiveMessageOnPort(port); told; told = receiveMessageOnPort(port))
      hear(told.message as Message)
  }

  function run(): void {
    while (byConnection.size > 0) {
      const count: number = call.wait(poll, events, mostEvents, waitMs)
      for (let at = 0; at < count; at++)
        handle(
          events.readInt32LE(at * pollEvent.size + pollEvent.data),
          events.readUInt32LE(at * pollEvent.size),
        )
      hearAll()
    }
  }

  port.on('message', (message: Message) => {
    hear(message)
    hearAll()
    run()
  })
}

if (parentPort) pourAll(parentPort, workerData as Setting)
