import { messageTypes } from '../../src/dhcp/options/table.ts'
import { ip4ToNumber, parseIp4 } from '../../src/model/ip4.ts'
import { macToBytes, parseMac } from '../../src/model/mac.ts'
import { ipOf, macOf } from '../lib/csv.ts'
import { dhcpMessage } from '../lib/dhcp-message.ts'
import { readLoad, turns } from '../lib/load.ts'
import type { Load, LoadReading } from '../lib/load.ts'
import { connectSocket, openUdp, receive, send, watchSockets } from '../lib/system.ts'

/**
 * Machines that ask for their addresses through one relay, as a program of its own: so many at once go through DISCOVER,
 * OFFER, REQUEST and ACK, and each that is done makes room for the next machine.
 */
export type DoraLoad = Load & {
  server: string
  relay: string
  /** number of the first machine (`macOf`), and how many there are */
  first: number
  count: number
  outstanding: number
}

/** `work`: machines that got their address. `lost`: those that had to begin anew, from the start on. */
export type DoraReading = LoadReading & { lost: number }

const load = readLoad<DoraLoad>()
const { server, relay, first, count, outstanding } = load
const lostMs = 500
const at = { xid: 4, yiaddr: 16, chaddr: 28, options: 240 }
const mostSlots = 64

const bytesOf = (ip: string) => Uint8Array.from(ip.split('.').map(Number))
const some = { mac: macOf(first), giaddr: relay }
const discover = Buffer.from(dhcpMessage({ ...some, type: messageTypes.discover }))
const request = Buffer.from(
  dhcpMessage({
    ...some,
    type: messageTypes.request,
    options: [
      [50, bytesOf(ipOf(first))],
      [54, bytesOf(server)],
    ],
  }),
)
const requestedIp = request.indexOf(Buffer.from([50, 4])) + 2
const macs = Array.from({ length: count }, (_, index) => macToBytes(parseMac(macOf(first + index))!))
const ips = Array.from({ length: count }, (_, index) => ip4ToNumber(parseIp4(ipOf(first + index))!))

type Slot = { number: number; xid: number; machine: number; sentAt: number; isOffered: boolean }
const slots = Array.from({ length: Math.min(outstanding, mostSlots) }, (_, number): Slot => ({
  number,
  xid: 0,
  machine: 0,
  sentAt: 0,
  isOffered: false,
}))

const socket = openUdp({ ip: relay, port: 67 })
connectSocket(socket, { ip: server, port: 67 })
const watched = watchSockets(1)
watched.set(0, socket)
const input = Buffer.alloc(2048)
let begun = 0
let doras = 0
let lost = 0

function sendOf(slot: Slot, packet: Buffer): void {
  packet.writeUInt32BE(slot.xid, at.xid)
  packet.set(macs[slot.machine]!, at.chaddr)
  slot.sentAt = performance.now()
  send(socket, packet)
}

/** The next machine takes the slot, whose number is in the transaction. */
function begin(slot: Slot): void {
  slot.machine = begun++ % count
  slot.xid = (begun * mostSlots + slot.number) >>> 0
  slot.isOffered = false
  sendOf(slot, discover)
}

/** Value of option 53, which servers put where they like. */
function typeOf(length: number): number {
  for (let place = at.options; place + 2 < length; place += 2 + input[place + 1]!) {
    if (input[place] === 53) return input[place + 2]!
  }
  return 0
}

function answered(length: number): void {
  const xid = input.readUInt32BE(at.xid)
  const slot = slots[xid % mostSlots]
  if (slot?.xid !== xid) return
  const type = typeOf(length)
  const ip = ips[slot.machine]!
  if (input.readUInt32BE(at.yiaddr) !== ip) throw new Error(`wrong address, in a message of type ${type}`)
  if (type === messageTypes.offer && !slot.isOffered) {
    slot.isOffered = true
    request.writeUInt32BE(ip, requestedIp)
    return sendOf(slot, request)
  }
  if (type !== messageTypes.ack || !slot.isOffered) return
  doras += 1
  begin(slot)
}

function beginLost(): void {
  const now = performance.now()
  for (const slot of slots) {
    if (now - slot.sentAt < lostMs) continue
    lost += 1
    begin(slot)
  }
}

let lookedAt = performance.now()
function turn(): void {
  watched.wait(50)
  for (let length = receive(socket, input); length >= 0; length = receive(socket, input)) answered(length)
  if (performance.now() - lookedAt < lostMs / 5) return
  lookedAt = performance.now()
  beginLost()
}

for (const slot of slots) begin(slot)
const reading = turns(load, turn, () => doras)
console.log(JSON.stringify({ ...reading, lost } satisfies DoraReading))
