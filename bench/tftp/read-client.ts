import { readLoad, turns } from '../lib/load.ts'
import type { Load, LoadReading } from '../lib/load.ts'
import {
  closeSocket,
  connectSocket,
  openUdp,
  receive,
  receiveFrom,
  send,
  sendTo,
  watchSockets,
} from '../lib/system.ts'
import type { Place, Socket } from '../lib/system.ts'

/** Machines that read one file by TFTP again and again, as a program of its own. */
export type ReadLoad = Load & {
  server: Place
  file: string
  size: number
  blockSize: number
  windowSize: number
  /** addresses of the machines, which are this machine's own */
  clients: readonly string[]
}

/** `work`: octets of files. `resent`: packets that were sent again for want of an answer. */
export type ReadReading = LoadReading & { resent: number; files: number }

const load = readLoad<ReadLoad>()
const { server, file, size, blockSize, windowSize, clients } = load
const resendMs = 500
const opcode = { data: 3, ack: 4, error: 5, oack: 6 }
const lastBlock = Math.floor(size / blockSize) + 1

const asked = { tsize: 0, blksize: blockSize, ...(windowSize > 1 ? { windowsize: windowSize } : {}) }
const words = [file, 'octet', ...Object.entries(asked).flat()]
const request = Buffer.from(`\0\x01${words.map((word) => `${word}\0`).join('')}`)

/** `block`: the last one in order; -1 before the answer to the request. `window`: what the server agreed to. */
type Read = { socket: Socket; block: number; window: number; heardAt: number }

const watched = watchSockets(clients.length)
const reads = clients.map((ip): Read => ({
  socket: openUdp({ ip, port: 0 }),
  block: -1,
  window: 1,
  heardAt: 0,
}))
const input = Buffer.alloc(blockSize + 4)
const ack = Buffer.from([0, opcode.ack, 0, 0])
let octets = 0
let files = 0
let resent = 0

function begin(at: number): void {
  const read = reads[at]!
  Object.assign(read, { block: -1, window: 1, heardAt: performance.now() })
  watched.set(at, read.socket)
  sendTo(read.socket, request, server)
}

function beginAgain(at: number): void {
  const read = reads[at]!
  closeSocket(read.socket)
  read.socket = openUdp({ ip: clients[at]!, port: 0 })
  begin(at)
}

function acknowledge({ socket, block }: Read): void {
  ack.writeUInt16BE(block & 0xffff, 2)
  send(socket, ack)
}

/** The first answer comes from the port that the server has for this read. */
function agreed(read: Read): void {
  const answer = receiveFrom(read.socket, input)
  if (!answer) return
  const { length, from } = answer
  const text = input.toString('latin1', 2, length)
  if (input.readUInt16BE(0) !== opcode.oack) throw new Error(`${file} is refused: ${text.slice(2)}`)
  const said = text.split('\0')
  const option = (name: string) => Number(said[said.findIndex((word) => word.toLowerCase() === name) + 1])
  if (option('blksize') !== blockSize) throw new Error(`blocks of ${blockSize} octets are not agreed to`)
  if (option('tsize') !== size) throw new Error(`${file} has not ${size} octets`)
  connectSocket(read.socket, from)
  read.window = said.includes('windowsize') ? option('windowsize') : 1
  read.block = 0
  read.heardAt = performance.now()
  acknowledge(read)
}

function taken(at: number, length: number): void {
  const read = reads[at]!
  const code = input.readUInt16BE(0)
  if (code === opcode.error) throw new Error(`the read ended: ${input.toString('latin1', 4, length)}`)
  if (code !== opcode.data || input.readUInt16BE(2) !== ((read.block + 1) & 0xffff)) return
  read.block += 1
  octets += length - 4
  const isLast = length < blockSize + 4
  if (isLast || read.block % read.window === 0) {
    read.heardAt = performance.now()
    acknowledge(read)
  }
  if (!isLast) return
  if (read.block !== lastBlock) throw new Error(`${file} ended at block ${read.block} of ${lastBlock}`)
  files += 1
  beginAgain(at)
}

function take(at: number): void {
  const read = reads[at]!
  if (read.block < 0) return agreed(read)
  const { socket } = read
  for (let length = receive(socket, input); length >= 0; length = receive(socket, input)) {
    taken(at, length)
    if (read.socket !== socket) return
  }
}

function resend(): void {
  const now = performance.now()
  for (const read of reads) {
    if (now - read.heardAt < resendMs) continue
    resent += 1
    read.heardAt = now
    if (read.block < 0) sendTo(read.socket, request, server)
    else acknowledge(read)
  }
}

let lookedAt = performance.now()
function turn(): void {
  watched.wait(50)
  for (let at = 0; at < reads.length; at++) if (watched.isReady(at)) take(at)
  if (performance.now() - lookedAt < resendMs / 5) return
  lookedAt = performance.now()
  resend()
}

for (let at = 0; at < reads.length; at++) begin(at)
const reading = turns(load, turn, () => octets)
// a read that is not finished is ended, so that the server does not wait for it
const goodbye = Buffer.from(`\0\x05\0\0ended\0`, 'latin1')
for (const { socket, block } of reads) if (block >= 0) send(socket, goodbye)
console.log(JSON.stringify({ ...reading, files, resent } satisfies ReadReading))
